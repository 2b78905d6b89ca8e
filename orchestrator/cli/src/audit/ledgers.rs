//! Whether what the services did fits how the sagas ended: once or not at all.

use std::collections::{BTreeMap, BTreeSet};

use amends_protocol::v1::{SagaStatus, SagaView};
use uuid::Uuid;

use super::{Check, LedgerEntry, Record};

/// Applied and undone, so many times.
type Effects<'a> = BTreeMap<(Uuid, &'a str, &'a str, Option<u32>), (u32, u32)>;

/// Completed: every step that changes something was applied once and never undone. Compensated: what was applied was undone, at
/// most once. Sagas of others are not looked at, nor are services whose ledger is not there. `never_undone` are the steps that
/// have nothing to undo: `compensate: none`.
pub(crate) fn agree(
    sagas: &[Record],
    ledgers: &BTreeMap<String, Vec<LedgerEntry>>,
    never_undone: &BTreeSet<String>,
) -> Check {
    let ours: BTreeSet<Uuid> = sagas.iter().map(|record| record.view.id).collect();
    let (mut effects, mut failures, mut entries) = (Effects::new(), vec![], 0);
    for (service, ledger) in ledgers {
        for entry in ledger.iter().filter(|entry| ours.contains(&entry.saga)) {
            entries += 1;
            let key = (entry.saga, service.as_str(), entry.step.as_str(), entry.index);
            let (applied, undone) = effects.entry(key).or_default();
            match entry.effect.as_str() {
                "applied" => *applied += 1,
                "undone" => *undone += 1,
                "null" => {}
                other => failures.push(format!("{service}: an effect {other:?} for saga {}", entry.saga)),
            }
        }
    }
    for saga in sagas.iter().map(|record| &record.view) {
        for (service, step, index, read_only) in calls(saga).filter(|(service, ..)| ledgers.contains_key(*service)) {
            let found = effects.remove(&(saga.id, service, step, index)).unwrap_or_default();
            if !fits(saga.status, found, read_only, never_undone.contains(step)) {
                let item = index.map_or_else(String::new, |index| format!("[{index}]"));
                let (applied, undone) = found;
                let what = format!("{service} applied {step}{item} {applied} times and undid it {undone} times");
                failures.push(format!("saga {} is {}: {what}", saga.id, saga.status));
            }
        }
    }
    // What is left nobody has asked for.
    failures.extend(effects.into_iter().filter(|(_, found)| *found != (0, 0)).map(
        |((saga, service, step, index), _)| {
            let item = index.map_or_else(String::new, |index| format!("[{index}]"));
            format!("{service} did {step}{item} of saga {saga}, which has not asked for it")
        },
    ));
    Check {
        name: "each step's ledger agrees with its saga's end",
        counted: format!("{entries} entries in {} ledgers", ledgers.len()),
        failures,
    }
}

fn fits(status: SagaStatus, found: (u32, u32), read_only: bool, never_undone: bool) -> bool {
    match status {
        // A read leaves no trace in a ledger.
        SagaStatus::Completed if read_only => found == (0, 0),
        SagaStatus::Completed => found == (1, 0),
        SagaStatus::Compensated if never_undone => matches!(found, (0 | 1, 0)),
        SagaStatus::Compensated => matches!(found, (0, 0) | (1, 1)),
        // Not ended, or by an operator: another check says so.
        SagaStatus::Running | SagaStatus::Compensating | SagaStatus::Succeeded | SagaStatus::Abandoned => true,
    }
}

/// Service, step, item and whether it only reads, of everything that a saga calls. What is skipped calls nobody.
fn calls(saga: &SagaView) -> impl Iterator<Item = (&str, &str, Option<u32>, bool)> {
    saga.steps.iter().filter(|step| step.status.as_str() != "skipped").flat_map(|step| {
        let indices: Vec<Option<u32>> = match &step.items {
            Some(items) => items.iter().map(|item| Some(item.index)).collect(),
            None => vec![None],
        };
        step.action.iter().flat_map(move |call| {
            let of = |index| (call.service.as_str(), step.name.as_str(), index, call.method == "GET");
            indices.clone().into_iter().map(of).collect::<Vec<_>>()
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn saga(status: &str) -> Record {
        let call = |method: &str| json!({ "service": "payments", "method": method, "attempts": [] });
        let step = |name: &str, more: serde_json::Value| {
            let mut step = json!({ "name": name, "status": "succeeded", "pivot": false, "needs": [] });
            step.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
            step
        };
        let item = |index: u32| json!({ "index": index, "status": "succeeded", "item": 1, "attempts": [] });
        let view = json!({
            "id": Uuid::from_u128(1), "name": "s", "version": 1, "definition": "", "status": status,
            "attention": [], "epoch": 1, "input": {}, "labels": {},
            "started_at": "2026-11-26T00:00:00Z", "updated_at": "2026-11-26T00:00:00Z",
            "steps": [
                step("charge", json!({ "action": call("POST") })),
                step("look", json!({ "action": call("GET") })),
                step("each", json!({ "action": call("POST"), "items": [item(0), item(1)] })),
                step("skipped", json!({ "action": call("POST"), "status": "skipped" })),
                step("wait", json!({})),
                step("elsewhere", json!({ "action": { "service": "bank", "method": "POST", "attempts": [] } })),
            ],
        });
        Record { view: serde_json::from_value(view).expect("a view"), journal: vec![] }
    }

    fn entry(step: &str, index: Option<u32>, effect: &str) -> LedgerEntry {
        LedgerEntry { saga: Uuid::from_u128(1), step: step.to_owned(), index, effect: effect.to_owned() }
    }

    fn failures(status: &str, entries: &[(&str, Option<u32>, &str)], never_undone: &[&str]) -> Vec<String> {
        let ledger = entries.iter().map(|(step, index, effect)| entry(step, *index, effect)).collect();
        let never_undone = never_undone.iter().map(|step| (*step).to_owned()).collect();
        agree(&[saga(status)], &BTreeMap::from([("payments".to_owned(), ledger)]), &never_undone).failures
    }

    const DONE: [(&str, Option<u32>, &str); 3] =
        [("charge", None, "applied"), ("each", Some(0), "applied"), ("each", Some(1), "applied")];

    #[test]
    fn what_was_done_once_and_not_undone_is_completed() {
        assert_eq!(failures("completed", &DONE, &[]), [""; 0]);
        assert_eq!(failures("completed", &DONE[..2], &[]).len(), 1, "an item is missing");
        assert_eq!(failures("completed", &[&DONE[..], &DONE[..1]].concat(), &[]).len(), 1, "twice");
        assert_eq!(failures("completed", &[&DONE[..], &[("charge", None, "undone")]].concat(), &[]).len(), 1);
        assert_eq!(failures("completed", &[&DONE[..], &[("look", None, "applied")]].concat(), &[]).len(), 1);
    }

    #[test]
    fn what_was_done_and_undone_as_often_is_compensated() {
        assert_eq!(failures("compensated", &[], &[]), [""; 0]);
        assert_eq!(failures("compensated", &[("charge", None, "null")], &[]), [""; 0]);
        let both = [("charge", None, "applied"), ("charge", None, "undone")];
        assert_eq!(failures("compensated", &both, &[]), [""; 0]);
        assert_eq!(failures("compensated", &both[..1], &[]).len(), 1, "left behind");
        assert_eq!(failures("compensated", &both[..1], &["charge"]), [""; 0], "it has nothing to undo");
        assert_eq!(failures("compensated", &[both[0], both[1], both[1]], &[]).len(), 1, "undone twice");
    }

    #[test]
    fn what_nobody_asked_for_is_told_and_sagas_of_others_are_not_looked_at() {
        let strange = [&DONE[..], &[("refund", None, "applied")]].concat();
        assert!(failures("completed", &strange, &[])[0].contains("has not asked for it"));
        let skipped = [&DONE[..], &[("skipped", None, "applied")]].concat();
        assert_eq!(failures("completed", &skipped, &[]).len(), 1);
        let mut other = entry("charge", None, "applied");
        other.saga = Uuid::from_u128(2);
        let ledgers = BTreeMap::from([("payments".to_owned(), vec![other])]);
        assert_eq!(agree(&[saga("compensated")], &ledgers, &BTreeSet::new()).failures, [""; 0]);
    }
}
