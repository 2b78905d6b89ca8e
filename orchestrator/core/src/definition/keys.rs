//! The keys of the language, each map's in one table: the checks, their hints and the editor's schema read the same one.

/// A map of the language.
pub(crate) struct Keys {
    /// For messages: "a step".
    pub(crate) what: &'static str,
    pub(crate) known: &'static [Key],
}

pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

const fn key(name: &'static str, doc: &'static str) -> Key {
    Key { name, required: false, doc }
}

const fn required(name: &'static str, doc: &'static str) -> Key {
    Key { name, required: true, doc }
}

pub(crate) const SAGA: Keys = Keys {
    what: "a saga",
    known: &[
        required("saga", "Its name: letters, digits, `-`, `_`, `.`."),
        key("version", "A whole number from 1. Without it, registering gives the next one."),
        key("description", "What the transaction is for."),
        key("input", "JSON Schema 2020-12 of what a start must bring."),
        key("deadline", "The longest the forward path may take, e.g. `1h`. Fixed at the start."),
        key("labels", "Words to find the saga by, computed at its start from `input` and `saga`."),
        key("locks", "Names of locks, computed at the start: taken before the first step, held to the end."),
        key("defaults", "`timeout` and `retry` for every action that has none of its own."),
        required("steps", "The steps in source order, each under its name."),
        key("output", "What a completed saga answers; may refer to the output of every step."),
    ],
};

pub(crate) const DEFAULTS: Keys = Keys {
    what: "`defaults`",
    known: &[
        key("timeout", "Longest time for one attempt, e.g. `2s`."),
        key("retry", "When an action is tried again."),
    ],
};

pub(crate) const STEP: Keys = Keys {
    what: "a step",
    known: &[
        key("call", "`<service> <METHOD> </path>`; the service is a name from the catalogue."),
        key("sleep", "Waits so long, e.g. `30m`."),
        key("until", "Waits until this time, RFC 3339; evaluated once."),
        key("await", "Waits for a signal of this name, at most `timeout`."),
        key("saga", "Runs the saga of this name as a child, which is settled when this saga knows how it ends."),
        key("input", "What the child is started with; `${{ … }}` may stand anywhere in it."),
        key("body", "JSON body of the call; `${{ … }}` may stand anywhere in it."),
        key("headers", "Further headers of the call."),
        key("for_each", "A list, or `${{ … }}` that is one: the step calls once for each `item`. Evaluated once."),
        key("concurrency", "How many items are called, or undone, at once; 1 by default."),
        key("if", "`${{ … }}`, true or false: with false the step is skipped. Evaluated once, when its needs are met."),
        key("needs", "Names of the steps that must be done first. One step has it, all have it."),
        key("async", "`true`: the service may answer 202 and call back, at most `timeout` later."),
        key(
            "timeout",
            "Longest time for one attempt of a call; of an `await` for the signal, of an `async` call for the verdict.",
        ),
        key("retry", "When the action is tried again."),
        key("output", "Computed from `response`, from `signal` or from `child`; what later steps may refer to."),
        key("idempotent", "`false`: what may have happened is not sent again, unless `probe` says it was not applied."),
        key("probe", "A GET that says whether the action was applied: 2xx yes, 404 no, 202 and 409 in progress."),
        key("reject_on", "The statuses that are a definite no, e.g. `[409, 422]`; other 4xx are unknown then."),
        key("pivot", "`true`: the point of no return. Nothing before it is undone once it succeeds."),
        key("compensate", "The call that undoes this step, or `none` with a `reason`."),
        key("reason", "Why `compensate: none` is right."),
    ],
};

/// What a step may do. It does exactly one of these, and each has keys of its own; `if` and `needs` go with all of them.
pub(crate) const KINDS: [(&str, &[&str]); 5] = [
    (
        "call",
        &[
            "body",
            "headers",
            "async",
            "timeout",
            "retry",
            "output",
            "pivot",
            "compensate",
            "reason",
            "for_each",
            "concurrency",
            "idempotent",
            "probe",
            "reject_on",
        ],
    ),
    ("sleep", &[]),
    ("until", &[]),
    ("await", &["timeout", "output"]),
    ("saga", &["input", "output", "pivot", "for_each", "concurrency"]),
];
/// Keys that go with every kind.
pub(crate) const WITH_EVERY_KIND: [&str; 2] = ["if", "needs"];

pub(crate) const COMPENSATE: Keys = Keys {
    what: "a compensation",
    known: &[
        required("call", "`<service> <METHOD> </path>`; undoes what the step did, or may have done."),
        key("body", "JSON body of the call; the step's own output only with `default(...)`."),
        key("headers", "Further headers of the call."),
        key("timeout", "Longest time for one attempt; without it the step's."),
        key("retry", "When it is tried again; `attempts` says when a person is asked to look."),
        key("success_on", "Statuses that mean undone beside 2xx, e.g. `[404, 410]`."),
    ],
};

pub(crate) const PROBE: Keys = Keys {
    what: "a probe",
    known: &[
        required("call", "`<service> GET </path>`, of the action's service; it carries the action's key."),
        key("headers", "Further headers of the call."),
        key("timeout", "Longest time for one probe; without it the step's."),
        key("settle", "So long after the last attempt *not applied* is believed; by default twice the step's timeout."),
    ],
};

pub(crate) const RETRY: Keys = Keys {
    what: "`retry`",
    known: &[
        key("attempts", "How many in all, or `unlimited`."),
        key("backoff", "Before the second attempt, e.g. `100ms`."),
        key("factor", "Growth of the backoff from attempt to attempt."),
        key("max_backoff", "The longest backoff."),
    ],
};
