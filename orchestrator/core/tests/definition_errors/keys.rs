//! Keys, types, names, numbers; labels and locks.

use amends_core::definition::limits;

use crate::case::{Case, ONE, case, step, steps};

pub(crate) fn cases() -> Vec<Case> {
    let one = ONE;
    vec![
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
    ]
}
