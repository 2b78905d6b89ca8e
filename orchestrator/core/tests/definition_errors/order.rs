//! Order, pivot, undoing, kinds of steps, items.

use crate::case::{Case, step, steps};

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
    ]
}
