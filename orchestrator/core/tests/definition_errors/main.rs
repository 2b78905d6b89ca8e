//! What is no definition, and what is said of it: the code, the place, and that it is said at once (docs/failure.md, "Bad input").

mod calls;
mod case;
mod expressions;
mod keys;
mod order;
mod schema;
mod yaml;

use std::{collections::BTreeSet, time::Duration};

use amends_core::definition::{Checked, Diagnostic, Severity, parse};

use case::Case;

/// Longer than this nobody waits for an answer. Without optimisation the parsers are some five times slower.
const AT_ONCE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 50 });

/// What is said of a source with a catalogue that has `x` and `inventory`, and how long it took: this thread's time on a
/// processor, because a neighbour on the machine is no fault of ours.
fn check(source: &str) -> (Checked, Duration) {
    let services = ["x", "inventory"].into();
    let before = thread_time();
    let checked = parse(source, Some(&services));
    (checked, thread_time() - before)
}

fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.expect("time goes on"), nanos.expect("a part of a second"))
}

fn places(found: &[Diagnostic]) -> Vec<(&str, u32, u32)> {
    found.iter().map(|found| (found.code, found.line, found.column)).collect()
}

fn cases() -> Vec<Case> {
    let rooms = [calls::cases, yaml::cases, keys::cases, schema::cases, order::cases, expressions::cases];
    rooms.into_iter().flat_map(|cases| cases()).collect()
}

#[test]
fn a_definition_with_thousands_of_mistakes_is_answered_at_once_and_says_a_hundred() {
    let long = "n".repeat(59);
    let sources = [
        format!("saga: s\nsteps:\n  a:\n    call: x POST /a\n    body: '{}'\n", "${{ q.a }} ".repeat(20_000)),
        format!("saga: s\nsteps:\n  a: {{ needs: [{}], call: x POST /a }}\n", format!("{long}, ").repeat(4_000)),
        format!("saga: s\nsteps:\n{}", (0..150).map(|n| format!("  {long}{n}: {{ cal: x }}\n")).collect::<String>()),
    ];
    for source in sources {
        let (checked, took) = check(&source);
        assert!(took < AT_ONCE * 5, "{took:?}");
        assert!(checked.definition.is_none());
        assert!((1..=101).contains(&checked.diagnostics.len()), "{}", checked.diagnostics.len());
    }
}

/// What is promised to be refused, in words of the cases' names. Each has at least one case, and the case its code and place.
const PROMISED: [&str; 29] = [
    "an alias",
    "an anchor",
    "a core tag",
    "a tag of one's own",
    "a merge",
    "two documents",
    "lists 1000 deep",
    "more than 256 KiB",
    "a duplicate key",
    "an unknown key",
    "a cycle",
    "a dangling need",
    "two pivots",
    "a step before the pivot without compensation",
    "a compensatable step behind the pivot",
    "a compensation that needs its own output",
    "an unknown step",
    "a service that the catalogue has not",
    "an absolute URL",
    "a templated service",
    "timeout 0",
    "timeout -1",
    "timeout of 10 years",
    "a bare number as duration",
    "a billion attempts",
    "an expression of 1 MiB",
    "10000 parentheses",
    "header Host",
    "a secret in a header",
];

#[test]
fn whatever_is_promised_to_be_refused_has_a_case_of_its_own() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let missing: Vec<_> = PROMISED.iter().filter(|name| !names.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(cases.iter().all(|case| !case.said.is_empty()), "a case says nothing");
}

#[test]
fn every_mistake_is_said_with_its_code_its_place_and_a_hint_at_once() {
    let mut wrong = Vec::new();
    let mut slowest = (Duration::ZERO, "");
    for Case { name, source, said } in cases() {
        let (checked, took) = check(&source);
        slowest = slowest.max((took, name));
        let errors: Vec<Diagnostic> =
            checked.diagnostics.into_iter().filter(|found| found.severity == Severity::Error).collect();
        if places(&errors) != said {
            wrong.push(format!("{name}: said {:#?}, expected {said:?}", errors));
        }
        if took > AT_ONCE {
            wrong.push(format!("{name}: took {took:?}"));
        }
        if checked.definition.is_some() {
            wrong.push(format!("{name}: accepted"));
        }
    }
    println!("the slowest took {slowest:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_error_says_how_to_mend_it() {
    for Case { name, source, .. } in cases() {
        for found in check(&source).0.diagnostics {
            let hint = found.hint.as_deref().unwrap_or_default();
            assert!(hint.len() > 5, "{name}: {found} has no hint");
            assert!(hint.chars().count() < 400, "{name}: the hint of {found} is an essay");
            assert!(!found.message.contains(" at line ") && !found.message.contains("Options"), "{name}: {found}");
        }
    }
}

#[test]
fn a_missing_catalogue_is_said_once_per_service_where_it_is_first_named() {
    let source = "saga: s\nsteps:\n  a: { call: x POST /a, compensate: { call: y POST /u } }\n  b: { call: x POST /b, compensate: { call: y POST /u } }\n";
    let checked = parse(source, None);
    assert_eq!(places(&checked.diagnostics), [("W0501", 3, 14), ("W0501", 3, 45)]);
    assert!(checked.definition.is_some());
}

#[test]
fn what_an_input_may_lack_is_warned_about() {
    let source = "
saga: s
input: { properties: { a: {}, b: {} }, required: [a] }
steps:
  a: { call: 'x POST /${{ input.a }}/${{ input.b }}/${{ input.c }}/${{ input.b | default(1) }}', compensate: { call: x POST /u } }
";
    let (checked, _) = check(source);
    assert_eq!(places(&checked.diagnostics), [("W0502", 5, 42), ("W0503", 5, 57)]);
    assert!(checked.definition.is_some());
}

#[test]
fn prose_is_no_secret() {
    let source = "saga: s\ndescription: Basic checks, bearer of news, Basic authentication is the catalogue's\nsteps:\n  a: { call: x POST /a, compensate: { call: x POST /u } }\n";
    assert!(check(source).0.definition.is_some());
}

#[test]
fn no_prefix_and_no_mutilation_of_a_definition_panics() {
    let whole = include_str!("../../../../sagas/place-order.yaml");
    for (at, _) in whole.char_indices().step_by(7) {
        parse(&whole[..at], None);
        for with in ["${{", "}}", "*", "&a", "!", "- ", "{", "'", "\"", "\n", "\t", "\u{0}", "\u{feff}", "ß"]
            .iter()
            .skip(at % 7)
            .step_by(7)
        {
            parse(&format!("{}{with}{}", &whole[..at], &whole[at..]), None);
        }
    }
}
