//! The keys of a plan, in tables like those of the language: checks, hints, the editor's schema and the page read them.

use crate::definition::keys::{Key, Keys};

const fn key(name: &'static str, doc: &'static str) -> Key {
    Key { name, required: false, doc }
}

pub(super) const PLAN: Keys = Keys {
    what: "a plan of faults",
    known: &[
        key(
            "seed",
            "A whole number; another one picks other attempts where a rule has a `probability`. `0` without it.",
        ),
        Key { name: "rules", required: true, doc: "An attempt falls under the first rule that fits it." },
    ],
};

pub(super) const RULE: Keys = Keys {
    what: "a rule",
    known: &[
        key("name", "By which its count is told; `rule 1`, `rule 2`, … without it."),
        key("service", "Only calls of this service."),
        key("saga", "Only sagas of this definition."),
        key("step", "Only calls of this step."),
        key("op", "Only `action`, `compensate` or `probe`."),
        key("label", "Only sagas with these labels, e.g. `{ tier: gold }`; each a text, a number or a boolean."),
        key("attempt", "Only this attempt of each call, from 1 on; not beside `attempts`."),
        key("attempts", "Only so many attempts of each call, from the first on."),
        key("probability", "From 0 to 1; `1` without it. The dice are a hash of seed, rule and attempt."),
        key("count", "At most so many times in all, since the plan was set."),
        key("delay", "It arrives so much later, e.g. `2s`; also after the caller has given up."),
        key("refuse", "`true`: the connection is refused, so nothing was sent."),
        key("lose", "`request`: it never arrives. `reply`: it is done, and nobody hears of it."),
        key("reject", "Nothing is sent; the answer is a no with this status (400 to 499), with the service's ack."),
        key("fail", "Nothing is sent; somebody in between answers with this status (300 to 599)."),
        key("status", "It is done; somebody in between answers with this status (100 to 599)."),
        key("body", "It is done; the answer has this body. A text stands as it is, so it may be no JSON."),
        key("cut", "`true`: it is done, and the connection breaks in the middle of the answer."),
        key("duplicate", "It arrives so many times more at the same time, from 1 to 10."),
        key("replay", "It arrives once more: so long after its answer, e.g. `5s`, or after its `compensation`."),
        key(
            "abort",
            "The process dies at this point of the attempt: `before-intent`, `before-send`, `after-send`, `before-commit`, `after-commit`.",
        ),
    ],
};

/// A rule has exactly one of these.
pub(super) const FAULTS: [&str; 11] =
    ["delay", "refuse", "lose", "reject", "fail", "status", "body", "cut", "duplicate", "replay", "abort"];
