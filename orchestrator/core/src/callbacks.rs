//! Callbacks: what a participant that accepted a call may say of it later, and what each one means.
//!
//! The first verdict decides the call, in whatever phase it is: its participant may be quicker than the answer to the attempt,
//! and its answers may be lost. From then on nothing else does: the same verdict again is the same callback.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    definition::{CallStep, Definition},
    event::{AttentionReason, FailedStep, Verdict},
    ids::{CallId, Digest, Op, canonical},
    reply::{Answer, Outcome, Reply, Terms, succeeded},
    state::{Life, State, StepState, Undoable},
};

/// A callback as it comes, from somebody who was given the call's token.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    pub call: CallId,
    pub said: Said,
}

/// What it says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It happened; `body` stands for that of an answer.
    Succeeded { body: Arc<Value> },
    /// It did not happen.
    Rejected { reason: String },
}

/// What a callback is to a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanCallBack {
    /// It decides its call.
    Yes,
    /// The call ended just so before: it gets the same answer and changes nothing.
    CameBefore,
    /// The call ended otherwise, and that stands.
    OtherVerdict,
    /// The call is over without a verdict: it is undone, or will be. Whoever did not finish must not.
    TooLate,
    /// No such call was made: nobody was given a token for it.
    NeverCalled,
    Ended,
}

impl Said {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Succeeded { .. } => Verdict::Succeeded,
            Self::Rejected { .. } => Verdict::Rejected,
        }
    }

    /// A no is a no, in whatever words.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Succeeded { body } => Digest::of(&[b"succeeded", canonical(body).to_string().as_bytes()]),
            Self::Rejected { .. } => Digest::of(&[b"rejected"]),
        }
    }

    /// As if an answer had said it.
    pub(crate) fn outcome(&self, step: &CallStep, terms: &Terms, output_bytes: usize) -> Outcome {
        const LONGEST_CHARS: usize = 200;
        match self {
            Self::Succeeded { body } => {
                let answer = Answer { status: STATUS, body: body.to_string().into_bytes(), ..Answer::default() };
                succeeded(step, Op::Action, &answer, output_bytes)
            }
            // What a barrier's service takes back in its own transaction it has stored.
            Self::Rejected { reason } => {
                let text: String = reason.chars().filter(|c| !c.is_control()).take(LONGEST_CHARS).collect();
                let reason = if text.is_empty() { "without a reason".to_owned() } else { text };
                Outcome::Rejected { status: STATUS, acked: terms.barrier, reason }
            }
        }
    }
}

/// Of a callback, as `response.status`.
const STATUS: u16 = 200;

/// What a callback is to the saga now.
pub fn can_call_back(definition: &Definition, state: &State, callback: &Callback) -> CanCallBack {
    let (id, said) = (&callback.call, &callback.said);
    let calls_back = definition.step(&id.step).and_then(|(_, step)| step.call()?.verdict_within);
    if calls_back.is_none() || id.op != Op::Action {
        return CanCallBack::NeverCalled;
    }
    if let Some(first) = state.callbacks.get(id) {
        return if first.digest == said.digest() { CanCallBack::CameBefore } else { CanCallBack::OtherVerdict };
    }
    if state.status.is_terminal() {
        return CanCallBack::Ended;
    }
    let ended = |as_what: Verdict| {
        if as_what == said.verdict() { CanCallBack::CameBefore } else { CanCallBack::OtherVerdict }
    };
    match life(state, id) {
        None => CanCallBack::NeverCalled,
        Some(Life::Calling(call)) if call.attempt == 0 => CanCallBack::NeverCalled,
        // An answer said that it happened, of which nothing could be made: a callback may mend that, and not deny it.
        Some(Life::Calling(_)) if state.attention.get(id) == Some(&AttentionReason::Unusable) => match said.verdict() {
            Verdict::Succeeded => CanCallBack::Yes,
            Verdict::Rejected => CanCallBack::OtherVerdict,
        },
        Some(Life::Calling(_)) => CanCallBack::Yes,
        Some(
            Life::Succeeded { .. }
            | Life::Failed(FailedStep::Unusable)
            | Life::Compensating { was: Undoable::Succeeded { .. } | Undoable::Unusable, .. },
        ) => ended(Verdict::Succeeded),
        Some(Life::Failed(FailedStep::Rejected)) => ended(Verdict::Rejected),
        Some(Life::Failed(_) | Life::Compensating { .. } | Life::Compensated) => CanCallBack::TooLate,
    }
}

/// Of the step that calls, or of the item.
fn life(state: &State, id: &CallId) -> Option<Life> {
    match (state.steps.get(&id.step)?, id.index) {
        (StepState::Each(each), Some(index)) => each.lives.get(index as usize)?.clone(),
        (StepState::Each(_), None) | (_, Some(_)) => None,
        (stands, None) => stands.clone().into_life(),
    }
}

/// Whether the answer says that the verdict comes later. From a service with a barrier that counts only with its ack.
pub(crate) fn is_accepted(op: Op, reply: &Reply, terms: &Terms) -> bool {
    match reply {
        Reply::Answered(answer) => {
            op == Op::Action && answer.status == 202 && answer.refused.is_none() && (answer.acked || !terms.barrier)
        }
        Reply::NotSent { .. } | Reply::Lost { .. } => false,
    }
}
