//! Whatever the language can say is explored, and nothing of it makes Amends break an invariant: the definitions are the examples
//! of the pages on its diagnostics, of which there is one for every corner.

use amends_core::definition::{self, Definition};
use amends_explore::{Contract, Severity, explore, inputs};

use crate::support::{found, parse, setup};

/// Those that can be run: the right ones, and the wrong ones of which only a warning is said.
fn examples() -> Vec<(&'static str, Definition)> {
    let pages = definition::pages().iter();
    let texts = pages.flat_map(|page| [(page.code, page.wrong()), (page.code, page.right())]);
    let mut seen: Vec<&str> = Vec::new();
    let mut examples = Vec::new();
    for (code, text) in texts {
        if !seen.contains(&text)
            && let Ok(definition) = Definition::parse(text, None)
        {
            seen.push(text);
            examples.push((code, definition));
        }
    }
    examples
}

#[test]
fn every_corner_of_the_language_is_explored_and_breaks_nothing() {
    let (mut explored, mut ended, mut violations) = (0, 0, Vec::new());
    for (code, definition) in examples() {
        if inputs(&definition).is_err() {
            continue;
        }
        for contract in [Contract::Barrier, Contract::Plain, Contract::Unkeyed] {
            let mut setup = setup(&definition, contract, 1);
            setup.max_runs = Some(5_000);
            let Ok(report) = explore(&definition, &setup, &mut |_| true) else { continue };
            explored += 1;
            ended += report.totals.runs;
            let worst = report.findings.iter().filter(|found| found.severity == Severity::Violation);
            violations.extend(worst.map(|one| format!("{code} {contract:?}: {one:#?}\n{}", definition.source)));
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(explored > 120 && ended > 3_000, "{explored} {ended}");
}

#[test]
fn joining_runs_loses_nothing_that_is_found() {
    const KINDS: &str = "saga: x\ndeadline: 1h\nsteps:\n  \
        a: { needs: [], call: s POST /a, compensate: { call: s POST /a/undo } }\n  \
        b: { needs: [], async: true, timeout: 10m, call: t POST /b, compensate: { call: t DELETE /b } }\n  \
        w: { needs: [a], await: go, timeout: 5m }\n  \
        p: { needs: [b, w], call: u POST /p, pivot: true }\n";
    const ONCE: &str = "saga: x\nsteps:\n  \
        a: { call: s POST /a, idempotent: false, probe: s GET /a, compensate: { call: s POST /a/undo } }\n  \
        n: { sleep: 1m }\n  \
        e: { for_each: [1, 2], concurrency: 2, call: s POST /e, compensate: { call: s DELETE /e } }\n  \
        p: { call: u POST /p, pivot: true }\n";
    const PAIRS: &str = "saga: x\nsteps:\n  \
        a: { call: s POST /a, compensate: { call: s POST /a/undo } }\n  \
        p: { call: u POST /p, pivot: true }\n  \
        c: { call: s POST /c }\n";
    for (yaml, faults) in [(KINDS, 1), (ONCE, 1), (PAIRS, 2)] {
        let definition = parse(yaml);
        for contract in [Contract::Barrier, Contract::Plain, Contract::Unkeyed] {
            let mut joining = setup(&definition, contract, faults);
            joining.inputs.truncate(1);
            let mut alone = joining.clone();
            alone.join = false;
            let [joining, alone] =
                [joining, alone].map(|setup| explore(&definition, &setup, &mut |_| true).expect("it can be explored"));
            assert_eq!(found(&joining), found(&alone), "{contract:?} {yaml}");
            assert!(joining.totals.joined > 0 && alone.totals.joined == 0);
            assert!(joining.totals.runs < alone.totals.runs);
        }
    }
}

#[test]
fn an_exploration_is_the_same_every_time_and_stops_when_it_is_told_to() {
    let definition = parse(include_str!("../../../../sagas/place-order.yaml"));
    let mut setup = setup(&definition, Contract::Plain, 2);
    setup.inputs.truncate(1);
    let tell = |go_on: bool| {
        let report = explore(&definition, &setup, &mut |_| go_on).expect("it can be explored");
        let traces: Vec<_> = report.findings.iter().map(|found| found.trace.choices.join(" ")).collect();
        (report.totals, traces, report.incomplete, report.complete_to)
    };
    let once = tell(true);
    assert_eq!(once, tell(true));
    assert_eq!((once.2, once.3), (false, Some(2)));
    let stopped = tell(false);
    assert!(stopped.2 && stopped.3 == Some(1) && stopped.0.runs < once.0.runs, "{stopped:?}");
}
