//! Calls: whom, what, and what must not be sent twice.

use crate::case::{Case, step, steps};

pub(crate) fn cases() -> Vec<Case> {
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
    ]
}
