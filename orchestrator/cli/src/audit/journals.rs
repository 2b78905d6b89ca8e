//! Sagas and their journals: all there, all ended, each once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::{Check, Record};

/// Acknowledged means durable, and every saga ends by itself.
pub(crate) fn every_saga_has_ended(sagas: &[Record], acknowledged: &[Uuid]) -> Check {
    let mut there = BTreeSet::new();
    let twice: Vec<_> = sagas.iter().map(|record| record.view.id).filter(|saga| !there.insert(*saga)).collect();
    let mut failures: Vec<String> = acknowledged
        .iter()
        .filter(|saga| !there.contains(saga))
        .map(|saga| format!("saga {saga} was acknowledged and is gone"))
        .collect();
    failures.extend(twice.iter().map(|saga| format!("saga {saga} is listed twice")));
    if there.is_empty() {
        failures.push("there is no saga at all".to_owned());
    }
    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    for Record { view, .. } in sagas {
        *by_status.entry(view.status.as_str()).or_default() += 1;
        if !view.status.is_terminal() {
            failures.push(format!("saga {} ({}) is {}", view.id, view.name, view.status));
        }
        if let Some(raised) = view.attention.first() {
            failures.push(format!("saga {} ({}) needs a person: {}", view.id, view.name, raised.detail));
        }
    }
    let counted: Vec<String> = by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
    Check {
        name: "every acknowledged saga is there and has ended",
        counted: format!("{} sagas: {}", sagas.len(), counted.join(", ")),
        failures,
    }
}

const ENDS: [(&str, &str); 3] =
    [("saga_completed", "completed"), ("saga_compensated", "compensated"), ("saga_abandoned", "abandoned")];

/// Rows numbered without a gap, epochs that never fall, one end, and that is the one the saga has.
pub(crate) fn every_journal_is_whole(sagas: &[Record]) -> Check {
    let mut failures = vec![];
    let mut rows = 0;
    for record in sagas {
        rows += record.journal.len();
        if let Some(why) = broken(record) {
            failures.push(format!("journal of saga {}: {why}", record.view.id));
        }
    }
    Check { name: "every journal is whole and has one end", counted: format!("{rows} events"), failures }
}

fn broken(record: &Record) -> Option<String> {
    let mut epoch = 0;
    let mut ends = vec![];
    for (expected, entry) in (1..).zip(&record.journal) {
        if entry.seq != expected {
            return Some(format!("event {} where {expected} is due", entry.seq));
        }
        if entry.epoch < epoch {
            return Some(format!("event {} has epoch {} after {epoch}", entry.seq, entry.epoch));
        }
        epoch = entry.epoch;
        let kind = entry.event.get("kind").and_then(Value::as_str).unwrap_or_default();
        ends.extend(ENDS.iter().filter(|(end, _)| *end == kind).map(|(_, status)| *status));
    }
    match ends.as_slice() {
        [end] if *end == record.view.status.as_str() => None,
        [end] => Some(format!("it ends {end}, and the saga is {}", record.view.status)),
        ends => Some(format!("it has {} ends", ends.len())),
    }
}
