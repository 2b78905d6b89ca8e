//! A definition as far as the checker cares: which steps, in which order, undone or not. Read from the stored YAML by a
//! parser of its own.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde_yaml_ng::{Mapping, Value};

/// What a saga was to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub digest: String,
    /// In source order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    /// Empty for a step that waits.
    pub service: String,
    /// The saga that it runs as a child, if it does.
    pub saga: Option<String>,
    /// The word for its kind, if it only waits.
    pub waits: Option<String>,
    /// It reads only: no ledger knows it.
    pub reads: bool,
    pub undone: Undone,
    pub pivot: bool,
    /// It calls once for each item of a list.
    pub each: bool,
    /// Its participant may accept it and call back.
    pub later: bool,
    /// `idempotent: false`: not to be sent again when it may have happened.
    pub once: bool,
    /// It says how to ask whether it was applied.
    pub asks: bool,
    /// So long after it was sent nothing of it arrives any more, by its own words, if it has any.
    pub settle_us: Option<i64>,
    /// It has an `if`.
    pub conditional: bool,
    /// What must have succeeded before it, directly.
    pub needs: Vec<String>,
}

/// What the definition says about undoing a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    ByCall,
    /// `compensate: none`.
    Nothing,
    /// By its child, before the pivot.
    ByChild,
    /// At and after the pivot.
    Never,
}

impl Shape {
    /// Reads a definition.
    ///
    /// # Errors
    /// It is not one.
    pub fn read(source: &str, digest: &str) -> Result<Self> {
        let value: Mapping = serde_yaml_ng::from_str(source)?;
        let steps = value.get("steps").and_then(Value::as_mapping).context("a definition has steps")?;
        let in_parallel = steps.values().any(|step| step.get("needs").is_some());
        let mut read = Vec::<Step>::new();
        for (name, step) in steps {
            let name = name.as_str().context("a step has a name")?.to_owned();
            let needs = match step.get("needs").and_then(Value::as_sequence) {
                Some(needs) => needs.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                None if in_parallel => Vec::new(),
                None => read.last().map(|before| before.name.clone()).into_iter().collect(),
            };
            let waits = ["sleep", "until", "await"].into_iter().find(|kind| step.get(*kind).is_some());
            let waits = waits.map(str::to_owned);
            let saga = step.get("saga").and_then(Value::as_str).map(str::to_owned);
            let call = match step.get("call").and_then(Value::as_str) {
                None if waits.is_some() || saga.is_some() => "",
                call => call.context("every step of these tests calls, waits or runs a saga")?,
            };
            let mut words = call.split_whitespace();
            let service = words.next().unwrap_or_default().to_owned();
            let undone = match step.get("compensate") {
                None => Undone::Never,
                Some(Value::String(none)) if none == "none" => Undone::Nothing,
                Some(_) => Undone::ByCall,
            };
            let pivot = step.get("pivot").and_then(Value::as_bool).unwrap_or(false);
            let conditional = step.get("if").is_some();
            let reads = words.next() == Some("GET");
            let later = step.get("async").and_then(Value::as_bool).unwrap_or(false);
            let each = step.get("for_each").is_some();
            let once = step.get("idempotent").and_then(Value::as_bool) == Some(false);
            let asks = step.get("probe").is_some();
            let settle_us = settle_us(step, &value)?;
            read.push(Step {
                name,
                service,
                saga,
                waits,
                each,
                later,
                once,
                asks,
                settle_us,
                reads,
                undone,
                pivot,
                conditional,
                needs,
            });
        }
        let mut shape = Self { digest: digest.to_owned(), steps: read };
        shape.undone_by_children();
        Ok(shape)
    }

    /// Children undo themselves, unless they are the pivot or behind it.
    fn undone_by_children(&mut self) {
        let pivot = self.steps.iter().find(|step| step.pivot).map(|step| step.name.clone());
        let behind = |step: &Step| {
            step.pivot || pivot.as_ref().is_some_and(|pivot| self.ancestors(&step.name).contains(pivot.as_str()))
        };
        let before: Vec<bool> = self.steps.iter().map(|step| step.saga.is_some() && !behind(step)).collect();
        for (step, _) in self.steps.iter_mut().zip(before).filter(|(_, before)| *before) {
            step.undone = Undone::ByChild;
        }
    }

    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Everything that must have succeeded before this step, however far back.
    pub fn ancestors(&self, name: &str) -> BTreeSet<&str> {
        let mut all = BTreeSet::new();
        let mut queue: Vec<&str> = vec![name];
        while let Some(here) = queue.pop() {
            for needed in self.step(here).into_iter().flat_map(|step| &step.needs) {
                if all.insert(needed.as_str()) {
                    queue.push(needed);
                }
            }
        }
        all
    }
}

/// What a probe says, or twice the timeout of its step's attempts, if the definition says how long that is.
fn settle_us(step: &Value, root: &Mapping) -> Result<Option<i64>> {
    let Some(probe) = step.get("probe") else { return Ok(None) };
    if let Some(settle) = probe.get("settle").and_then(Value::as_str) {
        return duration_us(settle).map(Some);
    }
    let timeout = step.get("timeout").or_else(|| root.get("defaults")?.get("timeout")).and_then(Value::as_str);
    timeout.map(|timeout| Ok(2 * duration_us(timeout)?)).transpose()
}

/// `1m30s`, `500ms`.
fn duration_us(text: &str) -> Result<i64> {
    let mut us = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len()));
        let unit_us = match unit {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => bail!("{text} is no duration that these tests use"),
        };
        us += number.parse::<i64>()? * unit_us;
        rest = after;
    }
    Ok(us)
}
