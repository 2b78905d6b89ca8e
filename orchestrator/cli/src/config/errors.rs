//! What is wrong with a configuration, where it stands, and how to mend it.

use std::fmt::Write as _;

use figment2::error::{Error, Kind};

use super::load::ENV_PREFIX;

/// How far a word may be from the one that was meant.
const SIMILAR_ENOUGH: f64 = 0.7;

/// Every finding on a line of its own.
pub(super) fn explain(error: Error) -> String {
    let findings: Vec<String> = error.into_iter().map(|error| finding(&error)).collect();
    match findings.as_slice() {
        [one] => format!("the configuration is not valid: {one}"),
        many => format!("the configuration is not valid:\n  {}", many.join("\n  ")),
    }
}

fn finding(error: &Error) -> String {
    let key = error.path.join(".");
    let mut text = match &error.kind {
        Kind::UnknownField(field, known) => {
            let mut path = error.path.clone();
            if path.last() != Some(field) {
                path.push(field.clone());
            }
            format!("`{}` is no key of the configuration{}", path.join("."), meant(field, known))
        }
        Kind::UnknownVariant(found, known) => format!("`{key}`: `{found}` is not one of {}", known.join(", ")),
        Kind::MissingField(field) if error.path.last().is_some_and(|last| last == field) => {
            format!("`{key}` is missing")
        }
        Kind::MissingField(field) if key.is_empty() => format!("`{field}` is missing"),
        Kind::MissingField(field) => format!("`{key}.{field}` is missing"),
        // The file itself cannot be read as TOML: the message says where.
        Kind::Message(message) if key.is_empty() => message.trim_end().to_owned(),
        Kind::Message(message) => format!("`{key}`: {message}"),
        other => format!("`{key}`: {other}"),
    };
    if let Some(place) = place(error) {
        let _ = write!(text, " (in {place})");
    }
    text
}

/// The file, the variable or the flag.
fn place(error: &Error) -> Option<String> {
    let metadata = error.metadata.as_ref()?;
    Some(source_of(metadata, &error.path))
}

pub(super) fn source_of(metadata: &figment2::Metadata, path: &[String]) -> String {
    match &metadata.source {
        Some(file @ figment2::Source::File(_)) => format!("file {file}"),
        _ if metadata.name.contains("environment") => {
            format!("environment {ENV_PREFIX}{}", path.join("__").replace('-', "_").to_ascii_uppercase())
        }
        _ => metadata.name.to_string(),
    }
}

fn meant(field: &str, known: &[&str]) -> String {
    let best = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(field, candidate), candidate))
        .max_by(|(left, _), (right, _)| left.total_cmp(right));
    match best {
        Some((similar, candidate)) if similar >= SIMILAR_ENOUGH => format!("; did you mean `{candidate}`?"),
        _ => format!("; there are: {}", known.join(", ")),
    }
}
