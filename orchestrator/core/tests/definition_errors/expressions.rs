//! Expressions, and what they may refer to.

use amends_core::definition::limits;

use crate::case::{Case, case, step, steps};

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
    ]
}
