//! What the barrier's rows mean. Pure, and shared by every kind of store: a store brings the locks and the transaction.

use amends_protocol::participant::Refused;

use crate::{
    call::{Call, Digest},
    fault::{Faults, Rule},
    reply::{Problem, Reply},
};

/// A barrier row that was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Nothing for the tombstone of an action that never came.
    pub(crate) digest: Option<Digest>,
    pub(crate) state: State,
    pub(crate) made_by: MadeBy,
}

/// Epoch and attempt of a call.
pub(crate) type MadeBy = (u64, u32);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Done(Reply),
    /// A no that holds for everything up to the epoch and the attempt of its row.
    Rejected(Reply),
    Accepted(Reply),
    /// Whatever the action was, it is not to happen any more.
    Tombstone,
}

/// What an attempt means whose row is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Replay(Reply),
    /// Only a rejection, and only for an attempt made after it.
    JudgeAnew,
    Refused(Refused),
}

/// What a compensation owes the action's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    Null,
    Reverse(Reply),
}

/// The row of this attempt (its own op) is taken.
pub(crate) fn taken(row: Row, call: &Call, faults: &Faults) -> Taken {
    if faults.holds(Rule::OtherBody) && row.digest.is_some_and(|digest| digest != call.digest()) {
        return Taken::Refused(Refused::OtherBody);
    }
    match row.state {
        State::Done(reply) | State::Accepted(reply) => Taken::Replay(reply),
        State::Tombstone => Taken::Replay(already_compensated()),
        State::Rejected(reply) => {
            let later = (call.headers().epoch, call.headers().attempt) > row.made_by;
            if later || !faults.holds(Rule::StoredRejection) { Taken::JudgeAnew } else { Taken::Replay(reply) }
        }
    }
}

/// The action's row as its compensation finds it.
pub(crate) fn undo(action: State) -> Undo {
    match action {
        State::Rejected(_) | State::Tombstone => Undo::Null,
        State::Done(reply) | State::Accepted(reply) => Undo::Reverse(reply),
    }
}

/// What a late action hears. Never stored: it is the same for ever.
pub(crate) fn already_compensated() -> Reply {
    Problem::conflict("already-compensated", "the compensation of this call came first; nothing was done").into()
}

/// What a compensation hears that had nothing to undo.
pub(crate) fn null_reply() -> Reply {
    Reply::new(http::StatusCode::OK, &serde_json::json!({ "compensated": "nothing" }))
}

/// What a probe hears of an action that has no effect here.
pub(crate) fn not_applied() -> Reply {
    Problem::new(http::StatusCode::NOT_FOUND, "not-applied", "the action is not applied here").into()
}
