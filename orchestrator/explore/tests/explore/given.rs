//! A plan of faults in virtual time: each fault comes to what it comes to in a server, the explorer's own go on top, and what was found
//! and saved as a plan is found again by it.

use std::collections::BTreeSet;

use amends_core::{
    definition::Known,
    faults::{Asked, Attempted, FaultPlan, Moment, chosen, parse as parse_plan},
    ids::SagaId,
};
use amends_explore::{Broken, CannotReplay, Contract, Report, Setup, Trace, explore, fault_plan, replay};
use serde_json::Map;

use crate::support::{codes, parse, setup};

const PAY: &str = "saga: pay\nsteps:\n  \
    reserve: { call: stock POST /reserves, compensate: { call: stock POST /releases } }\n  \
    charge: { call: payments POST /charges, compensate: { call: payments POST /refunds } }\n  \
    ship: { call: shipping POST /parcels, pivot: true }\n";

fn plan(rules: &str) -> FaultPlan {
    parse_plan(&format!("rules: [{rules}]\n")).unwrap_or_else(|found| panic!("{rules}: {found:#?}"))
}

fn given(yaml: &str, contract: Contract, plan: &FaultPlan, faults: u8) -> Report {
    let definition = parse(yaml);
    let setup = Setup { plan: Some(plan.clone()), ..setup(&definition, contract, faults) };
    explore(&definition, &setup, &mut |_| true).expect("it can be explored")
}

/// How the runs ended: completed, compensated, or with a person being asked.
fn ends(report: &Report) -> Vec<&'static str> {
    let totals = &report.totals;
    let all = [("completed", totals.completed), ("compensated", totals.compensated), ("attention", totals.attention)];
    all.into_iter().filter(|(_, runs)| *runs > 0).map(|(end, _)| end).collect()
}

#[test]
fn each_fault_comes_to_what_it_comes_to_in_a_server() {
    use Contract::{Barrier, Plain, Unkeyed};
    let undone = "{ step: ship, reject: 409 }";
    for (contract, rules, end, found) in [
        (Barrier, "{ step: charge, refuse: true }", "compensated", ""),
        (Barrier, "{ step: charge, attempts: 2, refuse: true }", "completed", ""),
        (Barrier, "{ step: charge, attempts: 1, lose: request }", "completed", ""),
        (Barrier, "{ step: charge, attempts: 1, lose: reply }", "completed", ""),
        (Unkeyed, "{ step: charge, attempts: 1, lose: request }", "completed", ""),
        (Unkeyed, "{ step: charge, attempts: 1, lose: reply }", "completed", "F0101"),
        (Unkeyed, "{ step: charge, attempts: 1, cut: true }", "completed", "F0101"),
        (Barrier, "{ step: charge, reject: 402 }", "compensated", ""),
        (Barrier, "{ step: charge, attempt: 1, fail: 503 }", "completed", ""),
        (Plain, "{ step: charge, op: action, fail: 409 }", "compensated", ""),
        (Barrier, "{ step: charge, op: action, fail: 409 }", "compensated", ""),
        (Barrier, "{ step: charge, attempts: 1, status: 502 }", "completed", ""),
        (Barrier, "{ step: charge, attempts: 1, status: 409 }", "completed", ""),
        (Plain, "{ step: charge, attempts: 1, status: 409 }", "compensated", "F0104"),
        (Barrier, "{ step: charge, duplicate: 3 }", "completed", ""),
        (Unkeyed, "{ step: charge, duplicate: 3 }", "completed", "F0101"),
        (Unkeyed, "{ step: charge, replay: 10s }", "completed", "F0101"),
        (Barrier, &format!("{{ step: charge, op: action, replay: compensation }}, {undone}"), "compensated", ""),
        (Plain, &format!("{{ step: charge, op: action, replay: compensation }}, {undone}"), "compensated", ""),
        (Unkeyed, &format!("{{ step: charge, op: action, replay: compensation }}, {undone}"), "compensated", "F0102"),
        // Whose compensation never comes never comes either.
        (Unkeyed, "{ step: charge, op: action, replay: compensation }", "completed", ""),
        (Unkeyed, "{ step: charge, attempts: 1, delay: 2s }", "completed", ""),
        (Unkeyed, "{ step: charge, attempts: 1, delay: 1m }", "completed", "F0101"),
        (Barrier, "{ step: charge, op: compensate, reject: 409 }, { step: ship, reject: 409 }", "attention", "F0306"),
        (Barrier, "{ step: charge, op: action, abort: before-intent }", "completed", ""),
        (Barrier, "{ step: charge, op: action, abort: before-send }", "completed", ""),
        (Unkeyed, "{ step: charge, op: action, abort: before-send }", "completed", ""),
        (Unkeyed, "{ step: charge, op: action, abort: after-send }", "completed", "F0101"),
        (Unkeyed, "{ step: charge, op: action, abort: before-commit }", "completed", "F0101"),
        (Unkeyed, "{ step: charge, op: action, abort: after-commit }", "completed", ""),
        // What it follows from was done, and nothing is written of it.
        (Unkeyed, "{ step: charge, op: action, abort: before-intent }", "completed", "F0101"),
        (Barrier, "{ step: reserve, abort: before-intent }", "completed", ""),
        (Barrier, "{ step: charge, op: action, abort: before-commit, count: 4 }", "completed", ""),
    ] {
        let report = given(PAY, contract, &plan(rules), 0);
        let found: BTreeSet<&str> = found.split(' ').filter(|code| !code.is_empty()).collect();
        assert_eq!((ends(&report), codes(&report)), (vec![end], found), "{contract:?} {rules}");
        assert!(report.fired.iter().any(|times| *times > 0), "{rules}: {:?}", report.fired);
        assert_eq!((report.complete_to, report.incomplete), (Some(0), false), "{rules}");
    }
}

#[test]
fn a_rule_fires_as_often_as_it_says_and_one_that_fits_nothing_never() {
    let fired = |rules: &str| given(PAY, Contract::Barrier, &plan(rules), 0).fired;
    assert_eq!(fired("{ step: charge, attempts: 2, refuse: true }, { step: nobody, cut: true }"), [2, 0]);
    assert_eq!(fired("{ op: action, count: 1, refuse: true }, { step: charge, attempt: 1, refuse: true }"), [1, 1]);
    assert_eq!(fired("{ step: charge, abort: after-commit, count: 2 }, { step: charge, abort: before-send }"), [2, 1]);
    assert_eq!(fired("{ label: { tier: gold }, cut: true }"), [0]);
    assert_eq!(
        fired("{ saga: pay, op: action, step: ship, cut: true, attempts: 3 }, { op: compensate, cut: true }"),
        [3, 0]
    );
}

#[test]
fn dice_are_those_of_a_server_for_this_saga() {
    let saga = SagaId::derived("pay", "explore").0;
    let labels = Map::new();
    let attempted = Attempted {
        service: "payments",
        saga,
        name: "pay",
        step: "charge",
        index: None,
        op: Asked::Action,
        attempt: 1,
        labels: &labels,
    };
    let mut both = BTreeSet::new();
    for seed in 0..12 {
        let rules = "{ step: charge, attempt: 1, probability: 0.5, refuse: true }";
        let plan = FaultPlan { seed, ..plan(rules) };
        let hit = chosen(&plan, Moment::Call, &attempted, |_| true).is_some();
        assert_eq!(given(PAY, Contract::Barrier, &plan, 0).fired, [u64::from(hit)], "seed {seed}");
        both.insert(hit);
    }
    assert_eq!(both.len(), 2, "some seeds say yes and some no");
}

#[test]
fn the_explorers_own_faults_go_on_top_of_those_that_are_given() {
    // What it holds cannot be let go of by a number that nobody has heard.
    let saga = "saga: x\nsteps:\n  \
        hold: { call: bank POST /holds, output: { id: \"${{ response.body.id }}\" }, \
                compensate: { call: \"bank DELETE /holds/${{ steps.hold.output.id | default('none') }}\" } }\n  \
        pay: { call: bank POST /payments, pivot: true }\n";
    let lost = plan("{ step: hold, op: action, lose: reply }");
    let alone = given(saga, Contract::Plain, &lost, 0);
    let more = given(saga, Contract::Plain, &lost, 1);
    assert_eq!(ends(&alone), ["attention"]);
    assert!(more.totals.runs > alone.totals.runs && more.complete_to == Some(1), "{:?}", more.totals);
    assert!(codes(&more).is_superset(&codes(&alone)), "{:?} {:?}", codes(&alone), codes(&more));
    let planned: u64 = more.coverage.rows().iter().filter(|row| row.fault == "as planned").map(|row| row.times).sum();
    assert!(planned > 0 && more.coverage.rows().iter().any(|row| row.fault == "crash"), "{:?}", more.coverage.rows());
}

#[test]
fn a_judge_that_looks_on_while_a_plan_is_played_can_fail() {
    let definition = parse(PAY);
    let rules = plan("{ step: charge, op: action, attempt: 1, lose: reply }, { step: charge, op: action, fail: 409 }");
    for (broken, violated) in [(Broken::Nothing, false), (Broken::UnknownNotSticky, true)] {
        let base = Setup { plan: Some(rules.clone()), broken, ..setup(&definition, Contract::Plain, 0) };
        let report = explore(&definition, &base, &mut |_| true).expect("it can be explored");
        let found = codes(&report).iter().any(|code| code.starts_with('V'));
        assert_eq!(found, violated, "{broken:?}: {:?}", codes(&report));
    }
}

#[test]
fn what_is_found_under_a_plan_repeats_with_it_and_saves_it_too() {
    let given_rule = plan("{ name: first, step: reserve, attempts: 1, lose: reply }");
    let report = given(PAY, Contract::Unkeyed, &given_rule, 1);
    let twice =
        report.findings.iter().find(|found| found.code.as_str() == "F0101" && found.step.as_deref() == Some("reserve"));
    let twice = twice.expect("it is found");
    assert_eq!(twice.faults, 0, "it takes none but those that are given");
    let own = report.findings.iter().find(|found| found.faults == 1 && found.step.as_deref() == Some("charge"));
    let own = own.expect("and something takes one more");
    let text = serde_json::to_string(&own.trace).expect("JSON");
    let trace: Trace = serde_json::from_str(&text).expect("the same");
    let story = replay(&parse(PAY), &Known::new(), &trace).expect("it replays");
    assert!(story.findings.iter().any(|told| told.starts_with(own.code.as_str())), "{:?}", story.findings);
    assert!(story.lines.iter().any(|line| line.text == "as planned: first" && line.fault), "{:#?}", story.lines);
    let saved = fault_plan(&parse(PAY), &Known::new(), &trace).expect("it replays").plan;
    assert_eq!(saved.rules[0], given_rule.rules[0]);
    assert!(saved.rules.len() >= 2, "{saved:#?}");
    let without = Trace { plan: None, ..trace.clone() };
    assert!(matches!(replay(&parse(PAY), &Known::new(), &without), Err(CannotReplay::Choice { .. })));
    let bent = Trace { plan: Some("rules: 3".to_owned()), ..trace };
    assert!(matches!(replay(&parse(PAY), &Known::new(), &bent), Err(CannotReplay::Plan(_))));
}

#[test]
fn what_was_found_and_saved_as_a_plan_is_found_again_by_the_plan_alone() {
    let order = include_str!("../../../../sagas/place-order.yaml");
    let (mut again, mut not) = (0, Vec::new());
    for yaml in [PAY, order] {
        for contract in [Contract::Plain, Contract::Barrier, Contract::Unkeyed] {
            let definition = parse(yaml);
            let base = setup(&definition, contract, 1);
            let report = explore(&definition, &base, &mut |_| true).expect("it can be explored");
            for found in report.findings {
                let planned = fault_plan(&definition, &Known::new(), &found.trace).expect("it replays");
                if planned.plan.rules.is_empty() || !planned.left_out.is_empty() {
                    continue;
                }
                let inputs = vec![found.trace.input.clone()];
                let played = Setup { inputs, faults: 0, plan: Some(planned.plan.clone()), ..base.clone() };
                let played = explore(&definition, &played, &mut |_| true).expect("it can be explored");
                let about = (found.code, &found.step);
                if played.findings.iter().any(|other| (other.code, &other.step) == about) {
                    again += 1;
                } else {
                    not.push(format!("{contract:?} {} {:?}: {:#?}", found.code.as_str(), found.step, planned.plan));
                }
            }
        }
    }
    assert!(not.is_empty() && again > 10, "{again} were found again, these were not: {not:#?}");
}

#[test]
fn a_plan_picks_attempts_of_children_and_counts_over_the_whole_family() {
    let trip = parse("saga: trip\nsteps:\n  pay: { saga: pay }\n  go: { call: trains POST /tickets, pivot: true }\n");
    let child = parse(
        "saga: pay\nsteps:\n  reserve: { call: bank POST /reserves, compensate: { call: bank POST /releases } }\n",
    );
    let known: Known = [(child.name.clone(), std::sync::Arc::new(child))].into();
    for (rules, fired, end) in [
        ("{ saga: pay, step: reserve, op: action, reject: 409 }", vec![true], "compensated"),
        ("{ op: action, count: 1, refuse: true }, { op: action, count: 1, fail: 503 }", vec![true, true], "completed"),
        ("{ saga: pay, step: reserve, abort: before-intent }", vec![true], "completed"),
        ("{ saga: pay, step: reserve, abort: before-commit }", vec![true], "completed"),
        ("{ saga: pay, step: reserve, abort: after-commit }", vec![true], "completed"),
        ("{ saga: pay, step: go, cut: true }", vec![false], "completed"),
        (
            "{ step: go, reject: 409 }, { step: reserve, op: compensate, attempts: 1, lose: reply }",
            vec![true, true],
            "compensated",
        ),
    ] {
        let base = setup(&trip, Contract::Barrier, 0);
        let setup = Setup { known: known.clone(), plan: Some(plan(rules)), ..base };
        let report = explore(&trip, &setup, &mut |_| true).expect("it can be explored");
        assert_eq!((ends(&report), codes(&report).len()), (vec![end], 0), "{rules}: {:?}", codes(&report));
        assert_eq!(report.fired.iter().map(|times| *times > 0).collect::<Vec<_>>(), fired, "{rules}");
    }
}

#[test]
fn a_plan_befalls_probes() {
    let once = "saga: x\nsteps:\n  pay:\n    call: bank POST /payments\n    idempotent: false\n    \
        probe: bank GET /payments/1\n    compensate: { call: bank POST /refunds }\n";
    let lost = "{ step: pay, op: action, attempts: 1, lose: reply }";
    for (rule, asked) in [
        ("lose: reply", 1),
        ("refuse: true", 1),
        ("fail: 503", 1),
        ("status: 502", 1),
        ("delay: 1m", 1),
        ("delay: 1s", 1),
        ("abort: before-commit", 1),
        ("abort: after-commit", 1),
        ("abort: before-send", 1),
    ] {
        let rules = format!("{lost}, {{ op: probe, count: 1, {rule} }}");
        let report = given(once, Contract::Barrier, &plan(&rules), 0);
        assert_eq!((ends(&report), report.fired[1]), (vec!["completed"], asked), "{rule}: {:?}", report.fired);
        assert_eq!(codes(&report).len(), 0, "{rule}: {:?}", codes(&report));
    }
}
