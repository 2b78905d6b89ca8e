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
        key("shorten", "Step → duration: so long it sleeps or awaits, instead of what the definition says."),
        key("faults", "What goes wrong, and where."),
        key("signals", "Signals, sent in this order, each when its step waits."),
        key("cancel", "When somebody cancels."),
        required("expect", "What must come of it."),
    ],
};

pub(crate) const FAULT: Keys = Keys {
    what: "a fault",
    known: &[
        required("step", "Whose calls it befalls."),
        key("op", "`action` (without it) or `compensate`."),
        key("attempts", "So many attempts of each call from the first on; `1` without it, `all` for all."),
        key("reject", "The service refuses with this status: a definite no, nothing happened."),
        key("fail", "Instead of the service somebody in between answers with this status; nothing happened."),
        key("lose", "`request`: it never arrives. `reply`: it is done, and nobody hears of it."),
        key("delay", "It arrives so much later."),
    ],
};

/// A fault is exactly one of these.
pub(crate) const FAULT_KINDS: [&str; 4] = ["reject", "fail", "lose", "delay"];

pub(crate) const SIGNAL: Keys = Keys {
    what: "a signal",
    known: &[
        required("name", "The signal's name."),
        required("when", "The step that must be waiting, whichever signal it waits for; or `start`: at once."),
        key("data", "Its payload; `null` without it."),
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
        key("attempts", "Step → requests of its actions in all; `<step>.compensate` of its compensations."),
        key("bodies", "Step → what the first body of its action has; compared like `output`."),
        key("never", "Of these steps no request was sent."),
    ],
};
