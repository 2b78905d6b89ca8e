//! Warnings: each is said where it is meant, with its place, and nowhere near it.

use std::{sync::Arc, time::Duration};

use amends_core::{
    definition::{Definition, Known, Severity, parse},
    ids::ServiceName,
};

/// What is warned about in a saga of these steps, with `head` above them: code, line, column.
fn warned(head: &str, steps: &str, tail: &str) -> Vec<(&'static str, u32, u32)> {
    let steps: String = steps.lines().map(|line| format!("  {line}\n")).collect();
    let source = format!("saga: s\n{head}steps:\n{steps}{tail}");
    let services = ["x".to_owned()].into();
    let checked = parse(&source, Some(&services));
    assert!(checked.definition.is_some(), "{:#?}\n{source}", checked.diagnostics);
    assert!(checked.diagnostics.iter().all(|found| found.severity == Severity::Warning && found.hint.is_some()));
    checked.diagnostics.into_iter().map(|found| (found.code, found.line, found.column)).collect()
}

/// One step `a` with `fields`; they begin at line 3, column 8.
fn step(fields: &str) -> Vec<(&'static str, u32, u32)> {
    warned("", &format!("a: {{ {fields} }}"), "")
}

const UNDO: &str = "compensate: { call: 'x POST /u/${{ saga.id }}' }";
const OUT: &str = "output: { id: '${{ response.body.id }}' }";
const END: &str = "output: '${{ steps.a.output.id }}'\n";

#[test]
fn a_compensation_that_knows_nothing_without_a_reply() {
    let own = "${{ steps.a.output.id | default('') }}";
    let undo = |undo: &str| warned("", &format!("a: {{ call: x POST /a, {OUT}, compensate: {{ {undo} }} }}"), END);
    assert_eq!(undo(&format!("call: x POST /u, body: {{ id: \"{own}\" }}")), [("W0601", 3, 88)]);
    assert_eq!(undo(&format!("call: x POST /u, headers: {{ X-Id: \"{own}\" }}")), [("W0601", 3, 88)]);
    assert_eq!(undo("call: \"x POST /u/${{ steps.a.output.id | default('none') }}\""), [("W0601", 3, 88)]);
    assert_eq!(undo(&format!("call: x POST /u, body: {{ id: \"{own}\", saga: '${{{{ saga.id }}}}' }}")), []);
    assert_eq!(undo("call: x POST /u"), [], "it may be told by its headers");
}

#[test]
fn a_path_that_is_empty_without_a_reply() {
    let undo =
        |call: &str| warned("", &format!("a: {{ call: x POST /a, {OUT}, compensate: {{ call: \"{call}\" }} }}"), END);
    assert_eq!(undo("x DELETE /u/${{ steps.a.output.id | default('') }}"), [("W0602", 3, 88)]);
    assert_eq!(undo("x DELETE /u/${{ saga.id }}/${{ steps.a.output.id | default(null) }}"), [("W0602", 3, 88)]);
    assert_eq!(undo("x DELETE /u/${{ saga.id }}/${{ steps.a.output.id | default('all') }}"), []);
}

#[test]
fn a_deadline_that_comes_before_one_step_has_had_its_attempts() {
    let with = |deadline: &str, more: &str| {
        warned(&format!("deadline: {deadline}\n"), &format!("a: {{ call: x POST /a, {more}, {UNDO} }}"), "")
    };
    let retry = "timeout: 10s, retry: { attempts: 3, backoff: 1s }";
    assert_eq!(with("32s", retry), [("W0603", 2, 1)], "30 s of attempts and 3 s of waits");
    assert_eq!(with("33s", retry), []);
    assert_eq!(with("1s", "retry: { attempts: unlimited }"), [], "that is what the deadline is for");
    assert_eq!(with("1s", "retry: { attempts: 2, backoff: 2s }"), [("W0603", 2, 1)], "the wait alone is too long");
    let two = format!("a: {{ call: x POST /a, {retry}, {UNDO} }}\nb: {{ call: x POST /b, {retry}, {UNDO} }}");
    assert_eq!(warned("deadline: 40s\n", &two, ""), [], "that all go wrong at once is what it is there for");
    let behind = format!("a: {{ call: x POST /a, pivot: true, {retry} }}");
    assert_eq!(warned("deadline: 1s\n", &behind, ""), [], "from the pivot on it has no effect");
}

#[test]
fn an_output_that_nobody_reads() {
    let two = |out: &str, tail: &str| warned("", &format!("a: {{ call: x POST /a, {UNDO}, output: {out} }}"), tail);
    let fields = "{ id: '${{ response.body.id }}', n: 1 }";
    assert_eq!(two(fields, END), [("W0604", 3, 116)]);
    assert_eq!(two(fields, ""), [("W0604", 3, 85), ("W0604", 3, 116)]);
    assert_eq!(two(fields, "output: '${{ steps.a.output }}'\n"), [], "all of it is read");
    assert_eq!(two("'${{ response.body }}'", ""), [("W0604", 3, 83)]);
    assert_eq!(two("'${{ response.body }}'", "output: '${{ steps.a.output.deep }}'\n"), []);
}

#[test]
fn an_input_that_nobody_reads() {
    let with = |input: &str, body: &str| {
        warned(&format!("input: {{ {input} }}\n"), &format!("a: {{ call: x POST /a, body: \"{body}\", {UNDO} }}"), "")
    };
    assert_eq!(with("properties: { p: {}, q: {} }, required: [q]", "${{ input.q }}"), [("W0605", 2, 24)]);
    assert_eq!(with("properties: { p: {}, q: {} }", "${{ input }}"), []);
    assert_eq!(with("properties: { p: { deprecated: true } }", ""), []);
    assert_eq!(
        with("properties: { p: {}, q: {} }, required: [q], dependentRequired: { p: [q] }", "${{ input.q }}"),
        []
    );
    assert_eq!(with("properties: { p: { type: string } }", "${{ input.p | default('') }}"), []);
}

#[test]
fn words_of_a_retry_that_change_nothing() {
    let retry = |retry: &str| step(&format!("call: x POST /a, retry: {{ {retry} }}, {UNDO}"));
    assert_eq!(retry("attempts: 1, backoff: 5s"), [("W0606", 3, 47)]);
    assert_eq!(retry("attempts: 2, factor: 3"), [("W0606", 3, 47)]);
    assert_eq!(retry("backoff: 10s, factor: 2"), [("W0606", 3, 48)]);
    assert_eq!(retry("attempts: 3, factor: 3"), []);
    assert_eq!(retry("attempts: 2, max_backoff: 3s"), [], "a service may ask for a longer wait");
    assert_eq!(retry("attempts: 3, backoff: 1s, max_backoff: 1s, factor: 1"), []);
    assert_eq!(step("call: x POST /a, pivot: true, retry: { attempts: 1, backoff: 5s }"), [], "it goes on");
}

#[test]
fn a_default_that_every_action_overrides() {
    let with = |defaults: &str, steps: &str| warned(&format!("defaults: {{ {defaults} }}\n"), steps, "");
    let own = format!("a: {{ call: x POST /a, timeout: 1s, retry: {{ attempts: 3 }}, {UNDO} }}");
    assert_eq!(with("timeout: 2s", &own), [("W0607", 2, 13)]);
    assert_eq!(with("retry: { attempts: 4 }", &own), [("W0607", 2, 13)]);
    assert_eq!(with("retry: { attempts: 4, backoff: 1s }", &own), []);
    assert_eq!(with("timeout: 2s", &format!("{own}\nb: {{ call: x POST /b, {UNDO} }}")), []);
}

#[test]
fn what_does_not_undo() {
    let undo = |undo: &str| step(&format!("call: x POST /a, compensate: {{ {undo} }}"));
    assert_eq!(undo("call: x POST /u, success_on: [404, 429]"), [("W0608", 3, 74)]);
    assert_eq!(undo("call: x GET /u"), [("W0609", 3, 45)]);
    assert_eq!(step("call: x GET /p, pivot: true"), [("W0609", 3, 14)]);
    assert_eq!(step("call: x GET /p, compensate: none, reason: reads only"), []);
    assert_eq!(undo("call: x POST /a"), [("W0611", 3, 45)]);
    assert_eq!(undo("call: x POST /a, body: { minus: 1 }"), []);
}

#[test]
fn a_default_behind_what_is_always_there() {
    let input = "input: { required: [p], properties: { p: {}, q: {} } }\n";
    let with = |body: &str| {
        warned(
            input,
            &format!("a: {{ call: x POST /a, body: \"${{{{ input.p ~ input.q | default('') }}}} {body}\", {UNDO} }}"),
            "",
        )
    };
    assert_eq!(with("${{ input.p | default(1) }}"), [("W0610", 4, 75)]);
    assert_eq!(with("${{ saga.id | default(1) }}"), [("W0610", 4, 75)]);
    assert_eq!(with("${{ input.p.deeper | default(1) }} ${{ saga.labels.x | default(1) }}"), []);
}

#[test]
fn a_definition_with_mistakes_is_not_judged_by_taste() {
    let source = "saga: s\ninput: { properties: { p: {} } }\nsteps:\n  a: { call: x POST /a }\n";
    let services = ["x".to_owned()].into();
    let codes: Vec<_> = parse(source, Some(&services)).diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["E0306"]);
}

#[test]
fn a_deadline_that_comes_before_a_wait_is_over() {
    let waits =
        |deadline: &str, wait: &str| warned(&format!("deadline: {deadline}\n"), &format!("a: {{ {wait} }}"), "");
    assert_eq!(waits("1h", "sleep: 2h"), [("W0603", 2, 1)]);
    assert_eq!(waits("2h", "sleep: 2h"), []);
    assert_eq!(waits("1h", "await: go, timeout: 1d"), [("W0603", 2, 1)]);
    assert_eq!(waits("1h", "until: '2026-12-24T18:00:00Z'"), [], "only a start knows how long that is");
    let later = format!("call: x POST /a, async: true, timeout: 1h, retry: {{ attempts: 1 }}, {UNDO}");
    assert_eq!(waits("1h", &later), [], "the attempt has the service's timeout, which is not known here");
    assert_eq!(waits("59m", &later), [("W0603", 2, 1)]);
    let items =
        format!("for_each: [1, 2, 3], call: x POST /a, timeout: 10s, retry: {{ attempts: 3, backoff: 1s }}, {UNDO}");
    assert_eq!(waits("33s", &items), [], "how many there will be is not known");
    assert_eq!(waits("32s", &items), [("W0603", 2, 1)], "not even one has its attempts");
}

#[test]
fn a_default_timeout_is_of_use_to_a_step_that_is_async() {
    let steps = |more: &str| format!("a: {{ call: x POST /a, timeout: 1s{more}, {UNDO} }}");
    let head = "defaults: { timeout: 2s }\n";
    assert_eq!(warned(head, &steps(""), ""), [("W0607", 2, 13)]);
    assert_eq!(warned(head, &steps(", async: true"), ""), []);
}

#[test]
fn an_input_that_only_a_label_reads_is_used() {
    let head = "input: { type: object, required: [who], properties: { who: { type: string } } }\n";
    let steps = format!("a: {{ call: x POST /a, {UNDO} }}");
    assert_eq!(warned(&format!("{head}labels: {{ who: '${{{{ input.who }}}}' }}\n"), &steps, ""), []);
    assert_eq!(warned(head, &steps, ""), [("W0605", 2, 55)]);
}

// ---- what it can cost

fn worst(steps: &str) -> amends_core::definition::WorstCase {
    let steps: String = steps.lines().map(|line| format!("  {line}\n")).collect();
    let definition = Definition::parse(&format!("saga: s\ndeadline: 1h\nsteps:\n{steps}"), None).expect("a definition");
    definition.worst_case(&timeout, &Known::new())
}

fn timeout(service: &ServiceName) -> Option<Duration> {
    (service.as_str() == "known").then_some(Duration::from_secs(7))
}

fn names(worst: &amends_core::definition::WorstCase) -> Vec<&str> {
    worst.way.iter().map(|name| name.as_str()).collect()
}

#[test]
fn the_longest_way_is_attempts_times_timeout_and_the_waits_between() {
    let undo = "compensate: { call: x POST /u }";
    let worst = worst(&format!(
        "a: {{ needs: [], call: x POST /a, timeout: 1s, retry: {{ attempts: 3, backoff: 100ms, max_backoff: 1s }}, {undo} }}
b: {{ needs: [], call: known POST /b, retry: {{ attempts: 1 }}, {undo} }}
c: {{ needs: [a, b], call: x POST /c, timeout: 1s, retry: {{ attempts: 1 }}, compensate: none, reason: reads only }}
p: {{ needs: [c], pivot: true, call: x POST /p }}
z: {{ needs: [p], call: x POST /z }}"
    ));
    assert_eq!(worst.forward, Some(Duration::from_secs(8)), "b takes 7 s, a 3.3 s");
    assert_eq!(worst.stretched, Some(Duration::from_secs(8)), "a takes 5 s if it has to wait as long as may be");
    assert_eq!((names(&worst), worst.requests, worst.has_pivot), (vec!["b", "c"], Some(5), true));
    assert_eq!(worst.calls, 6, "a, b, c, p and two undone are more than a, b, c, p, z");
    assert!(worst.not_counted.is_empty());
}

#[test]
fn what_is_unlimited_and_what_is_not_known_is_said() {
    let undo = "compensate: { call: x POST /u }";
    let unlimited = worst(&format!(
        "a: {{ call: x POST /a, retry: {{ attempts: unlimited }}, {undo} }}\nb: {{ call: y POST /b, {undo} }}"
    ));
    assert_eq!((unlimited.forward, unlimited.requests, unlimited.calls), (None, None, 4));
    assert_eq!(names(&unlimited), ["a", "b"]);
    let services: Vec<_> = unlimited.not_counted.iter().map(|name| name.as_str()).collect();
    assert_eq!(services, ["x", "y"]);
    let pivot = worst("p: { pivot: true, call: x POST /p }");
    assert_eq!((pivot.forward, pivot.calls, names(&pivot)), (Some(Duration::ZERO), 1, vec![]));
}

#[test]
fn waits_take_time_and_no_calls_and_items_are_as_many_as_may_be() {
    let undo = "compensate: { call: x POST /u }";
    let call = format!("call: x POST /a, timeout: 1s, retry: {{ attempts: 1 }}, {undo}");
    let waits = worst(&format!("a: {{ sleep: 30m }}\nb: {{ await: go, timeout: 1d }}\nc: {{ {call} }}"));
    assert_eq!(waits.forward, Some(Duration::from_secs(30 * 60 + 24 * 3600 + 1)));
    assert_eq!((waits.requests, waits.calls), (Some(1), 2), "c and its compensation");
    let later = worst(&format!(
        "a: {{ call: known POST /a, async: true, timeout: 1d, retry: {{ attempts: 1 }}, {undo} }}\nb: {{ {call} }}"
    ));
    assert_eq!(later.forward, Some(Duration::from_secs(24 * 3600 + 8)), "the attempt, its verdict, and b");
    assert_eq!((later.requests, later.calls), (Some(2), 4));
    let until = worst("a: { until: '2026-12-24T18:00:00Z' }");
    assert_eq!((until.forward, until.requests, until.calls), (None, Some(0), 0));
    let items = worst(&format!("a: {{ for_each: [1, 2], concurrency: 10, {call} }}"));
    assert_eq!(items.forward, Some(Duration::from_secs(100)), "a thousand, ten at once");
    assert_eq!((items.requests, items.calls), (Some(1000), 2000));
}

/// With the definitions of its children.
fn worst_family(steps: &str, kids: &[&str]) -> amends_core::definition::WorstCase {
    let parse = |yaml: &str| Definition::parse(yaml, None).unwrap_or_else(|found| panic!("{found:#?}"));
    let kids = kids.iter().map(|kid| parse(kid)).map(|kid| (kid.name.clone(), Arc::new(kid)));
    parse(&format!("saga: s\nsteps:\n{steps}")).worst_case(&timeout, &kids.collect())
}

#[test]
fn a_child_costs_what_its_definition_says_if_it_is_known() {
    let once = "timeout: 2s, retry: { attempts: 1 }, compensate: { call: x POST /u }";
    let pay = format!("saga: pay\nsteps:\n  a: {{ call: x POST /a, {once} }}\n  b: {{ call: x POST /b, {once} }}");
    let own = format!("  o: {{ call: x POST /o, {once} }}\n");
    let one = worst_family(&format!("{own}  k: {{ saga: pay }}"), &[&pay]);
    assert_eq!((one.forward, one.requests, one.calls), (Some(Duration::from_secs(6)), Some(3), 6));
    assert!(one.children.is_empty());
    let many = worst_family(&format!("{own}  k: {{ for_each: [1, 2], concurrency: 10, saga: pay }}"), &[&pay]);
    assert_eq!((many.forward, many.requests, many.calls), (Some(Duration::from_secs(402)), Some(2001), 4002));
    let hasty = pay.replacen("steps", "deadline: 3s\nsteps", 1);
    assert_eq!(worst_family(&format!("{own}  k: {{ saga: pay }}"), &[&hasty]).forward, Some(Duration::from_secs(5)));
    // At the pivot it may fail, and then has undone itself.
    let pivot = worst_family(&format!("{own}  k: {{ saga: pay, pivot: true }}"), &[&pay]);
    assert_eq!((pivot.forward, pivot.calls), (Some(Duration::from_secs(2)), 6), "o and its undoing, a, b and theirs");
    // What its children do not know of theirs is not counted, and a circle ends.
    let grand = "saga: pay\nsteps: { g: { saga: move }, h: { saga: s } }";
    let unknown: Vec<String> =
        worst_family("  k: { saga: pay }", &[grand]).children.iter().map(ToString::to_string).collect();
    assert_eq!(unknown, ["move", "s"]);
}

#[test]
fn a_step_behind_the_pivot_whose_lost_answer_waits_for_a_person() {
    let behind = |more: &str| {
        warned(
            "",
            &format!("p: {{ call: x POST /p, pivot: true }}\na: {{ call: x POST /a, idempotent: false{more} }}"),
            "",
        )
    };
    assert_eq!(behind(""), [("W0612", 4, 25)]);
    assert_eq!(behind(", probe: x GET /a"), []);
    assert_eq!(step(&format!("call: x POST /a, idempotent: false, {UNDO}")), [], "before the pivot it is undone");
}

#[test]
fn the_time_that_asking_takes_counts() {
    let with = |deadline: &str, once: &str| {
        let retry = "timeout: 1s, retry: { attempts: 1 }";
        let step = format!("a: {{ call: x POST /a, {retry}, {once}probe: {{ call: x GET /a, settle: 30s }}, {UNDO} }}");
        warned(&format!("deadline: {deadline}\n"), &step, "")
    };
    assert_eq!(with("20s", "idempotent: false, "), [("W0603", 2, 1)]);
    assert_eq!(with("1m", "idempotent: false, "), []);
    assert_eq!(with("20s", ""), [], "it is retried as ever");
}

#[test]
fn a_lock_that_is_held_while_somebody_is_waited_for() {
    let call = format!("b: {{ call: x POST /b, {UNDO} }}");
    let with = |head: &str, wait: &str| warned(head, &format!("a: {{ {wait} }}\n{call}"), "");
    assert_eq!(with("locks: [one]\n", "await: go, timeout: 1d"), [("W0620", 4, 8)]);
    assert_eq!(with("locks: [one]\n", "sleep: 1m"), [("W0620", 4, 8)]);
    assert_eq!(with("locks: [one]\n", "until: '2030-01-01T00:00:00Z'"), [("W0620", 4, 8)]);
    assert_eq!(with("", "await: go, timeout: 1d"), []);
    assert_eq!(warned("locks: [one]\n", &call, ""), []);
}

#[test]
fn an_input_that_only_a_lock_reads_is_used() {
    let input = "input: { type: object, required: [to], properties: { to: { type: string } } }\n";
    assert_eq!(
        warned(&format!("{input}locks: ['${{{{ input.to }}}}']\n"), &format!("a: {{ call: x POST /a, {UNDO} }}"), ""),
        []
    );
}
