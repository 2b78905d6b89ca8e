//! An example of a saga as a run of it: framed if it is only steps, with an input, and with what its services and others answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use amends_core::definition::{Definition, parse_duration, write_duration};
use amends_tests::words;
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

use crate::pages::Block;

/// Longer sleeps are shortened to it: nobody waits half an hour for a test.
const SLEEP: Duration = Duration::from_millis(200);
/// What is answered later is.
const LATER_MS: u64 = 50;

/// What an `<!-- example: … -->` may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Said {
    /// Instead of what is made from the schema. A text `now + 2s` becomes that time.
    input: Option<Value>,
    /// `completed`, unless the page claims something else.
    end: Option<String>,
    /// Exactly these steps are skipped.
    skipped: Option<Vec<String>>,
    /// Other sagas that it needs, by name, with what each answers: a call that can be undone, and this output.
    others: Map<String, Value>,
}

/// One run of one example.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) place: String,
    pub(crate) source: String,
    /// Definitions that have to be there before.
    pub(crate) others: Vec<String>,
    pub(crate) services: BTreeSet<String>,
    /// Calls in source order, up to and with the pivot.
    pub(crate) failable: Vec<(String, String)>,
    pub(crate) input: Value,
    pub(crate) end: String,
    pub(crate) skipped: Option<Vec<String>>,
    /// What services answer, by step.
    pub(crate) replies: BTreeMap<String, Value>,
    /// Steps whose call is accepted, and decided a little later.
    pub(crate) later: BTreeMap<String, Value>,
    /// Step → the signal it awaits, and a payload that does.
    pub(crate) signals: BTreeMap<String, (String, Value)>,
}

impl Example {
    /// The runs of a block of YAML.
    pub(crate) fn of(block: &Block) -> Result<Vec<Self>> {
        let source = if block.text.starts_with("saga:") {
            block.text.clone()
        } else if block.text.starts_with("  ") {
            let name = block.place().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
            format!("saga: {name}\ndeadline: 30d\nsteps:\n{}", block.text)
        } else {
            bail!("{}: neither a definition nor steps of one", block.place());
        };
        let runs = if block.runs.is_empty() { vec!["{}".to_owned()] } else { block.runs.clone() };
        runs.iter().map(|run| Self::run(block, &source, run).with_context(|| block.place())).collect()
    }

    fn run(block: &Block, source: &str, run: &str) -> Result<Self> {
        let said: Said = serde_json::from_str(run).context("the comment above it")?;
        let definition = Definition::parse(source, None).map_err(|found| anyhow!("{found:#?}"))?;
        let mut root: Yaml = serde_yaml_ng::from_str(source)?;
        let mut example = Self {
            place: block.place(),
            source: source.to_owned(),
            others: said.others.iter().map(|(name, output)| other(name, output)).collect(),
            services: definition.services().into_iter().map(|service| service.as_str().to_owned()).collect(),
            failable: Vec::new(),
            input: Value::Null,
            end: said.end.unwrap_or_else(|| "completed".to_owned()),
            skipped: said.skipped,
            replies: BTreeMap::new(),
            later: BTreeMap::new(),
            signals: BTreeMap::new(),
        };
        if !example.others.is_empty() {
            example.services.insert(OTHERS.to_owned());
        }
        let schema = serde_json::to_value(root.get("input"))?;
        example.input = at_times(said.input.unwrap_or_else(|| made(&schema)))?;
        let mut shortened = false;
        let steps = root.get_mut("steps").and_then(Yaml::as_mapping_mut).context("steps")?;
        let mut behind = false;
        for (name, step) in steps.iter_mut() {
            let name = name.as_str().context("a name")?.to_owned();
            example.step(&name, step)?;
            if let Some(call) = step.get("call").and_then(Yaml::as_str).filter(|_| !behind) {
                let service = call.split_whitespace().next().context("a service")?;
                example.failable.push((name, service.to_owned()));
            }
            behind |= step.get("pivot").is_some();
            let sleeps = step.get("sleep").and_then(Yaml::as_str).map(parse_duration);
            if sleeps.transpose().map_err(anyhow::Error::msg)?.is_some_and(|sleeps| sleeps > SLEEP) {
                step["sleep"] = write_duration(SLEEP).into();
                shortened = true;
            }
        }
        if shortened {
            example.source = serde_yaml_ng::to_string(&root)?;
        }
        Ok(example)
    }

    fn step(&mut self, name: &str, step: &Yaml) -> Result<()> {
        let output = step.get("output").map(serde_json::to_value).transpose()?.unwrap_or_default();
        let reply = used(&output, "response.body.");
        if step.get("async").is_some() {
            self.later
                .insert(name.to_owned(), json!({ "when": { "after_ms": LATER_MS }, "verdict": { "done": reply } }));
        }
        self.replies.insert(name.to_owned(), reply);
        if let Some(signal) = step.get("await").and_then(Yaml::as_str) {
            self.signals.insert(name.to_owned(), (signal.to_owned(), used(&output, "signal.")));
        }
        Ok(())
    }
}

/// Whom the sagas call that an example needs.
const OTHERS: &str = "others";

fn other(name: &str, output: &Value) -> String {
    format!(
        "saga: {name}\nsteps:\n  work:\n    call: {OTHERS} POST /work\n    compensate: {{ call: {OTHERS} DELETE /work }}\noutput: {output}\n"
    )
}

/// An object in which every path that the expressions of `output` read below `root` has a value.
fn used(output: &Value, root: &str) -> Value {
    let mut all = Value::Object(Map::new());
    let text = output.to_string();
    for (at, _) in text.match_indices(root) {
        let rest = &text[at + root.len()..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_.".contains(letter));
        let mut here = &mut all;
        for part in rest[..end.unwrap_or(rest.len())].split('.') {
            here = &mut here[part];
        }
        *here = "value-1".into();
    }
    all
}

/// Something that fits the schema, as far as schemas of these pages go; the server is the judge.
fn made(schema: &Value) -> Value {
    if let Some(one) = schema["enum"].as_array().and_then(|all| all.first()).or_else(|| schema.get("const")) {
        return one.clone();
    }
    match schema["type"].as_str() {
        Some("string") => "text-1".into(),
        Some("integer" | "number") => schema["minimum"].as_i64().unwrap_or(0).max(1).into(),
        Some("boolean") => true.into(),
        Some("array") => json!([made(&schema["items"])]),
        _ => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(properties.map(|(name, schema)| (name.clone(), made(schema))).collect())
        }
    }
}

fn at_times(input: Value) -> Result<Value> {
    Ok(match input {
        Value::String(text) => match text.strip_prefix("now + ") {
            Some(later) => {
                let later = parse_duration(later).map_err(anyhow::Error::msg)?;
                let at = words::now().saturating_add(i64::try_from(later.as_micros())?);
                chrono::DateTime::from_timestamp_micros(at).context("a time")?.to_rfc3339().into()
            }
            None => Value::String(text),
        },
        Value::Object(map) => map.into_iter().map(|(key, value)| Ok((key, at_times(value)?))).collect::<Result<_>>()?,
        other => other,
    })
}
