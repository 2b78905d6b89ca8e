//! What of YAML the language leaves out, and that places are right in whatever a text may be written.

use amends_core::definition::limits;

use crate::case::{Case, ONE, case, step};

pub(crate) fn cases() -> Vec<Case> {
    let one = ONE;
    let deep = |depth: usize| format!("saga: s\ninput: {}{}\nsteps:\n{one}", "[".repeat(depth), "]".repeat(depth));
    vec![
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
