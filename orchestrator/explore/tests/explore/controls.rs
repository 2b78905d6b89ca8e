//! Negative controls: one rule of the orchestrator or of a barrier is switched off, and the judge must notice, by the invariant
//! that the rule is there for.

use amends_explore::{Broken, Contract, Severity, explore};

use crate::support::{parse, setup};

const ORDER: &str = "saga: x\nsteps:\n  \
    a: { call: s POST /a, compensate: { call: s POST /a/undo } }\n  \
    b: { call: t POST /b, compensate: { call: t POST /b/undo } }\n";

const PIVOT: &str = "saga: x\nsteps:\n  \
    a: { call: s POST /a, compensate: { call: s POST /a/undo } }\n  \
    p: { call: t POST /p, pivot: true, retry: { attempts: 2 } }\n";

const BESIDE: &str = "saga: x\nsteps:\n  \
    a: { needs: [], call: s POST /a, compensate: { call: s POST /a/undo } }\n  \
    b: { needs: [], call: t POST /b, compensate: { call: t POST /b/undo } }\n";

/// Two steps beside each other at one service.
const BESIDE_THERE: &str = "saga: x\nsteps:\n  \
    a: { needs: [], call: s POST /a, compensate: { call: s POST /a/undo } }\n  \
    b: { needs: [], call: s POST /b, compensate: { call: s POST /b/undo } }\n";

const ONCE: &str = "saga: x\nsteps:\n  \
    a: { call: s POST /a, idempotent: false, compensate: { call: s POST /a/undo } }\n  \
    b: { call: t POST /b, compensate: { call: t POST /b/undo } }\n";

const AWAIT: &str = "saga: x\nsteps:\n  w: { await: go, timeout: 1d }\n  p: { call: s POST /p, pivot: true }\n";

/// Violations that the judge tells, at most so many faults deep.
fn violations(yaml: &str, contract: Contract, faults: u8, broken: Broken) -> Vec<String> {
    let definition = parse(yaml);
    let mut setup = setup(&definition, contract, faults);
    setup.broken = broken;
    let report = explore(&definition, &setup, &mut |_| true).expect("it can be explored");
    let violations = report.findings.into_iter().filter(|found| found.severity == Severity::Violation);
    violations.map(|found| format!("{}: {}", found.code.as_str(), found.message)).collect()
}

/// With the rule broken it is noticed by this invariant; with nothing broken nothing is.
#[track_caller]
fn is_noticed(yaml: &str, contract: Contract, broken: Broken, code: &str) {
    let whole = violations(yaml, contract, 2, Broken::Nothing);
    assert!(whole.is_empty(), "nothing is broken: {whole:#?}");
    let told = violations(yaml, contract, 2, broken);
    assert!(told.iter().any(|told| told.starts_with(code)), "{broken:?} is not noticed by {code}: {told:#?}");
}

#[test]
fn a_timeout_taken_for_not_sent_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::TimeoutMeansNotSent, "V0001");
}

#[test]
fn an_unknown_that_is_not_sticky_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::UnknownNotSticky, "V0005");
}

#[test]
fn an_intent_that_is_written_after_it_was_sent_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::SendsBeforeWriting, "V0004");
}

#[test]
fn an_adoption_that_takes_what_is_open_for_unsent_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::AdoptionForgets, "V0001");
}

#[test]
fn undoing_at_a_plain_service_right_after_an_adoption_is_noticed() {
    is_noticed(ORDER, Contract::Plain, Broken::NoWaitAfterAdoption, "V0005");
}

#[test]
fn undoing_in_any_order_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::UndoesInAnyOrder, "V0005");
}

#[test]
fn undoing_beside_an_action_is_noticed() {
    is_noticed(BESIDE, Contract::Barrier, Broken::UndoesBesideActions, "V0005");
}

#[test]
fn a_pivot_that_fails_like_any_step_is_noticed() {
    is_noticed(PIVOT, Contract::Barrier, Broken::PivotLikeAnyStep, "V0011");
}

#[test]
fn sending_twice_what_must_not_be_is_noticed() {
    is_noticed(ONCE, Contract::Barrier, Broken::SendsTwice, "V0012");
}

#[test]
fn a_saga_that_waits_for_nobody_who_knows_is_noticed() {
    is_noticed(PIVOT, Contract::Barrier, Broken::HaltsInSilence, "V0010");
}

#[test]
fn a_signal_that_was_acknowledged_and_lost_is_noticed() {
    is_noticed(AWAIT, Contract::Barrier, Broken::LosesSignals, "V0008");
}

#[test]
fn a_state_that_no_journal_folds_to_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::StateBesideJournal, "V0002");
}

#[test]
fn a_barrier_that_checks_and_then_acts_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::ChecksThenActs, "V0006");
}

#[test]
fn a_barrier_without_tombstones_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::NoTombstones, "V0006");
}

#[test]
fn a_barrier_without_a_fence_is_noticed() {
    is_noticed(BESIDE_THERE, Contract::Barrier, Broken::NoFence, "V0007");
}

#[test]
fn a_barrier_without_idempotency_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::NoIdempotency, "V0006");
}

#[test]
fn a_barrier_that_forgets_its_refusals_is_noticed() {
    is_noticed(ORDER, Contract::Barrier, Broken::RefusalsNotStored, "V0001");
}
