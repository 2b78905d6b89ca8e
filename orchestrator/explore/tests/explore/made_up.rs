//! Inputs and replies that nobody has given.

use amends_explore::{Contract, inputs};
use serde_json::json;

use crate::support::{explored, found, parse};

#[test]
fn inputs_have_as_little_and_as_much_as_the_schema_allows() {
    let definition = parse(
        "saga: x\ninput:\n  type: object\n  required: [n, kind]\n  additionalProperties: false\n  properties:\n    \
         n: { type: integer, minimum: 3 }\n    kind: { enum: [a, b] }\n    at: { type: string, format: date-time }\n    \
         some: { type: array, minItems: 1, items: { $ref: '#/$defs/one' } }\n  \
         $defs: { one: { type: object, required: [sku], properties: { sku: { type: string, minLength: 12 } } } }\n\
         steps:\n  a: { call: s POST /a, pivot: true, body: { n: \"${{ input.n }}\" } }\n",
    );
    let made = inputs(&definition).expect("inputs");
    assert_eq!(made.len(), 2, "{made:?}");
    assert_eq!(made[0], json!({ "n": 3, "kind": "a" }));
    assert_eq!(made[1]["kind"], "b");
    assert_eq!(made[1]["some"].as_array().map(Vec::len), Some(2));
    assert!(made[1]["n"].as_i64().is_some_and(|n| n > 1000));
}

#[test]
fn an_input_that_cannot_be_made_up_is_said() {
    let definition = parse(
        "saga: x\ninput: { type: object, required: [p], properties: { p: { type: string, pattern: '^[0-9]{9}$' } } }\n\
         steps:\n  a: { call: s POST /a, pivot: true, body: { p: \"${{ input.p }}\" } }\n",
    );
    let why = inputs(&definition).expect_err("no pattern is made up");
    assert!(why.to_string().contains("/p"), "{why}");
}

#[test]
fn replies_and_signals_have_what_is_read_of_them_whatever_kind_it_is() {
    let report = explored(
        "saga: x\nsteps:\n  a:\n    call: s POST /a\n    output: { n: \"${{ response.body.deep.list[1].n + 1 }}\" }\n    \
         compensate: { call: s POST /b }\n  w: { await: go, timeout: 1d, output: { by: \"${{ signal.who.name | upper }}\" } }\n  \
         p: { call: s POST /p, pivot: true, body: { n: \"${{ steps.a.output.n }}\", by: \"${{ steps.w.output.by }}\" } }\n",
        Contract::Barrier,
        0,
    );
    assert!(found(&report).is_empty(), "{:?}", found(&report));
    assert_eq!((report.totals.completed, report.totals.compensated), (1, 0));
}
