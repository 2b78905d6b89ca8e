//! Sagas that run sagas: what is wrong with a family is found where it is, a family that stands is not blamed, and the judge notices
//! every rule of families that is broken.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use amends_core::definition::{Definition, Known};
use amends_explore::{Broken, CannotReplay, Contract, Report, Setup, Severity, Trace, explore, mermaid, replay};

use crate::support::{codes, found, parse, setup};

/// The first is the root.
fn family(texts: &[&str]) -> (Definition, Known) {
    let known = texts[1..].iter().map(|text| parse(text)).map(|child| (child.name.clone(), Arc::new(child)));
    (parse(texts[0]), known.collect())
}

fn setup_of((root, known): &(Definition, Known), contract: Contract, faults: u8) -> Setup {
    Setup { known: known.clone(), ..setup(root, contract, faults) }
}

fn explored(texts: &[&str], contract: Contract, faults: u8) -> Report {
    let family = family(texts);
    explore(&family.0, &setup_of(&family, contract, faults), &mut |_| true).expect("it can be explored")
}

#[track_caller]
fn counted(report: &Report) -> BTreeSet<String> {
    assert!(!report.incomplete, "it was tried to the end: {:?}", report.totals);
    let notes: BTreeSet<String> = report
        .findings
        .iter()
        .filter(|found| found.severity == Severity::Note)
        .map(|found| format!("{} {}", found.code.as_str(), found.place().unwrap_or_default()))
        .collect();
    found(report).difference(&notes).cloned().collect()
}

const TRIP: &str = "saga: trip\nsteps:\n  \
    book: { call: agency POST /trips, compensate: { call: agency POST /trips/cancel } }\n  \
    pay: { saga: pay }\n  \
    go: { call: trains POST /tickets, pivot: true }\n";

const PAY: &str = "saga: pay\nsteps:\n  \
    reserve: { call: bank POST /reserves, compensate: { call: bank POST /releases } }\n  \
    transfer: { call: bank POST /transfers, compensate: { call: bank POST /recalls } }\n";

/// Two children at once, and one of them has a child.
const BOTH: &str = "saga: both\nsteps:\n  \
    left: { needs: [], saga: pair }\n  right: { needs: [], saga: one }\n";
const PAIR: &str = "saga: pair\nsteps:\n  \
    a: { call: s POST /a, compensate: { call: s POST /a/undo } }\n  b: { saga: one }\n";
const ONE: &str = "saga: one\nsteps:\n  a: { call: s POST /a, compensate: { call: s POST /a/undo } }\n";

fn sagas(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas").join(format!("{name}.yaml"));
    fs::read_to_string(file).expect("a definition")
}

// ---- what stands -----------------------------------------------------------------------------------------------------

#[test]
fn a_family_with_barriers_stands_every_pair_of_faults() {
    let report = explored(&[TRIP, PAY], Contract::Barrier, 2);
    assert_eq!(counted(&report), BTreeSet::new(), "{:#?}", report.findings);
    assert_eq!(report.complete_to, Some(2));
    assert!(report.totals.completed > 1000 && report.totals.compensated > 1000, "{:?}", report.totals);
    assert_eq!(report.coverage.untouched(), Vec::<String>::new());
}

#[test]
fn three_generations_and_children_beside_each_other_stand_every_fault() {
    let report = explored(&[BOTH, PAIR, ONE], Contract::Barrier, 1);
    assert_eq!(counted(&report), BTreeSet::new(), "{:#?}", report.findings);
    assert!(report.totals.completed > 100 && report.totals.compensated > 100, "{:?}", report.totals);
    let sagas: BTreeSet<Option<String>> = report.coverage.rows().into_iter().map(|row| row.saga).collect();
    assert_eq!(sagas, ["both", "one", "pair"].map(|saga| Some(saga.to_owned())).into());
}

#[test]
fn settling_a_claim_stands_every_fault() {
    let texts = ["settle-claim", "pay-claim", "replace-item"].map(sagas);
    let report = explored(&texts.each_ref().map(String::as_str), Contract::Barrier, 1);
    assert_eq!(counted(&report), BTreeSet::new(), "{:#?}", report.findings);
    assert_eq!(report.coverage.untouched(), Vec::<String>::new());
    assert!(report.totals.completed > 100 && report.totals.compensated > 100, "{:?}", report.totals);
}

#[test]
fn a_child_for_each_item_is_told_apart_from_its_siblings() {
    let root = "saga: x\nsteps:\n  each: { for_each: [1, 2], concurrency: 2, saga: one }\n  \
                p: { call: t POST /p, pivot: true }\n";
    let report = explored(&[root, ONE], Contract::Barrier, 1);
    assert_eq!(counted(&report), BTreeSet::new(), "{:#?}", report.findings);
    assert!(report.totals.completed > 50 && report.totals.compensated > 50, "{:?}", report.totals);
    // The letter of the first is out when the second is refused, or never began.
    let family = family(&[root, &ONE.replace("{ call: s POST /a/undo }", "none, reason: it is out")]);
    let setup = setup_of(&family, Contract::Barrier, 1);
    let report = explore(&family.0, &setup, &mut |_| true).expect("it can be explored");
    let letter = report.findings.iter().find(|found| found.place().as_deref() == Some("one.a")).expect("found");
    let story = replay(&family.0, &family.1, &letter.trace).expect("it replays");
    assert_eq!(story.ledger, ["each[0]/a: done 1, undone 0"]);
    assert!(story.lines.iter().any(|line| line.saga.as_deref() == Some("one[0]")), "{:#?}", story.lines);
}

/// A saga of a few steps, some of which run one of these; in a row, or all beside each other.
fn grown(name: &str, kids: &[&str], dice: &mut impl FnMut(u64) -> u64) -> String {
    let (steps, beside) = (1 + dice(3), dice(3) == 0);
    let pivot = if !beside && name == "root" { dice(steps + 1) } else { steps };
    let mut text = format!("saga: {name}\n{}steps:\n", ["", "deadline: 1m\n"][dice(2) as usize]);
    for step in 0..steps {
        let undo = if step < pivot { ", compensate: { call: s POST /undo }" } else { "" };
        let kid = (!kids.is_empty() && dice(2) == 0).then(|| kids[dice(kids.len() as u64) as usize]);
        let what = match (kid, dice(6)) {
            (Some(kid), 0) if step != pivot => format!("for_each: [1, 2], concurrency: {}, saga: {kid}", 1 + dice(2)),
            (Some(kid), _) => format!("saga: {kid}"),
            (None, 0) if step != pivot => "sleep: 10s".to_owned(),
            (None, 1) if step < pivot => "await: go, timeout: 20s".to_owned(),
            (None, _) => format!("call: s POST /do{undo}"),
        };
        let needs = if beside { "needs: [], " } else { "" };
        let side = if step == pivot { ", pivot: true" } else { "" };
        text.push_str(&format!("  s{step}: {{ {needs}{what}{side} }}\n"));
    }
    text
}

#[test]
fn whatever_a_family_looks_like_nothing_of_it_makes_amends_break_an_invariant() {
    let (mut ended, mut with_children) = (0, 0);
    for seed in 1..=24_u64 {
        let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = |below: u64| {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            word % below
        };
        let leaf = grown("leaf", &[], &mut dice);
        let mid = grown("mid", &["leaf"], &mut dice);
        let root = grown("root", &["leaf", "mid"], &mut dice);
        let family = family(&[&root, &mid, &leaf]);
        with_children += u32::from(family.0.children().next().is_some());
        for contract in [Contract::Barrier, Contract::Plain] {
            let setup = Setup { max_runs: Some(400), ..setup_of(&family, contract, 1 + (seed % 2) as u8) };
            let report = explore(&family.0, &setup, &mut |_| true).expect("it can be explored");
            let worst = report.findings.iter().find(|found| found.severity == Severity::Violation);
            assert!(worst.is_none(), "seed {seed}, {contract:?}: {worst:#?}\n{root}{mid}{leaf}");
            ended += report.totals.runs;
        }
    }
    assert!(with_children > 10 && ended > 1_500, "{with_children} {ended}");
}

// ---- a gallery of what does not ----------------------------------------------------------------------------------------

#[test]
fn a_letter_of_a_child_that_nobody_takes_back_is_found_when_its_parent_is_undone() {
    let child = "saga: pay\nsteps:\n  letter: { call: mail POST /letters, compensate: none, reason: it is out }\n";
    let report = explored(&[TRIP, child], Contract::Barrier, 1);
    assert_eq!(counted(&report), ["F0202 pay.letter".to_owned()].into());
}

#[test]
fn what_a_child_does_twice_at_a_service_without_keys_is_found_at_the_child() {
    let family = family(&[TRIP, PAY]);
    let mut setup = setup_of(&family, Contract::Barrier, 1);
    let bank = amends_explore::Service { contract: Contract::Unkeyed, ..setup.otherwise.clone() };
    setup.services.insert("bank".into(), bank);
    let report = explore(&family.0, &setup, &mut |_| true).expect("it can be explored");
    let told = counted(&report);
    assert!(told.contains("F0101 pay.transfer") && told.contains("F0101 pay.reserve"), "{told:?}");
    assert!(told.iter().all(|told| told.contains(" pay.")), "the parent's services keep the contract: {told:?}");
}

#[test]
fn a_parent_that_reads_what_its_child_never_says_never_completes() {
    let root = TRIP.replace("{ saga: pay }", "{ saga: pay, output: { paid: \"${{ child.output.paid }}\" } }");
    let report = explored(&[&root, PAY], Contract::Barrier, 1);
    assert!(counted(&report).contains("F0402 trip"), "{:?}", found(&report));
    let mended = format!("{PAY}output: {{ paid: yes }}\n");
    assert_eq!(counted(&explored(&[&root, &mended], Contract::Barrier, 1)), BTreeSet::new());
}

#[test]
fn a_child_behind_the_pivot_that_is_undone_waits_for_a_person() {
    let root = "saga: x\nsteps:\n  p: { call: t POST /p, pivot: true }\n  pay: { saga: pay }\n";
    let report = explored(&[root, PAY], Contract::Barrier, 1);
    assert!(found(&report).contains("F0301 x.pay"), "{:?}", found(&report));
    assert!(report.totals.attention > 0 && codes(&report).iter().all(|code| code.starts_with('F')));
}

#[test]
fn a_parent_whose_deadline_is_too_short_for_its_child_is_found_at_the_child() {
    let root = TRIP.replace("saga: trip\n", "saga: trip\ndeadline: 3s\n");
    let child =
        PAY.replace("saga: pay\n", "saga: pay\ndefaults: { timeout: 2s, retry: { attempts: 5, backoff: 1s } }\n");
    let report = explored(&[&root, &child], Contract::Barrier, 1);
    assert!(counted(&report).iter().any(|told| told.starts_with("F0401 pay.")), "{:?}", found(&report));
}

// ---- negative controls -------------------------------------------------------------------------------------------------

#[track_caller]
fn is_noticed(broken: Broken, code: &str) {
    let family = family(&[TRIP, PAY]);
    let setup = Setup { broken, ..setup_of(&family, Contract::Barrier, 2) };
    let report = explore(&family.0, &setup, &mut |_| true).expect("it can be explored");
    let told = found(&report);
    assert!(told.iter().any(|told| told.starts_with(code)), "{broken:?} is not noticed by {code}: {told:?}");
}

#[test]
fn a_parent_that_forgets_to_undo_its_child_is_noticed() {
    is_noticed(Broken::ForgetsToUndoChildren, "V0001");
}

#[test]
fn a_parent_that_forgets_to_settle_its_child_is_noticed() {
    is_noticed(Broken::ForgetsToSettleChildren, "V0010");
}

#[test]
fn a_child_that_is_made_after_its_parent_took_it_for_undone_is_noticed() {
    is_noticed(Broken::NoTombstoneForChildren, "V0001");
}

#[test]
fn a_child_that_does_not_wait_for_its_parent_is_noticed() {
    is_noticed(Broken::ChildrenSettleThemselves, "V0001");
}

#[test]
fn a_note_that_is_lost_is_noticed() {
    is_noticed(Broken::LosesNotes, "V0010");
}

#[test]
fn a_child_that_is_undone_out_of_turn_is_noticed() {
    is_noticed(Broken::UndoesInAnyOrder, "V0005");
}

// ---- as files ----------------------------------------------------------------------------------------------------------

#[test]
fn a_run_of_a_family_repeats_through_a_file_and_names_whose_each_line_is() {
    let child = "saga: pay\nsteps:\n  letter: { call: mail POST /letters, compensate: none, reason: it is out }\n";
    let (root, known) = family(&[TRIP, child]);
    let report = explored(&[TRIP, child], Contract::Barrier, 1);
    let trace =
        report.findings.into_iter().find(|found| found.place().as_deref() == Some("pay.letter")).expect("found").trace;
    let read: Trace = serde_json::from_str(&serde_json::to_string(&trace).expect("JSON")).expect("the same");
    assert!(read.choices.iter().any(|choice| choice.starts_with("pay/letter: ")), "{:?}", read.choices);
    let story = replay(&root, &known, &read).expect("it replays");
    assert!(story.findings.iter().any(|found| found.starts_with("F0202: pay: ")), "{:?}", story.findings);
    assert!(story.ledger.contains(&"pay/letter: done 1, undone 0".to_owned()), "{:?}", story.ledger);
    let lines: BTreeSet<_> = story.lines.iter().filter_map(|line| line.saga.as_deref()).collect();
    assert_eq!(lines, ["pay", "trip"].into());
    let drawn = mermaid(&story);
    assert!(drawn.contains(" as amends (pay)\n") && drawn.contains(" as amends (trip)\n"), "{drawn}");
    let (_, other) = family(&[TRIP, PAY]);
    assert!(matches!(replay(&root, &other, &read), Err(CannotReplay::OtherDefinition(name)) if name == "pay"));
}

#[test]
fn every_run_of_a_family_that_shows_a_finding_repeats() {
    let (root, known) = family(&[TRIP, PAY]);
    let report = explored(&[TRIP, PAY], Contract::Plain, 1);
    assert!(report.findings.len() > 5, "{:?}", found(&report));
    for found in report.findings {
        let story = replay(&root, &known, &found.trace).expect("it replays");
        let code = format!("{}: {}: ", found.code.as_str(), found.saga.as_deref().unwrap_or_default());
        assert!(story.findings.iter().any(|told| told.starts_with(&code)), "{code} {:?}", story.findings);
    }
}

#[test]
fn joining_finds_the_same_as_following_every_run_of_a_family() {
    let family = family(&["saga: x\nsteps:\n  kid: { saga: one }\n  p: { call: t POST /p, pivot: true }\n", ONE]);
    let one = |join: bool, contract| {
        let setup = Setup { join, ..setup_of(&family, contract, 2) };
        explore(&family.0, &setup, &mut |_| true).expect("it can be explored")
    };
    for contract in [Contract::Plain, Contract::Barrier] {
        let (joining, alone) = (one(true, contract), one(false, contract));
        assert_eq!(found(&joining), found(&alone));
        assert!(joining.totals.runs < alone.totals.runs && joining.totals.joined > 0);
    }
}
