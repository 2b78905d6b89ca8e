//! What of all that could befall a saga is in its scenarios.

use std::time::Duration;

use amends_core::{
    definition::Mark,
    scenario::{After, Asked, CalledBack, Cancelled, Fault, Scenario, Scenarios, Verdict, Wrong},
};
use amends_explore::{
    Contract,
    scenarios::{Cell, Family, Touched, cells, play},
};
use serde_json::json;

use super::support::{family_of, read, scenarios, setup};

#[test]
fn every_kind_of_step_has_what_can_befall_it() {
    let of = |name: &str, step: &str, op: &str| -> Vec<&'static str> {
        let family = family_of(name);
        let cells = cells(&family.root).into_iter().filter(|cell| cell.step == step && cell.op == op);
        cells.map(|cell| cell.fault).collect()
    };
    let lost = ["fail", "lose: request", "lose: reply", "delay"];
    let with = |before: &[&'static str], behind: &[&'static str]| [before, &lost, behind].concat();
    assert_eq!(of("place-order", "charge", "action"), with(&["reject"], &["duplicate", "lose: connection"]));
    assert_eq!(of("place-order", "charge", "compensate"), with(&[], &["duplicate"]), "a no waits for a person");
    assert_eq!(of("place-order", "confirm", "action"), with(&[], &["duplicate"]), "behind the pivot, too");
    assert_eq!(of("place-order", "ship", "compensate"), [""; 0], "the pivot is never undone");
    assert_eq!(of("pay-third-party", "pay", "probe"), with(&["reject"], &[]));
    let later = of("ship-later", "ship", "action");
    assert_eq!(later[7..], ["callback: later", "callback: early", "callback: reject", "no callback"]);
    assert_eq!(of("approve-order", "approve", "await"), ["no signal", "cancel"]);
    assert_eq!(of("approve-order", "hold", "await"), ["cancel"]);
    assert_eq!(of("approve-order", "delivered", "await"), [""; 0], "behind the pivot");
    assert_eq!(of("settle-claim", "pay", "action"), [""; 0], "its child has it");
}

#[test]
fn a_parent_scenario_counts_for_the_steps_of_its_children() {
    let family = family_of("settle-claim");
    let file = scenarios(&family, &read("settle-claim.test.yaml"));
    let mut touched = Touched::default();
    for scenario in &file.scenarios {
        touched.add(&play(&family, &file, scenario, &setup(Contract::Barrier)).expect("it starts").touched);
    }
    let child = touched.of(&family.known["pay-claim"]);
    let of_transfer: Vec<_> =
        child.iter().filter(|cell| cell.scenarios > 0).map(|cell| (&*cell.step, cell.fault)).collect();
    assert_eq!(of_transfer, [("transfer", "reject"), ("transfer", "lose: reply")]);
    assert_eq!(
        touched.of(&family.root).iter().filter(|cell| cell.scenarios > 0).count(),
        1,
        "the close request is lost"
    );
}

/// Otherwise nobody could ever bring all of it about in scenarios that pass.
#[test]
fn whatever_could_befall_a_step_can_be_written_and_then_befalls_it_and_the_saga_ends() {
    let mut never = Vec::new();
    let mut tried = 0;
    for name in ["approve-order", "pay-third-party", "place-order", "replace-item", "ship-later", "transfer-money"] {
        let family = family_of(name);
        let file = scenarios(&family, &read(&format!("{name}.test.yaml")));
        for cell in cells(&family.root) {
            tried += 1;
            if !written(&family, &file, &cell).iter().any(|scenario| befalls(&family, &file, scenario, &cell)) {
                never.push(format!("{name}: {cell:?}"));
            }
        }
    }
    assert!(tried > 150, "{tried}");
    assert!(never.is_empty(), "{} of {tried}:\n{}", never.len(), never.join("\n"));
}

fn befalls(family: &Family, file: &Scenarios, scenario: &Scenario, cell: &Cell) -> bool {
    let played = play(family, file, scenario, &setup(Contract::Barrier)).expect("it starts");
    let ended = matches!(played.ran.status.as_str(), "completed" | "compensated") && played.ran.could_not.is_empty();
    ended
        && played.touched.iter().any(|touch| (&touch.step, touch.op, touch.fault) == (&cell.step, cell.op, cell.fault))
}

/// Scenarios of which one should do: those of the file with this, alone or with another step that is refused or lost.
fn written(family: &Family, file: &Scenarios, cell: &Cell) -> Vec<Scenario> {
    let at = Mark { line: 1, column: 1 };
    let fault = |step: &str, of, what| Fault { at, step: step.into(), of, attempts: None, what };
    let mut written = Vec::new();
    for scenario in &file.scenarios {
        let mut with = Scenario { faults: vec![], callbacks: vec![], cancel: None, ..scenario.clone() };
        match (cell.op, cell.fault) {
            ("await", "cancel") => {
                with.cancel = Some(Cancelled { at, when: cell.step.as_str().into(), reason: None });
            }
            ("await", _) => with.signals.clear(),
            (_, how) if how.contains("callback") => {
                let verdict = match how {
                    "callback: reject" => Verdict::Rejected("no".to_owned()),
                    _ => Verdict::Done(json!({ "tracking": "T" })),
                };
                let after = match how {
                    "no callback" => After::Never,
                    "callback: early" => After::Early,
                    _ => After::Later(Duration::from_secs(1)),
                };
                with.callbacks = vec![CalledBack { at, step: cell.step.as_str().into(), after, verdict }];
            }
            (op, how) => {
                let of = Asked::ALL.into_iter().find(|of| of.as_str() == op).expect("a request");
                let second = Duration::from_secs(1);
                let what = [
                    Wrong::Reject(409),
                    Wrong::Fail(503),
                    Wrong::LoseRequest,
                    Wrong::LoseReply,
                    Wrong::LoseConnection,
                    Wrong::Duplicate(2),
                    Wrong::Delay(second),
                ];
                let what = what.into_iter().find(|what| what.as_str() == how).expect("a fault");
                with.faults = vec![Fault { attempts: Some(1), ..fault(&cell.step, of, what) }];
            }
        }
        written.push(with.clone());
        for other in family.root.steps.iter().filter(|step| step.call().is_some()) {
            for (what, attempts) in [(Wrong::Reject(402), None), (Wrong::LoseReply, Some(1))] {
                let mut both = with.clone();
                both.faults.push(Fault { attempts, ..fault(other.name.as_str(), Asked::Action, what) });
                written.push(both);
            }
        }
    }
    written
}
