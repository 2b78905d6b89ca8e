//! The effective configuration as TOML, each value with its source.

use std::fmt::Write as _;

use serde_json::Value;

use super::{errors::source_of, load::Loaded};

/// Lines of TOML. What is not set and has no default is not there.
///
/// # Errors
/// The configuration cannot be written as text.
pub(crate) fn show(loaded: &Loaded) -> anyhow::Result<String> {
    let mut text = String::new();
    if let Value::Object(sections) = serde_json::to_value(&loaded.config)? {
        for (name, section) in sections {
            table(loaded, &mut text, &mut vec![name], &section)?;
        }
    }
    Ok(text)
}

fn table(loaded: &Loaded, text: &mut String, path: &mut Vec<String>, section: &Value) -> anyhow::Result<()> {
    let Value::Object(entries) = section else { return Ok(()) };
    let (tables, leaves): (Vec<_>, Vec<_>) = entries.iter().partition(|(_, value)| value.is_object());
    let lines: Vec<(String, String)> = leaves
        .into_iter()
        .map(|(key, value)| {
            let value: toml_edit::Value = serde_json::from_value::<Leaf>(value.clone())?.into();
            path.push(key.clone());
            let source = source(loaded, path);
            path.pop();
            Ok((format!("{} = {value}", toml_edit::Key::new(key)), source))
        })
        .collect::<anyhow::Result<_>>()?;
    if !lines.is_empty() {
        let header: Vec<String> = path.iter().map(|key| toml_edit::Key::new(key).to_string()).collect();
        let gap = if text.is_empty() { "" } else { "\n" };
        writeln!(text, "{gap}[{}]", header.join("."))?;
        let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
        for (line, source) in lines {
            writeln!(text, "{line:width$}  # {source}")?;
        }
    }
    for (key, value) in tables {
        path.push(key.clone());
        table(loaded, text, path, value)?;
        path.pop();
    }
    Ok(())
}

fn source(loaded: &Loaded, path: &[String]) -> String {
    match loaded.sources.find_metadata(&path.join(".")) {
        Some(metadata) => source_of(metadata, path),
        None => "default".to_owned(),
    }
}

/// What a configuration's value can be.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Leaf {
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Leaf>),
}

impl From<Leaf> for toml_edit::Value {
    fn from(leaf: Leaf) -> Self {
        match leaf {
            Leaf::Bool(value) => value.into(),
            Leaf::Integer(value) => value.into(),
            Leaf::Text(value) => value.into(),
            Leaf::List(values) => Self::Array(values.into_iter().map(Self::from).collect()),
        }
    }
}
