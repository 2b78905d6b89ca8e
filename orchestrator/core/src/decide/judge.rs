//! What the outcome of an attempt means: the rules of sections 2 and 3 of the contract, in one match.
//!
//! **It must never know** what comes next when nothing went wrong: that is `advance`'s.

use std::{sync::Arc, time::Duration};

use super::Draft;
use crate::{
    definition::{Retry, Side},
    event::{AttentionReason, Cause, Event, FailedStep, Failure},
    ids::{CallId, Op},
    reply::{Outcome, RefusedThere},
    retry,
    state::CallState,
    summary::Status,
};

impl Draft<'_> {
    /// What an outcome means, by direction, side of the pivot and whether the saga is being undone.
    pub(super) fn judge(&mut self, id: &CallId, attempt: u32, outcome: Outcome) {
        let Some(step) = self.open(id, attempt) else { return };
        let side = step.side;
        let step_repeats = step.call().is_none_or(|call| call.idempotent);
        let may_have_happened = self.state.call(id).is_some_and(|call| call.may_have_happened);
        self.push(outcome_event(id, attempt, &outcome));
        match (id.op, self.state.status, side, outcome) {
            (_, _, _, Outcome::Success { .. }) => {}

            // Undoing: nothing ends it but success. A definite no waits for an operator.
            (Op::Compensate, _, _, Outcome::Rejected { reason, .. } | Outcome::Unusable { reason, .. }) => {
                self.attention(id, AttentionReason::Rejected, reason);
            }
            (Op::Compensate, _, _, Outcome::NotSent { reason }) => self.retry_until_done(id, attempt, None, reason),
            (Op::Compensate, _, _, Outcome::Unknown { reason, retry_after, refused, .. }) => {
                self.refused_there(id, refused, &reason);
                self.retry_until_done(id, attempt, retry_after, reason);
            }

            // Not to be sent twice: it is asked after, if there is a way to ask.
            (Op::Action, Status::Running, side, Outcome::Unknown { reason, retry_after, refused, .. })
                if !step_repeats =>
            {
                self.refused_there(id, refused, &reason);
                self.unknown_once(id, attempt, side, retry_after, reason);
            }

            // An attempt that was in flight when the saga failed: it counts, and nothing follows it.
            (Op::Action, Status::Compensating, _, Outcome::Unusable { .. }) => {
                self.fail_step(id, FailedStep::Unusable);
            }
            (Op::Action, Status::Compensating, _, Outcome::Rejected { .. }) => {
                self.fail_step(id, rejected_or_unresolved(may_have_happened));
            }
            (Op::Action, Status::Compensating, _, Outcome::NotSent { .. }) => self.fail_step_in_doubt(id),
            (Op::Action, Status::Compensating, _, Outcome::Unknown { reason, refused, .. }) => {
                self.refused_there(id, refused, &reason);
                self.fail_step_in_doubt(id);
            }

            // Before the pivot: the step fails. *Unknown* is sticky: a later no does not clear it.
            (Op::Action, _, Side::Before, Outcome::Unusable { reason, .. }) => {
                self.fail(id, FailedStep::Unusable, Failure::Unusable, reason);
            }
            (Op::Action, _, Side::Before, Outcome::Rejected { reason, .. }) => {
                self.fail(id, rejected_or_unresolved(may_have_happened), Failure::Rejected, reason);
            }
            (Op::Action, _, Side::Before, Outcome::NotSent { reason }) => {
                self.retry_or_fail(id, attempt, None, reason);
            }
            (Op::Action, _, Side::Before, Outcome::Unknown { reason, retry_after, refused, .. }) => {
                self.refused_there(id, refused, &reason);
                self.retry_or_fail(id, attempt, retry_after, reason);
            }

            // The pivot: a no is final if nothing may have happened, or if the participant's barrier stands behind it.
            (Op::Action, _, Side::Pivot, Outcome::Rejected { acked, reason, .. }) => {
                if acked || !may_have_happened {
                    self.fail(id, FailedStep::Rejected, Failure::Rejected, reason);
                } else {
                    self.attention(id, AttentionReason::RejectedAfterUnknown, reason);
                    self.ask_after_rejection(id, attempt);
                }
            }
            (Op::Action, _, Side::Pivot, Outcome::NotSent { reason }) if !may_have_happened => {
                self.retry_or_fail(id, attempt, None, reason);
            }

            // From the pivot on: asked again until it is known; what cannot be asked again waits for an operator.
            (Op::Action, _, Side::After, Outcome::Rejected { reason, .. }) => {
                self.attention(id, AttentionReason::Rejected, reason);
            }
            (Op::Action, _, Side::Pivot | Side::After, Outcome::Unusable { reason, .. }) => {
                self.attention(id, AttentionReason::Unusable, reason);
            }
            (Op::Action, _, Side::Pivot | Side::After, Outcome::NotSent { reason }) => {
                self.retry_until_done(id, attempt, None, reason);
            }
            (Op::Action, _, Side::Pivot | Side::After, Outcome::Unknown { reason, retry_after, refused, .. }) => {
                self.refused_there(id, refused, &reason);
                self.retry_until_done(id, attempt, retry_after, reason);
            }
        }
    }

    pub(super) fn refused_there(&mut self, id: &CallId, refused: Option<RefusedThere>, detail: &str) {
        let reason = match refused {
            None => return,
            Some(RefusedThere::StaleEpoch) => AttentionReason::StaleEpoch,
            Some(RefusedThere::OtherBody) => AttentionReason::OtherBody,
        };
        self.attention(id, reason, detail.to_owned());
    }

    /// A repeated complaint is no news; but what halts a call halts it every time.
    pub(super) fn attention(&mut self, id: &CallId, reason: AttentionReason, detail: String) {
        if reason.halts() || self.state.attention.get(id) != Some(&reason) {
            self.push(Event::AttentionRaised { call: id.clone(), reason, detail });
        }
    }

    pub(super) fn retry_or_fail(&mut self, id: &CallId, attempt: u32, retry_after: Option<Duration>, reason: String) {
        let retry = self.retry_policy(id);
        if retry.attempts.is_none_or(|most| attempt < most) {
            let due_at = self.now + retry::wait(&retry, self.state.saga, id, attempt, retry_after, false);
            self.again(id, due_at);
        } else {
            let how = self.never_sent_or_unresolved(id);
            self.fail(id, how, Failure::AttemptsExhausted, format!("{attempt} attempts; the last one: {reason}"));
        }
    }

    pub(super) fn retry_until_done(
        &mut self,
        id: &CallId,
        attempt: u32,
        retry_after: Option<Duration>,
        reason: String,
    ) {
        let retry = self.retry_policy(id);
        let past = retry.attempts.is_some_and(|most| attempt >= most);
        if past && !self.state.attention.contains_key(id) {
            let detail = format!("{attempt} attempts; the last one: {reason}");
            self.attention(id, AttentionReason::AttemptsExhausted, detail);
        }
        let due_at = self.now + retry::wait(&retry, self.state.saga, id, attempt, retry_after, past);
        self.again(id, due_at);
    }

    pub(super) fn retry_policy(&self, id: &CallId) -> Retry {
        let (_, step) = self.definition.step(&id.step).expect("invariant: an open call has a step");
        step.call_of(id.op).map_or(Retry::COMPENSATION, |call| call.retry)
    }

    // ---- failing ----------------------------------------------------------------------------------------------------

    /// The step of this action, or its item, fails, and with it the saga.
    pub(super) fn fail(&mut self, id: &CallId, how: FailedStep, failure: Failure, reason: String) {
        self.fail_step(id, how);
        self.compensate_because(Cause::StepFailed { step: id.step.clone(), index: id.index, failure, reason });
    }

    pub(super) fn fail_step(&mut self, id: &CallId, how: FailedStep) {
        self.push(Event::StepFailed { step: id.step.clone(), index: id.index, how });
    }

    /// Fails a step that got no definite answer.
    pub(super) fn fail_step_in_doubt(&mut self, id: &CallId) {
        let how = self.never_sent_or_unresolved(id);
        self.fail_step(id, how);
    }

    pub(super) fn never_sent_or_unresolved(&self, id: &CallId) -> FailedStep {
        let call = self.state.call(id);
        if call.is_some_and(CallState::in_doubt) { FailedStep::Unresolved } else { FailedStep::NeverSent }
    }
}

fn rejected_or_unresolved(may_have_happened: bool) -> FailedStep {
    if may_have_happened { FailedStep::Unresolved } else { FailedStep::Rejected }
}

fn outcome_event(call: &CallId, attempt: u32, outcome: &Outcome) -> Event {
    let call = call.clone();
    match outcome.clone() {
        Outcome::Success { status, output } => Event::CallSucceeded { call, attempt, status, output: Arc::new(output) },
        Outcome::Unusable { status, reason } => Event::CallUnusable { call, attempt, status, reason },
        Outcome::Rejected { status, acked, reason } => Event::CallRejected { call, attempt, status, acked, reason },
        Outcome::NotSent { reason } => Event::CallNotSent { call, attempt, reason },
        Outcome::Unknown { status, reason, .. } => Event::CallUnknown { call, attempt, status, reason },
    }
}
