//! Actions that must not be sent twice, and what a probe says of them.
//!
//! An attempt that may have left must not be followed by another one before it is known that it was not applied. So its intent
//! is never made ahead: what waits for its turn is *postponed*, and an end of the process in between makes nothing unknown.

use std::time::Duration;

use super::Draft;
use crate::{
    definition::Side,
    event::{AttentionReason, Event, FailedStep, Failure, Probed},
    ids::{CallId, Op},
    probe::{self, Found},
    reply::{Reply, Terms},
    retry,
    state::{Phase, Probing},
    time::Time,
};

impl Draft<'_> {
    /// The next attempt: its intent is made with what is known now, or, if it must be the last one, when it is due.
    pub(super) fn again(&mut self, id: &CallId, due_at: Time) {
        if id.op == Op::Compensate || self.repeats(id) {
            self.intend(id, due_at);
        } else {
            self.push(Event::CallPostponed { call: id.clone(), until: due_at });
        }
    }

    /// Intends what was postponed until now.
    pub(super) fn resume_postponed(&mut self) {
        let now = self.now;
        let due = |phase| matches!(phase, Phase::Postponed { until } if until <= now);
        let due: Vec<CallId> = self.state.calls().filter(|(_, call)| due(call.phase)).map(|(id, _)| id).collect();
        for id in due {
            self.intend(&id, now);
        }
    }

    /// An action that must not be sent twice may have happened.
    pub(super) fn unknown_once(
        &mut self,
        id: &CallId,
        attempt: u32,
        side: Side,
        retry_after: Option<Duration>,
        reason: String,
    ) {
        if self.has_probe(id) {
            return self.ask(id, attempt, retry_after, false);
        }
        match side {
            Side::Before => self.fail(id, FailedStep::Unresolved, Failure::Unresolved, reason),
            Side::Pivot | Side::After => self.attention(id, AttentionReason::Unresolved, reason),
        }
    }

    /// The pivot was rejected by a service whose word does not say whether an attempt before had been applied.
    pub(super) fn ask_after_rejection(&mut self, id: &CallId, attempt: u32) {
        if self.has_probe(id) {
            self.ask(id, attempt, None, true);
        }
    }

    fn ask(&mut self, id: &CallId, attempt: u32, retry_after: Option<Duration>, rejected: bool) {
        let due_at = self.now + retry::wait(&self.retry_policy(id), self.state.saga, id, 1, retry_after, false);
        self.push(Event::ProbeIntended { call: id.clone(), attempt, due_at, rejected });
    }

    /// What a probe said.
    pub(super) fn probed(&mut self, id: &CallId, attempt: u32, asked_at: Time, reply: Reply, terms: &Terms) {
        let asked_after = self.state.call(id).filter(|call| call.attempt == attempt).map(|call| call.phase);
        let (Some(Phase::Probing(probing)), Some((_, step))) = (asked_after, self.definition.step(&id.step)) else {
            return;
        };
        let Some((of, probe)) = step.call().and_then(|of| Some((of, of.probe.as_ref()?))) else { return };
        // No attempt left after `since`, and none that left before can arrive so much later.
        let settled_at = probing.since + probe.settle(of.action.timeout.unwrap_or(terms.timeout));
        match probe::found(of, reply, terms, self.output_bytes(&id.step)) {
            Found::Applied { status, outcome } => {
                self.told(id, attempt, (Probed::Applied, Some(status)), "it was applied".to_owned(), None);
                self.judge(id, attempt, outcome);
            }
            Found::NotApplied { status } if asked_at >= settled_at => {
                let reason = "it was not applied".to_owned();
                self.told(id, attempt, (Probed::NotApplied, Some(status)), reason.clone(), None);
                self.not_applied(id, attempt, step.side, probing, reason);
            }
            Found::NotApplied { status } => {
                let reason = "not applied yet, but what was sent may still arrive".to_owned();
                let wait = retry::wait(&self.retry_policy(id), self.state.saga, id, 1, None, false);
                let again = settled_at.max(self.now + wait);
                self.told(id, attempt, (Probed::NotAppliedYet, Some(status)), reason, Some(again));
            }
            Found::Nothing { verdict, status, reason, retry_after, refused } => {
                self.refused_there(id, refused, &reason);
                self.nothing_known(id, attempt, (step.side, probing), (verdict, status), retry_after, reason);
            }
        }
    }

    /// It may be sent again, and stays among what is undone: a verdict of somebody else clears no doubt of ours.
    fn not_applied(&mut self, id: &CallId, attempt: u32, side: Side, probing: Probing, reason: String) {
        match side {
            _ if probing.rejected => self.fail(id, FailedStep::Rejected, Failure::Rejected, reason),
            Side::Before => self.retry_or_fail(id, attempt, None, reason),
            Side::Pivot | Side::After => self.retry_until_done(id, attempt, None, reason),
        }
    }

    fn nothing_known(
        &mut self,
        id: &CallId,
        attempt: u32,
        (side, probing): (Side, Probing),
        said: (Probed, Option<u16>),
        retry_after: Option<Duration>,
        reason: String,
    ) {
        let retry = self.retry_policy(id);
        let asked = probing.asked.saturating_add(1);
        let past = retry.attempts.is_some_and(|most| asked >= most);
        if past && side == Side::Before {
            self.told(id, attempt, said, reason.clone(), None);
            let why = format!("{asked} probes of attempt {attempt}; the last one: {reason}");
            return self.fail(id, FailedStep::Unresolved, Failure::AttemptsExhausted, why);
        }
        let again = self.now + retry::wait(&retry, self.state.saga, id, asked, retry_after, past);
        self.told(id, attempt, said, reason.clone(), Some(again));
        if past && !self.state.attention.contains_key(id) {
            let detail = format!("{asked} probes of attempt {attempt}; the last one: {reason}");
            self.attention(id, AttentionReason::AttemptsExhausted, detail);
        }
    }

    fn told(
        &mut self,
        id: &CallId,
        attempt: u32,
        (verdict, status): (Probed, Option<u16>),
        reason: String,
        due_at: Option<Time>,
    ) {
        self.push(Event::CallProbed { call: id.clone(), attempt, verdict, status, reason, due_at });
    }

    fn repeats(&self, id: &CallId) -> bool {
        self.definition.step(&id.step).and_then(|(_, step)| step.call()).is_none_or(|call| call.idempotent)
    }

    fn has_probe(&self, id: &CallId) -> bool {
        self.definition.step(&id.step).and_then(|(_, step)| step.call()).is_some_and(|call| call.probe.is_some())
    }
}
