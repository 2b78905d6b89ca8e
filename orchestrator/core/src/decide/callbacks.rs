//! Calls that are accepted now and decided later: the wait for the verdict, its end, and the callback that brings it.
//!
//! **It must never know** what a verdict means for the saga: that is `judge`'s, as for every answer.

use std::time::Duration;

use super::Draft;
use crate::{
    callbacks::{Callback, CanCallBack, can_call_back},
    definition::Side,
    event::{AttentionReason, Event, FailedStep, Failure},
    ids::CallId,
    reply::Terms,
    state::Phase,
    summary::Status,
    time::Time,
};

impl Draft<'_> {
    /// The participant does it later. A saga that failed meanwhile does not wait for that.
    pub(super) fn accepted(&mut self, id: &CallId, attempt: u32, within: Duration) {
        self.push(Event::CallAccepted { call: id.clone(), attempt, until: self.now + within });
        if self.state.status == Status::Compensating {
            self.fail_step(id, FailedStep::Unresolved);
        }
    }

    /// The first verdict decides the call, whatever its attempts come to.
    pub(super) fn called_back(&mut self, callback: Callback, terms: &Terms) {
        if can_call_back(self.definition, self.state, &callback) != CanCallBack::Yes {
            return;
        }
        let Callback { call: id, said } = callback;
        let (Some(call), Some((_, step))) = (self.state.call(&id), self.definition.step(&id.step)) else { return };
        let (Some(of), attempt) = (step.call(), call.attempt) else { return };
        let outcome = said.outcome(of, terms, self.output_bytes(&id.step));
        let (verdict, digest) = (said.verdict(), said.digest());
        self.push(Event::CallbackReceived { call: id.clone(), verdict, digest });
        self.judge(&id, attempt, outcome);
    }

    /// What was accepted and has had its time: before the pivot the step fails, and nobody knows whether it happened; from the
    /// pivot on a person is asked to look, and it goes on waiting.
    pub(super) fn end_acceptances(&mut self) {
        let overdue: Vec<(CallId, Time)> = self
            .state
            .calls()
            .filter_map(|(id, call)| match call.phase {
                Phase::Accepted { until: Some(until) } if until <= self.now => Some((id, until)),
                _ => None,
            })
            .collect();
        for (id, until) in overdue {
            if self.state.status != Status::Running {
                break;
            }
            let why = format!("no verdict came by {}", until.to_rfc3339());
            let side = self.definition.step(&id.step).map_or(Side::Before, |(_, step)| step.side);
            match side {
                Side::Before => self.fail(&id, FailedStep::Unresolved, Failure::TimedOut, why),
                Side::Pivot | Side::After => self.attention(&id, AttentionReason::TimedOut, why),
            }
        }
    }
}
