//! The keys of a scenario file, in tables like those of the language: checks, hints and the editor's schema read them.

use crate::definition::keys::{Key, Keys};

const fn key(name: &'static str, doc: &'static str) -> Key {
    Key { name, required: false, doc }
}

const fn required(name: &'static str, doc: &'static str) -> Key {
    Key { name, required: true, doc }
}

pub(crate) const FILE: Keys = Keys {
    what: "a scenario file",
    known: &[
        key("replies", "Step → the body its service answers its action with. Without one it answers `{}`."),
        required("scenarios", "The scenarios, one after the other."),
    ],
};

pub(crate) const SCENARIO: Keys = Keys {
    what: "a scenario",
    known: &[
        required("name", "What is to be seen, as a sentence."),
        key("input", "What the saga is started with. A text `now + 2s` in it becomes that time."),
        key(
            "shorten",
            "Step → duration: so long it sleeps, awaits, is waited for or takes to settle, instead of what the definition says.",
        ),
        key("faults", "What goes wrong, and where."),
        key("signals", "Signals, sent in this order, each when its step waits."),
        key(
            "callbacks",
            "Steps that are accepted now and called back; without one an `async` step is answered at once.",
        ),
        key("cancel", "When somebody cancels."),
        required("expect", "What must come of it."),
    ],
};

pub(crate) const FAULT: Keys = Keys {
    what: "a fault",
    known: &[
        required("step", "Whose calls it befalls."),
        key("op", "`action` (without it), `compensate` or `probe`."),
        key("attempts", "So many attempts of each call, or probes, from the first on; `1` without it, `all` for all."),
        key(
            "reject",
            "The service refuses with this status: a definite no, nothing happened. Of a probe: that is its answer.",
        ),
        key("fail", "Instead of the service somebody in between answers with this status; nothing happened."),
        key(
            "lose",
            "`request`: it never arrives. `reply`: it is done, and nobody hears of it. `connection`: nobody listens, so that it never leaves, until the step has failed.",
        ),
        key("delay", "It arrives so much later."),
        key("duplicate", "The network makes so many of it, which arrive at once."),
    ],
};

/// A fault is exactly one of these.
pub(crate) const FAULT_KINDS: [&str; 5] = ["reject", "fail", "lose", "delay", "duplicate"];

pub(crate) const SIGNAL: Keys = Keys {
    what: "a signal",
    known: &[
        required("name", "The signal's name."),
        required("when", "The step that must be waiting, whichever signal it waits for; or `start`: at once."),
        key("data", "Its payload; `null` without it."),
    ],
};

pub(crate) const CALLBACK: Keys = Keys {
    what: "a callback",
    known: &[
        required("step", "The `async` step."),
        required("after", "How long after its 202; `early`: before that is on its way; `never`."),
        key("body", "The body it is called back with when it is done; `{}` without it."),
        key("reject", "Why it is refused after all."),
    ],
};

pub(crate) const CANCEL: Keys =
    Keys { what: "`cancel`", known: &[required("when", "The step that must be waiting."), key("reason", "Why.")] };

pub(crate) const EXPECT: Keys = Keys {
    what: "`expect`",
    known: &[
        required("status", "`completed` or `compensated`."),
        key("output", "What is answered. Of maps only what stands here is compared; the text `*` fits everything."),
        key("done", "Exactly these steps have succeeded and were left so, in source order."),
        key("skipped", "Exactly these steps were skipped."),
        key(
            "undone",
            "Exactly these effects were undone, in this order, a step once for each item. Steps in a list of their own: in any order.",
        ),
        key("nothing", "Exactly these steps were compensated although nothing had happened, in any order."),
        key(
            "attempts",
            "Step → requests of its actions in all; `<step>.compensate` of its compensations, `<step>.probe` of its probes.",
        ),
        key("bodies", "Step → what the first body of its action has; compared like `output`."),
        key("never", "Of these steps no request was sent."),
    ],
};
