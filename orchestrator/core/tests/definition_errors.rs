//! What is no definition, and what is said of it: the code, the place, and that it is said at once (docs/failure.md, "Bad input").

use std::{collections::BTreeSet, time::Duration};

use amends_core::definition::{Checked, Diagnostic, Severity, limits, parse};

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

struct Case {
    name: &'static str,
    source: String,
    said: Vec<(&'static str, u32, u32)>,
}

fn case<const N: usize>(name: &'static str, source: &str, said: [(&'static str, u32, u32); N]) -> Case {
    Case { name, source: source.to_owned(), said: said.into() }
}

/// A definition that is right but for `lines`, which begin at line 4, two columns in.
fn steps<const N: usize>(name: &'static str, lines: &str, said: [(&'static str, u32, u32); N]) -> Case {
    let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    case(name, &format!("saga: s\ndeadline: 1h\nsteps:\n{lines}"), said)
}

/// One step whose call and more is `what`; it stands on line 4, and `what` begins at column 8.
fn step<const N: usize>(name: &'static str, what: &str, said: [(&'static str, u32, u32); N]) -> Case {
    steps(name, &format!("a: {{ {what}, compensate: {{ call: x POST /u }} }}"), said)
}

fn cases() -> Vec<Case> {
    let one = "  a: { call: x POST /a, compensate: { call: x POST /u } }\n";
    let deep = |depth: usize| format!("saga: s\ninput: {}{}\nsteps:\n{one}", "[".repeat(depth), "]".repeat(depth));
    vec![
        // ---- what must not be sent twice
        step("a probe that is no GET", "call: x POST /a, probe: x POST /a", [("E0318", 4, 32)]),
        step("a probe of another service", "call: x POST /a, probe: y GET /a", [("E0303", 4, 32), ("E0318", 4, 32)]),
        step(
            "the same in a map",
            "call: x POST /a, probe: { call: y POST /a }",
            [("E0303", 4, 40), ("E0318", 4, 40), ("E0318", 4, 40)],
        ),
        step(
            "a probe with a body",
            "call: x POST /a, probe: { call: x GET /a, body: 1 }",
            [("E0201", 4, 50), ("E0301", 4, 50)],
        ),
        step(
            "a probe that settles at once",
            "call: x POST /a, probe: { call: x GET /a, settle: 0s }",
            [("E0206", 4, 58)],
        ),
        step("a probe that is a number", "call: x POST /a, probe: 1", [("E0203", 4, 32)]),
        step(
            "a probe of what is not known",
            "call: x POST /a, probe: 'x GET /${{ steps.b.output }}'",
            [("E0402", 4, 44)],
        ),
        step(
            "a probe of its own response",
            "call: x POST /a, probe: 'x GET /${{ response.body }}'",
            [("E0402", 4, 44)],
        ),
        step("idempotent as a word", "call: x POST /a, idempotent: maybe", [("E0203", 4, 37)]),
        steps(
            "a pivot not to be sent twice",
            "p: { call: x POST /p, pivot: true, idempotent: false }",
            [("E0319", 4, 38)],
        ),
        step("a no that is a yes", "call: x POST /a, reject_on: [200]", [("E0206", 4, 37)]),
        step("a no that says later", "call: x POST /a, reject_on: [409, 429]", [("E0206", 4, 42)]),
        step("a no alone", "call: x POST /a, reject_on: 409", [("E0203", 4, 36)]),
        // ---- YAML that the language leaves out
        case("an empty text", "", [("E0203", 1, 1)]),
        case("a text alone", "saga", [("E0203", 1, 1)]),
        case("a list", "- saga: s", [("E0203", 1, 1)]),
        case("an alias", &format!("saga: s\ndescription: *d\nsteps:\n{one}"), [("E0101", 2, 14)]),
        case("an anchor", &format!("saga: s\ndescription: &d text\nsteps:\n{one}"), [("E0101", 2, 14)]),
        case(
            "an anchor and its alias",
            &format!("saga: &n s\ndescription: *n\nsteps:\n{one}"),
            [("E0101", 1, 7), ("E0101", 2, 14)],
        ),
        case("a core tag", &format!("saga: s\nversion: !!int '3'\nsteps:\n{one}"), [("E0101", 2, 10)]),
        case("a core tag on a text", &format!("saga: !!str s\nsteps:\n{one}"), [("E0101", 1, 7)]),
        case("a tag on a map", &format!("saga: s\nsteps: !!map\n{one}"), [("E0101", 2, 8)]),
        case("a tag of one's own", &format!("saga: s\ndescription: !mine text\nsteps:\n{one}"), [("E0101", 2, 14)]),
        case("a tag on a key", &format!("!!str saga: s\nsteps:\n{one}"), [("E0101", 1, 1)]),
        case("a merge", &format!("saga: s\nsteps:\n  <<: {{}}\n{one}"), [("E0101", 3, 3)]),
        case("two documents", &format!("saga: s\nsteps:\n{one}---\nsaga: t\n"), [("E0101", 4, 1)]),
        case("a directive", &format!("%YAML 1.2\n---\nsaga: s\nsteps:\n{one}"), [("E0101", 1, 1)]),
        case("maps and lists 33 deep", &deep(32), [("E0101", 2, 39)]),
        case("lists 1000 deep", &deep(1_000), [("E0101", 2, 263)]),
        case("lists 100000 deep", &deep(100_000), [("E0101", 2, 263)]),
        case(
            "more than 256 KiB",
            &format!("saga: s\nsteps:\n{one}# {}", "x".repeat(limits::SOURCE_BYTES)),
            [("E0102", 1, 1)],
        ),
        case(
            "more nodes than anybody writes",
            &format!("saga: s\ninput: {{ enum: [{}] }}\nsteps:\n{one}", "1,".repeat(30_000)),
            [("E0101", 2, 40003)],
        ),
        case("a duplicate key", &format!("saga: s\nsaga: t\nsteps:\n{one}"), [("E0101", 2, 1)]),
        case("a duplicate step", &format!("saga: s\nsteps:\n{one}{one}"), [("E0101", 4, 3)]),
        case("a tab", "saga: s\nsteps:\n\ta: 1", [("E0101", 3, 2)]),
        // Found by fuzzing: lines were counted in two ways.
        case("a carriage return alone", &format!("saga: s\rversion: 0\nsteps:\n{one}"), [("E0101", 1, 8)]),
        case("an unclosed text", "saga: 's\n", [("E0101", 1, 7)]),
        case("an unclosed map", "saga: { a: 1\n", [("E0101", 1, 7)]),
        case("a colon in a plain text", &format!("saga: s\ndescription: a: b\nsteps:\n{one}"), [("E0101", 2, 15)]),
        case("infinity", &format!("saga: s\nversion: .inf\nsteps:\n{one}"), [("E0101", 2, 10)]),
        case("a key that is a list", &format!("saga: s\n? [a]\n: b\nsteps:\n{one}"), [("E0101", 2, 3)]),
        // ---- keys and types
        case("an unknown key", &format!("saga: s\nstepz: 1\nsteps:\n{one}"), [("E0201", 2, 1)]),
        step("an unknown key of a step", "call: x POST /a, retries: 3", [("E0201", 4, 25)]),
        case("no name and no steps", "description: nothing\n", [("E0202", 1, 1), ("E0202", 1, 1)]),
        case("no steps in it", "saga: s\nsteps: {}\n", [("E0202", 2, 8)]),
        case("steps that are a list", "saga: s\nsteps: [a]\n", [("E0203", 2, 8)]),
        case("a step that is a text", "saga: s\nsteps: { a: b }\n", [("E0203", 2, 13)]),
        step("a call that is a number", "call: 3", [("E0203", 4, 14)]),
        step("an input of a step that calls", "call: x POST /a, input: 1", [("E0317", 4, 25)]),
        steps(
            "a child with a compensation",
            "a: { saga: other, compensate: none, reason: waits }",
            [("E0317", 4, 21), ("E0317", 4, 39)],
        ),
        steps("a child with a timeout", "a: { saga: other, timeout: 3s }", [("E0317", 4, 21)]),
        steps("a child without a name", "a: { saga: 7 }", [("E0203", 4, 14)]),
        steps("a child of a bad name", "a: { saga: 7 up }", [("E0204", 4, 14)]),
        steps("a child beside a call", "a: { saga: other, call: x POST /a }", [("E0305", 4, 8)]),
        steps("its own child", "a: { saga: s }", [("E0320", 4, 14)]),
        steps("a pivot for each", "a: { saga: other, pivot: true, for_each: [1] }", [("E0316", 4, 34)]),
        steps("concurrency of one child", "a: { saga: other, concurrency: 2 }", [("E0317", 4, 21)]),
        steps(
            "an output that is no child's",
            "a: { saga: other, output: { b: \"${{ response.body.b }}\" } }",
            [("E0402", 4, 39)],
        ),
        steps(
            "a field that no child has",
            "a: { saga: other, output: { b: \"${{ child.state }}\" } }",
            [("E0402", 4, 39)],
        ),
        steps("a child in an input", "a: { saga: other, input: { b: \"${{ child.id }}\" } }", [("E0402", 4, 38)]),
        case("a bad name", &format!("saga: 9 lives\nsteps:\n{one}"), [("E0204", 1, 7)]),
        case("a name longer than 64 bytes", &format!("saga: {}\nsteps:\n{one}", "s".repeat(65)), [("E0204", 1, 7)]),
        steps(
            "a step with a dot in its name",
            "a.b: { call: x POST /a, compensate: { call: x POST /u } }",
            [("E0204", 4, 3)],
        ),
        case("version 0", &format!("saga: s\nversion: 0\nsteps:\n{one}"), [("E0206", 2, 10)]),
        case(
            "a version beyond every integer",
            &format!("saga: s\nversion: 99999999999999999999999999\nsteps:\n{one}"),
            [("E0206", 2, 10)],
        ),
        // ---- durations and numbers
        step("a bare number as duration", "call: x POST /a, timeout: 30", [("E0205", 4, 34)]),
        step("timeout 0", "call: x POST /a, timeout: 0s", [("E0206", 4, 34)]),
        step("timeout 0 without unit", "call: x POST /a, timeout: 0", [("E0205", 4, 34)]),
        step("timeout -1", "call: x POST /a, timeout: -1", [("E0205", 4, 34)]),
        step("timeout -1s", "call: x POST /a, timeout: -1s", [("E0205", 4, 34)]),
        step("timeout of 10 years", "call: x POST /a, timeout: 3650d", [("E0206", 4, 34)]),
        case("a deadline of 10 years", &format!("saga: s\ndeadline: P3650D\nsteps:\n{one}"), [("E0206", 2, 11)]),
        step("a billion attempts", "call: x POST /a, retry: { attempts: 1000000000 }", [("E0206", 4, 44)]),
        step("no attempt", "call: x POST /a, retry: { attempts: 0 }", [("E0206", 4, 44)]),
        step("attempts in words", "call: x POST /a, retry: { attempts: many }", [("E0203", 4, 44)]),
        step("a factor below 1", "call: x POST /a, retry: { factor: 0.5 }", [("E0206", 4, 42)]),
        step("a backoff above its cap", "call: x POST /a, retry: { backoff: 2s, max_backoff: 1s }", [("E0206", 4, 47)]),
        case(
            "unlimited attempts without a deadline",
            "saga: s\nsteps:\n  a: { call: x POST /a, retry: { attempts: unlimited }, compensate: { call: x POST /u } }\n",
            [("E0314", 3, 3)],
        ),
        // ---- the input schema
        case("an input that is no schema", &format!("saga: s\ninput: 3\nsteps:\n{one}"), [("E0203", 2, 8)]),
        case("a bad schema", &format!("saga: s\ninput: {{ type: nonsense }}\nsteps:\n{one}"), [("E0207", 2, 8)]),
        case(
            "a remote $ref",
            &format!("saga: s\ninput: {{ $ref: 'http://169.254.169.254/schema' }}\nsteps:\n{one}"),
            [("E0207", 2, 16)],
        ),
        case(
            "a $ref to a file",
            &format!("saga: s\ninput: {{ $ref: 'file:///etc/passwd' }}\nsteps:\n{one}"),
            [("E0207", 2, 16)],
        ),
        case(
            "a $schema of elsewhere",
            &format!("saga: s\ninput: {{ $schema: 'http://evil/schema' }}\nsteps:\n{one}"),
            [("E0207", 2, 19)],
        ),
        case(
            "a pattern that only backtracking can match",
            &format!("saga: s\ninput: {{ pattern: '(a)\\1' }}\nsteps:\n{one}"),
            [("E0207", 2, 8)],
        ),
        case(
            "a pattern that explodes when it is compiled",
            &format!("saga: s\ninput: {{ pattern: '((a{{1000}}){{1000}}){{1000}}' }}\nsteps:\n{one}"),
            [("E0207", 2, 8)],
        ),
        case(
            "a schema within itself",
            &format!("saga: s\ninput: {{ items: {{ $ref: '#' }} }}\nsteps:\n{one}"),
            [("E0207", 2, 25)],
        ),
        case(
            "a schema that leads back to itself",
            &format!(
                "saga: s\ninput: {{ $ref: '#/$defs/a', $defs: {{ a: {{ items: {{ $ref: '#/$defs/a' }} }} }} }}\nsteps:\n{one}"
            ),
            [("E0207", 2, 58)],
        ),
        case("a schema that multiplies", &multiplying(), [("E0207", 2, 2737)]),
        case(
            "a $ref to nothing",
            &format!("saga: s\ninput: {{ $ref: '#/$defs/gone' }}\nsteps:\n{one}"),
            [("E0207", 2, 16)],
        ),
        case(
            "more patterns than are compiled in time",
            &format!("saga: s\ninput: {{ allOf: [{}] }}\nsteps:\n{one}", "{ pattern: '(a{90}){900}' }, ".repeat(2_000)),
            [("E0207", 2, 1885)],
        ),
        // ---- order, pivot, undoing
        steps(
            "a cycle",
            "a: { needs: [b], call: x POST /a, compensate: { call: x POST /u } }\nb: { needs: [a], call: x POST /b, compensate: { call: x POST /u } }",
            [("E0313", 4, 3)],
        ),
        steps(
            "a step that needs itself",
            "a: { needs: [a], call: x POST /a, compensate: { call: x POST /u } }",
            [("E0313", 4, 16)],
        ),
        steps(
            "a dangling need",
            "a: { needs: [gone], call: x POST /a, compensate: { call: x POST /u } }",
            [("E0312", 4, 16)],
        ),
        steps(
            "needs at one step and not at the other",
            "a: { needs: [], call: x POST /a, compensate: { call: x POST /u } }\nb: { call: x POST /b, compensate: { call: x POST /u } }",
            [("E0311", 5, 3)],
        ),
        steps(
            "two pivots",
            "a: { pivot: true, call: x POST /a }\nb: { pivot: true, call: x POST /b }",
            [("E0309", 5, 8)],
        ),
        steps(
            "a step beside the pivot",
            "a: { needs: [], call: x POST /a, compensate: { call: x POST /u } }\np: { needs: [], pivot: true, call: x POST /p }",
            [("E0310", 4, 3)],
        ),
        steps(
            "a step before the pivot without compensation",
            "a: { call: x POST /a }\np: { pivot: true, call: x POST /p }",
            [("E0306", 4, 3)],
        ),
        steps("the last step without compensation", "a: { call: x POST /a }", [("E0306", 4, 3)]),
        steps(
            "compensation at the pivot and behind it",
            "p: { pivot: true, call: x POST /p, compensate: { call: x POST /u } }\nz: { call: x POST /z, compensate: none }",
            [("E0307", 4, 38), ("E0307", 5, 25)],
        ),
        steps(
            "a compensatable step behind the pivot",
            "p: { pivot: true, call: x POST /p }\nz: { call: x POST /z, compensate: { call: x POST /u } }",
            [("E0307", 5, 25)],
        ),
        steps(
            "a cycle of three",
            "a: { needs: [c], call: x POST /a, compensate: { call: x POST /u } }\nb: { needs: [a], call: x POST /b, compensate: { call: x POST /u } }\nc: { needs: [b], call: x POST /c, compensate: { call: x POST /u } }",
            [("E0313", 4, 3)],
        ),
        steps("compensate none without a reason", "a: { call: x POST /a, compensate: none }", [("E0308", 4, 37)]),
        steps(
            "compensate none for an empty reason",
            "a: { call: x POST /a, compensate: none, reason: ' ' }",
            [("E0308", 4, 51)],
        ),
        step("a reason for nothing", "call: x POST /a, reason: because", [("E0308", 4, 25)]),
        steps("an if on the pivot", "p: { pivot: true, if: '${{ input.b }}', call: x POST /p }", [("E0316", 4, 21)]),
        step("an if that is no expression", "call: x POST /a, if: true", [("E0203", 4, 29)]),
        step("an if that is text", "call: x POST /a, if: 'input.a > 1'", [("E0203", 4, 29)]),
        step("an if with text around it", "call: x POST /a, if: 'x${{ input.a }}'", [("E0203", 4, 29)]),
        step("an if with an unknown name", "call: x POST /a, if: '${{ imput.a }}'", [("E0402", 4, 34)]),
        step("an if over its own output", "call: x POST /a, if: '${{ steps.a.output }}'", [("E0403", 4, 34)]),
        // ---- kinds
        steps("a step that does nothing", "a: { needs: [] }", [("E0305", 4, 3)]),
        steps("a step of two kinds", "a: { sleep: 30m, call: x POST /a }", [("E0305", 4, 8)]),
        steps(
            "keys of another kind",
            "a: { sleep: 30m, compensate: none, reason: waits, retry: { attempts: 2 }, timeout: 3s }",
            [("E0317", 4, 20), ("E0317", 4, 38), ("E0317", 4, 53), ("E0317", 4, 77)],
        ),
        steps("a pivot that sleeps", "a: { sleep: 30m, pivot: true }", [("E0317", 4, 20)]),
        steps("a pivot that awaits", "a: { await: go, timeout: 1d, pivot: true }", [("E0317", 4, 32)]),
        steps("a sleep without a unit", "a: { sleep: 30 }", [("E0205", 4, 15)]),
        steps("a sleep of ten years", "a: { sleep: 3650d }", [("E0206", 4, 15)]),
        steps("a sleep until", "a: { until: 30m }", [("E0209", 4, 15)]),
        steps("an until that is a number", "a: { until: 1795539661 }", [("E0203", 4, 15)]),
        steps("an until without an offset", "a: { until: '2026-12-24T18:00:00' }", [("E0209", 4, 15)]),
        steps("an until of the unknown", "a: { until: '${{ inptu.at }}' }", [("E0402", 4, 20)]),
        // ---- async
        step("async without a timeout", "call: x POST /a, async: true", [("E0202", 4, 25)]),
        step("async of a year and more", "call: x POST /a, async: true, timeout: 400d", [("E0206", 4, 47)]),
        step("async that is neither", "call: x POST /a, async: later, timeout: 1d", [("E0203", 4, 32)]),
        step("one attempt of two days", "call: x POST /a, async: false, timeout: 2d", [("E0206", 4, 48)]),
        steps("an await that is async", "a: { await: go, timeout: 1d, async: true }", [("E0317", 4, 32)]),
        step(
            "a header in the output of an async step",
            "call: x POST /a, async: true, timeout: 1d, output: ['${{ response.headers.b | default(1) }}', '${{ response.headers.b }}']",
            [("E0409", 4, 107)],
        ),
        steps(
            "an async compensation",
            "a: { call: x POST /a, compensate: { call: x POST /u, async: true } }",
            [("E0201", 4, 56)],
        ),
        steps("an await without a timeout", "a: { await: go }", [("E0202", 4, 8)]),
        steps("an await of a year and more", "a: { await: go, timeout: 400d }", [("E0206", 4, 28)]),
        steps("a signal with a space", "a: { await: 'go on', timeout: 1d }", [("E0204", 4, 15)]),
        steps("a signal that is a number", "a: { await: 3, timeout: 1d }", [("E0203", 4, 15)]),
        steps(
            "the response of a signal",
            "a: { await: go, timeout: 1d, output: '${{ response.body }}' }",
            [("E0402", 4, 45)],
        ),
        steps(
            "the input in the output of an await",
            "a: { await: go, timeout: 1d, output: '${{ input.a }}' }",
            [("E0402", 4, 45)],
        ),
        step("a signal in a body", "call: x POST /a, body: '${{ signal.by }}'", [("E0402", 4, 36)]),
        steps(
            "the output of a sleep",
            "a: { sleep: 1s }\nb: { call: 'x POST /${{ steps.a.output.i }}', compensate: { call: x POST /u } }",
            [("E0404", 5, 27)],
        ),
        steps(
            "a field that an await does not give",
            "a: { await: go, timeout: 1d, output: { by: '${{ signal.by }}' } }\nb: { call: 'x POST /${{ steps.a.output.bye }}', compensate: { call: x POST /u } }",
            [("E0404", 5, 27)],
        ),
        // ---- items
        steps(
            "a for_each on the pivot",
            "p: { pivot: true, for_each: '${{ input.l }}', call: x POST /p }",
            [("E0316", 4, 21)],
        ),
        step("a for_each that is a number", "call: x POST /a, for_each: 3", [("E0203", 4, 35)]),
        step("a for_each that is text", "call: x POST /a, for_each: a b c", [("E0203", 4, 35)]),
        step("concurrency 0", "call: x POST /a, for_each: [1], concurrency: 0", [("E0206", 4, 53)]),
        step("concurrency 1000", "call: x POST /a, for_each: [1], concurrency: 1000", [("E0206", 4, 53)]),
        step("concurrency for nothing", "call: x POST /a, concurrency: 2", [("E0317", 4, 25)]),
        steps("items of a sleep", "a: { sleep: 1s, for_each: [1] }", [("E0317", 4, 19)]),
        step("an item without items", "call: 'x POST /${{ item }}'", [("E0402", 4, 27)]),
        step("an item that chooses the items", "call: x POST /a, for_each: '${{ item }}'", [("E0402", 4, 40)]),
        steps(
            "an item outside its step",
            "a: { for_each: [1], call: 'x POST /${{ index }}', compensate: { call: 'x POST /${{ item }}' } }\nb: { call: 'x POST /${{ item }}', compensate: { call: x POST /u } }",
            [("E0402", 5, 27)],
        ),
        step("an item in an output", "for_each: [1], call: x POST /a, output: '${{ item }}'", [("E0402", 4, 53)]),
        steps(
            "the output of items as if it were one",
            "a: { for_each: [1], call: x POST /a, output: { i: '${{ response.body.i }}' }, compensate: { call: \"x POST /${{ steps.a.output.i | default('x') }}\" } }\nb: { call: 'x POST /${{ steps.a.output[0].i }}/${{ steps.a.output.i }}/${{ steps.a.output[0].j }}', compensate: { call: x POST /u } }",
            [("E0404", 5, 54), ("E0404", 5, 78)],
        ),
        // ---- locks
        case("locks that are a map", &format!("saga: s\nlocks: {{ a: b }}\nsteps:\n{one}"), [("E0203", 2, 8)]),
        case("locks that are a text", &format!("saga: s\nlocks: a\nsteps:\n{one}"), [("E0203", 2, 8)]),
        case("a lock that is a number", &format!("saga: s\nlocks: [a, 1]\nsteps:\n{one}"), [("E0203", 2, 12)]),
        case("a lock without a name", &format!("saga: s\nlocks: ['']\nsteps:\n{one}"), [("E0204", 2, 9)]),
        case(
            "a lock with a long name",
            &format!("saga: s\nlocks: ['{}']\nsteps:\n{one}", "a".repeat(limits::LOCK_BYTES + 1)),
            [("E0102", 2, 9)],
        ),
        case(
            "too many locks",
            &format!("saga: s\nlocks: [{}]\nsteps:\n{one}", vec!["a"; limits::LOCKS + 1].join(", ")),
            [("E0102", 2, 8)],
        ),
        case(
            "a lock that reads a step",
            &format!("saga: s\nlocks: ['${{{{ steps.a.output.x }}}}']\nsteps:\n{one}"),
            [("E0402", 2, 14)],
        ),
        case(
            "a lock that reads nothing that is",
            &format!("saga: s\nlocks: ['a:${{{{ inptu.x }}}}']\nsteps:\n{one}"),
            [("E0402", 2, 16)],
        ),
        case(
            "a lock that is no expression",
            &format!("saga: s\nlocks: ['${{{{ 1 + }}}}']\nsteps:\n{one}"),
            [("E0401", 2, 13)],
        ),
        // ---- labels
        case("labels that are a list", &format!("saga: s\nlabels: [a]\nsteps:\n{one}"), [("E0203", 2, 9)]),
        case("a label that is a list", &format!("saga: s\nlabels: {{ a: [1] }}\nsteps:\n{one}"), [("E0203", 2, 14)]),
        case("a label with a space", &format!("saga: s\nlabels: {{ 'a b': 1 }}\nsteps:\n{one}"), [("E0204", 2, 11)]),
        case(
            "a label of what has not run",
            &format!("saga: s\nlabels: {{ a: '${{{{ steps.a.output.x }}}}' }}\nsteps:\n{one}"),
            [("E0402", 2, 19)],
        ),
        case(
            "a label of a label",
            &format!("saga: s\nlabels: {{ a: '${{{{ saga.labels.b }}}}' }}\nsteps:\n{one}"),
            [("E0402", 2, 19)],
        ),
        case(
            "more labels than a saga has",
            &format!(
                "saga: s\nlabels: {{ {} }}\nsteps:\n{one}",
                (0..17).map(|n| format!("a{n}: 1, ")).collect::<String>()
            ),
            [("E0102", 2, 9)],
        ),
        // ---- calls
        step("a service that the catalogue has not", "call: inventori POST /a", [("E0303", 4, 14)]),
        step("an absolute URL", "call: POST https://evil.example/a", [("E0302", 4, 14)]),
        step("an absolute URL as service", "call: http://evil.example POST /a", [("E0302", 4, 14)]),
        step("a templated service", "call: '${{ input.host }} POST /a'", [("E0302", 4, 14)]),
        step("another host in the path", "call: x POST //evil.example/a", [("E0301", 4, 14)]),
        step("a path without its slash", "call: x POST a", [("E0301", 4, 14)]),
        step("a method that is none", "call: x FETCH /a", [("E0301", 4, 14)]),
        step("dot segments", "call: x POST /a/../admin", [("E0301", 4, 14)]),
        step("encoded dot segments", "call: x POST /a/%2e%2E/admin", [("E0301", 4, 14)]),
        step("a fragment", "call: 'x POST /a#b'", [("E0301", 4, 14)]),
        step("a GET with a body", "call: x GET /a, body: {}", [("E0301", 4, 24)]),
        step("header Host", "call: x POST /a, headers: { Host: evil }", [("E0304", 4, 36)]),
        step("header Authorization", "call: x POST /a, headers: { Authorization: x }", [("E0304", 4, 36)]),
        step("header Saga-Epoch", "call: x POST /a, headers: { sAgA-Epoch: '1' }", [("E0304", 4, 36)]),
        step("header Idempotency-Key", "call: x POST /a, headers: { Idempotency-Key: k }", [("E0304", 4, 36)]),
        step(
            "a header with a line break in its name",
            "call: x POST /a, headers: { \"X-A\\r\\nHost\": k }",
            [("E0304", 4, 36)],
        ),
        step(
            "a secret in a header",
            "call: x POST /a, headers: { X-Key: sk_live_4eC39HqLyjWDarjtT1 }",
            [("E0315", 4, 43)],
        ),
        step("a secret in a body", "call: x POST /a, body: { key: 'Bearer 0123456789abcdef' }", [("E0315", 4, 38)]),
        step("a secret in a path", "call: 'x POST /a?k=AKIAIOSFODNN7EXAMPLE'", [("E0315", 4, 14)]),
        step("a password in a URL", "call: x POST /a, body: 'postgres://amends:hunter2@db/x'", [("E0315", 4, 31)]),
        // ---- expressions
        step(
            "an expression of 1 MiB / 5",
            &format!("call: x POST /a, body: '${{{{ {}1 }}}}'", "1+".repeat(100_000)),
            [("E0401", 4, 35)],
        ),
        step(
            "10000 parentheses",
            &format!("call: x POST /a, body: '${{{{ {}1 }}}}'", "(".repeat(10_000)),
            [("E0401", 4, 35)],
        ),
        step(
            "21 parentheses",
            &format!("call: x POST /a, body: '${{{{ {}1{} }}}}'", "(".repeat(21), ")".repeat(21)),
            [("E0401", 4, 56)],
        ),
        step("an unclosed expression", "call: x POST /a, body: '${{ input.a'", [("E0401", 4, 35)]),
        step("an expression in a key", "call: x POST /a, body: { '${{ input.a }}': 1 }", [("E0401", 4, 33)]),
        step("an unknown filter", "call: x POST /a, body: '${{ input.a | shout }}'", [("E0401", 4, 44)]),
        step("an unknown name", "call: x POST /a, body: '${{ inputs.a }}'", [("E0402", 4, 36)]),
        step("an unknown step", "call: x POST /a, body: '${{ 1 + steps.b.output.c }}'", [("E0402", 4, 40)]),
        step("an unknown field of a saga", "call: 'x POST /${{ saga.ids }}'", [("E0402", 4, 27)]),
        step("the response in a body", "call: x POST /a, body: '${{ response.body }}'", [("E0402", 4, 36)]),
        step("the input in an output", "call: x POST /a, output: '${{ input.a }}'", [("E0402", 4, 38)]),
        steps(
            "a step that need not have succeeded",
            "a: { call: 'x POST /${{ steps.b.output.i }}', compensate: { call: x POST /u } }\nb: { call: x POST /b, output: { i: '${{ response.body.i }}' }, compensate: { call: x POST /u } }",
            [("E0403", 4, 27)],
        ),
        steps(
            "an output that a step has not",
            "a: { call: x POST /a, output: { i: '${{ response.body.i }}' }, compensate: { call: x POST /u } }\nb: { call: 'x POST /${{ steps.a.output.j }}', compensate: { call: x POST /u } }",
            [("E0404", 5, 27)],
        ),
        steps(
            "the output of a step that may be skipped",
            "a: { if: '${{ input.b }}', call: x POST /a, output: { i: '${{ response.body.i }}' }, compensate: { call: x POST /u } }\nb: { call: 'x POST /${{ steps.a.output.i }}/${{ steps.a.output.i | default(1) }}', compensate: { call: x POST /u } }",
            [("E0407", 5, 27)],
        ),
        steps(
            "a compensation that needs its own output",
            "a: { call: x POST /a, output: { i: '${{ response.body.i }}' }, compensate: { call: 'x DELETE /${{ steps.a.output.i }}' } }",
            [("E0406", 4, 101)],
        ),
        case(
            "an input field that the schema excludes",
            "saga: s\ninput: { properties: { sku: {} }, additionalProperties: false }\nsteps:\n  a: { call: 'x POST /${{ input.skew }}', compensate: { call: x POST /u } }\n",
            [("E0405", 4, 27)],
        ),
        // An expression of 1 MiB cannot be in a source at all.
        case(
            "an expression of 1 MiB",
            &format!(
                "saga: s\nsteps:\n  a: {{ call: x POST /a, body: '${{{{ {}1 }}}}', compensate: none, reason: r }}\n",
                "1+".repeat(1 << 19)
            ),
            [("E0102", 1, 1)],
        ),
        step(
            "an expression of 4097 bytes",
            &format!("call: x POST /a, body: '${{{{ {}1 }}}}'", "1+".repeat(limits::EXPRESSION_BYTES / 2 - 1)),
            [("E0401", 4, 35)],
        ),
        // ---- places in texts of more than one line
        case(
            "in a literal block",
            "saga: s\nsteps:\n  a:\n    call: x POST /a\n    body: | # ${{ not one }}\n      ${{ input.fine }}\n      and ${{ inputs.a }}\n    compensate: { call: x POST /u }\n",
            [("E0402", 7, 15)],
        ),
        case(
            "in a folded block",
            "saga: s\nsteps:\n  a:\n    call: x POST /a\n    body: >-\n      folded\n      text ${{ 1 +\n      inputs.a }}\n    compensate: { call: x POST /u }\n",
            [("E0402", 8, 7)],
        ),
        case(
            "in a plain text over lines",
            "saga: s\nsteps:\n  a:\n    call: x\n      POST /${{ inputs.a }}\n    compensate: { call: x POST /u }\n",
            [("E0402", 5, 17)],
        ),
        step("behind doubled quotes", "call: x POST /a, body: '${{ ''it'' ~ inputs.a }}'", [("E0402", 4, 45)]),
        step("behind escapes", "call: x POST /a, body: \"\\t\\u0041 ${{ inputs.a }}\"", [("E0402", 4, 45)]),
        step(
            "in an expression written in escapes",
            "call: x POST /a, body: \"\\u0024{{ inputs.a }}\"",
            [("E0402", 4, 41)],
        ),
        step("behind an opening in a text", "call: x POST /a, body: \"${{ '${{' ~ inputs.a }}\"", [("E0402", 4, 44)]),
        step("behind letters of two bytes", "call: x POST /a, body: \"äöü ${{ inputs.a }}\"", [("E0402", 4, 40)]),
        case(
            "behind a comment with an expression",
            "saga: s\nsteps:\n  a:\n    call: x POST /a\n    body: # ${{ here }}\n      - '${{ inputs.a }}'\n    compensate: { call: x POST /u }\n",
            [("E0402", 6, 14)],
        ),
    ]
}

/// Each definition of the schema stands for two of the next.
fn multiplying() -> String {
    let defs: String = (0..40)
        .map(|n| format!("a{n}: {{ allOf: [{{ $ref: '#/$defs/a{m}' }}, {{ $ref: '#/$defs/a{m}' }}] }}, ", m = n + 1))
        .collect();
    format!(
        "saga: s\ninput: {{ $ref: '#/$defs/a0', $defs: {{ {defs} a40: {{}} }} }}\nsteps:\n  a: {{ call: x POST /a, compensate: {{ call: x POST /u }} }}\n"
    )
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
    let whole = include_str!("../../../sagas/place-order.yaml");
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
