//! A run that was found can be told again, exactly.

use amends_core::{
    definition::Known,
    faults::{Asked, Attempts, Fault, parse as parse_plan, write},
};
use amends_explore::{CannotReplay, Code, Contract, Trace, fault_plan, mermaid, replay};

use crate::support::{explored, parse};

const LETTER: &str = "saga: x\nsteps:\n  letter:\n    call: mail POST /letters\n    compensate: none\n    reason: it is out\n  \
                      ship: { call: shipping POST /s, pivot: true }\n";

fn trace() -> Trace {
    let report = explored(LETTER, Contract::Barrier, 1);
    report.findings.into_iter().find(|found| found.code == Code::NoUndo).expect("found").trace
}

#[test]
fn a_trace_replays_to_the_finding_that_it_shows_through_a_file() {
    let text = serde_json::to_string(&trace()).expect("JSON");
    let read: Trace = serde_json::from_str(&text).expect("the same");
    let story = replay(&parse(LETTER), &Known::new(), &read).expect("it replays");
    assert!(story.findings.iter().any(|found| found.starts_with("F0202: ")), "{:?}", story.findings);
    assert_eq!(story.end, "compensated");
    assert!(story.ledger.contains(&"letter: done 1, undone 0".to_owned()), "{:?}", story.ledger);
    assert!(story.lines.iter().any(|line| line.to.as_deref() == Some("mail")), "{:#?}", story.lines);
}

#[test]
fn a_trace_of_another_text_or_with_a_choice_that_is_none_is_refused() {
    let other = parse(&LETTER.replace("/letters", "/cards"));
    assert!(matches!(replay(&other, &Known::new(), &trace()), Err(CannotReplay::OtherDefinition(_))));
    let mut bent = trace();
    bent.choices[1] = "letter: eaten".to_owned();
    let why = replay(&parse(LETTER), &Known::new(), &bent).expect_err("no such choice").to_string();
    assert!(why.contains("choice 2") && why.contains("letter: done"), "{why}");
    let mut future = trace();
    future.trace = 2;
    assert!(matches!(replay(&parse(LETTER), &Known::new(), &future), Err(CannotReplay::Format(2))));
}

#[test]
fn the_faults_of_a_run_are_rules_of_a_plan() {
    let pay =
        "saga: pay\nsteps:\n  charge: { call: payments POST /charges, compensate: { call: payments POST /refunds } }\n";
    let found = explored(pay, Contract::Unkeyed, 1).findings.into_iter().find(|found| found.code == Code::AppliedTwice);
    let planned = fault_plan(&parse(pay), &Known::new(), &found.expect("found").trace).expect("of this text");
    let [rule] = &planned.plan.rules[..] else { panic!("{planned:#?}") };
    assert_eq!((rule.saga.as_deref(), rule.step.as_ref().map(|step| step.as_str())), (Some("pay"), Some("charge")));
    assert_eq!((rule.op, rule.attempts), (Some(Asked::Action), Some(Attempts::Only(1))));
    assert!(matches!(rule.fault, Fault::Replay(_)) && planned.left_out.is_empty(), "{planned:#?}");
    let cancelled = fault_plan(&parse(LETTER), &Known::new(), &trace()).expect("of this text");
    assert_eq!((cancelled.plan.rules.len(), &cancelled.left_out[..]), (0, &["cancel".to_owned()][..]));
    let other = parse(&LETTER.replace("/letters", "/cards"));
    assert!(matches!(fault_plan(&other, &Known::new(), &trace()), Err(CannotReplay::OtherDefinition(_))));
}

#[test]
fn every_fault_of_a_run_that_shows_a_finding_is_in_its_plan_or_said_to_be_left_out() {
    let (mut rules, mut left_out) = (0, 0);
    for contract in [Contract::Plain, Contract::Barrier, Contract::Unkeyed] {
        let definition = parse(include_str!("../../../../sagas/place-order.yaml"));
        for found in explored(include_str!("../../../../sagas/place-order.yaml"), contract, 2).findings {
            let planned = fault_plan(&definition, &Known::new(), &found.trace).expect("it replays");
            let faults = usize::from(found.faults);
            assert!(planned.plan.rules.len() + planned.left_out.len() >= faults, "{found:#?}\n{planned:#?}");
            if !planned.plan.rules.is_empty() {
                assert_eq!(parse_plan(&write(&planned.plan)).expect("a plan"), planned.plan);
            }
            rules += planned.plan.rules.len();
            left_out += planned.left_out.len();
        }
    }
    assert!(rules > 0, "{rules} rules, {left_out} left out");
}

#[test]
fn every_run_that_shows_a_finding_repeats() {
    for contract in [Contract::Plain, Contract::Barrier, Contract::Unkeyed] {
        let order = include_str!("../../../../sagas/place-order.yaml");
        let definition = parse(order);
        for found in explored(order, contract, 1).findings {
            let story = replay(&definition, &Known::new(), &found.trace).expect("it replays");
            let code = format!("{}: ", found.code.as_str());
            assert!(story.findings.iter().any(|told| told.starts_with(&code)), "{code} {:?}", story.findings);
        }
    }
}

#[test]
fn a_diagram_has_a_line_for_each_message_and_no_text_gets_out_of_it() {
    // A reason that would end its line, and begin another.
    let hostile = "saga: x\ninput: { type: object, properties: { a: { type: string } } }\nsteps:\n  letter:\n    \
                   call: mail POST /letters\n    compensate: none\n    reason: it is out\n  \
                   ship: { call: shipping POST /s, pivot: true }\n  \
                   odd: { await: go, if: \"${{ input.a | default('x') ~ '; end # <b>' }}\", timeout: 1d }\n";
    let report = explored(hostile, Contract::Barrier, 1);
    let found = report.findings.iter().find(|found| found.code == Code::CannotBeSent).expect("found");
    let story = replay(&parse(hostile), &Known::new(), &found.trace).expect("it replays");
    let drawn = mermaid(&story);
    assert!(drawn.starts_with("sequenceDiagram\n  participant p0 as "), "{drawn}");
    assert!(drawn.contains("->>") && drawn.contains("Note over"), "{drawn}");
    let body: Vec<&str> = drawn.lines().skip(1).collect();
    assert!(body.iter().all(|line| line.starts_with("  p") || line.starts_with("  Note over p")), "{drawn}");
    let marks = drawn.replace("#59;", "").replace("#35;", "").replace("#lt;", "").replace("#gt;", "");
    assert!(drawn.contains("#59; end #35; #lt;b#gt;"), "{drawn}");
    assert!(!marks.contains(['#', ';', '<']), "{drawn}");
}
