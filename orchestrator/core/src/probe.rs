//! What the answer to a probe says of the action it asks after.

use std::time::Duration;

use crate::{
    definition::CallStep,
    event::Probed,
    ids::Op,
    reply::{Outcome, RefusedThere, Reply, Terms, succeeded},
};

/// What a probe found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// It happened, with this outcome: its answer is the response.
    Applied { status: u16, outcome: Outcome },
    /// It has not happened by now.
    NotApplied { status: u16 },
    /// Nothing that could be relied upon: to be asked again.
    Nothing {
        verdict: Probed,
        status: Option<u16>,
        reason: String,
        retry_after: Option<Duration>,
        refused: Option<RefusedThere>,
    },
}

/// What a probe found. A barrier's word counts only with its ack: a 404 without it came from something in between.
pub(crate) fn found(step: &CallStep, reply: Reply, terms: &Terms, output_bytes: usize) -> Found {
    let unanswered =
        |reason| Found::Nothing { verdict: Probed::Unknown, status: None, reason, retry_after: None, refused: None };
    let answer = match reply {
        Reply::NotSent { reason } | Reply::Lost { reason } => return unanswered(reason),
        Reply::Answered(answer) => answer,
    };
    let status = answer.status;
    let definite = (answer.acked || !terms.barrier) && answer.refused.is_none();
    let (verdict, reason) = match status {
        202 | 409 if definite => (Probed::InProgress, format!("the probe was answered {status}: in progress")),
        200..=299 if definite => {
            let outcome = succeeded(step, Op::Action, &answer, output_bytes);
            return Found::Applied { status, outcome };
        }
        404 if definite => return Found::NotApplied { status },
        200..=299 | 404 | 409 if answer.refused.is_none() => {
            (Probed::Unknown, format!("the probe was answered {status} without the ack that is due"))
        }
        _ => (Probed::Unknown, format!("the probe was answered {status}")),
    };
    Found::Nothing { verdict, status: Some(status), reason, retry_after: answer.retry_after, refused: answer.refused }
}
