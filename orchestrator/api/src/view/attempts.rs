//! What was tried: the attempts of every call, from the events.

use std::collections::BTreeMap;

use amends_core::{
    event::{Event, FailedStep, Probed, Recorded},
    ids::{CallId, Op},
    time::Time,
};
use amends_protocol::v1::{AttemptOutcome, AttemptView, ProbeVerdict, ProbeView};

use super::time;

/// Of one attempt; the history has all of them.
const PROBES_SHOWN: usize = 20;

/// What a journal says of each call.
#[derive(Default)]
pub(super) struct Calls {
    seen: BTreeMap<CallId, Seen>,
    raised: BTreeMap<CallId, Raised>,
}

/// One call as far as it came.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) attempts: Vec<AttemptView>,
    pub(super) refused: Option<String>,
}

/// When attention was raised last, and why.
pub(super) struct Raised {
    pub(super) at: Time,
    pub(super) detail: String,
}

impl Calls {
    pub(super) fn read(journal: &[Recorded]) -> Self {
        let mut calls = Self::default();
        for recorded in journal {
            calls.see(recorded.at, &recorded.event);
        }
        calls
    }

    /// A call's attempts, to be put into the view.
    pub(super) fn take(&mut self, id: &CallId) -> Seen {
        self.seen.remove(id).unwrap_or_default()
    }

    pub(super) fn attention(&self, id: &CallId) -> Option<&Raised> {
        self.raised.get(id)
    }

    fn see(&mut self, at: Time, event: &Event) {
        match event {
            Event::CallIntended { call, attempt, due_at, .. } => self.intend(call, *attempt, at, *due_at),
            Event::CallSucceeded { call, attempt, status, .. } => {
                self.end(call, *attempt, at, AttemptOutcome::Success, Some(*status), None);
            }
            Event::CallUnusable { call, attempt, status, reason } => {
                self.end(call, *attempt, at, AttemptOutcome::Unusable, Some(*status), Some(reason));
            }
            Event::CallRejected { call, attempt, status, reason, .. } => {
                self.end(call, *attempt, at, AttemptOutcome::Rejected, Some(*status), Some(reason));
            }
            Event::CallNotSent { call, attempt, reason } => {
                self.end(call, *attempt, at, AttemptOutcome::NotSent, None, Some(reason));
            }
            Event::CallUnknown { call, attempt, status, reason } => {
                self.end(call, *attempt, at, AttemptOutcome::Unknown, *status, Some(reason));
            }
            Event::CallWithdrawn { call, attempt } => {
                self.end(call, *attempt, at, AttemptOutcome::Withdrawn, None, None);
            }
            Event::CallAccepted { call, until, .. } => {
                if let Some(open) = self.last(call) {
                    open.accepted_at = Some(time(at));
                    open.verdict_until = Some(time(*until));
                }
            }
            Event::CallbackReceived { call, .. } => {
                if let Some(open) = self.last(call) {
                    open.called_back = true;
                }
            }
            Event::StepFailed { step, index, how: FailedStep::Unresolved } => {
                let call = CallId { step: step.clone(), index: *index, op: Op::Action };
                let waits = |last: &&mut AttemptView| last.accepted_at.is_some() && last.outcome.is_none();
                if let Some(accepted) = self.last(&call).filter(waits) {
                    accepted.ended_at = Some(time(at));
                    accepted.outcome = Some(AttemptOutcome::Unknown);
                    accepted.detail = Some("accepted, and no verdict came".to_owned());
                }
            }
            Event::CallRefused { call, reason } => {
                self.seen.entry(call.clone()).or_default().refused = Some(reason.clone());
            }
            Event::CallProbed { call, attempt, verdict, status, reason, .. } => {
                let probe = ProbeView {
                    answered_at: time(at),
                    verdict: verdict_of(*verdict),
                    status: *status,
                    detail: reason.clone(),
                };
                let attempts = &mut self.seen.entry(call.clone()).or_default().attempts;
                // What is found out long after is of the attempt that it was asked of; of many the last ones tell the story.
                if let Some(asked) = attempts.last_mut().filter(|last| last.attempt == *attempt) {
                    if asked.probes.len() == PROBES_SHOWN {
                        asked.probes.remove(0);
                    }
                    asked.probes.push(probe);
                }
            }
            Event::AttentionRaised { call, detail, .. } => {
                self.raised.insert(call.clone(), Raised { at, detail: detail.clone() });
            }
            Event::SagaStarted(_)
            | Event::Adopted
            | Event::Released
            | Event::CallPostponed { .. }
            | Event::ProbeIntended { .. }
            | Event::LockQueued { .. }
            | Event::LockTaken { .. }
            | Event::StepSkipped { .. }
            | Event::StepRefused { .. }
            | Event::ItemsListed { .. }
            | Event::SleepStarted { .. }
            | Event::SleepEnded { .. }
            | Event::AwaitStarted { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::StepFailed { .. }
            | Event::CancelRequested { .. }
            | Event::CompensationStarted { .. }
            | Event::ChildIntended { .. }
            | Event::ChildPinned { .. }
            | Event::ChildSucceeded { .. }
            | Event::ChildUnusable { .. }
            | Event::ChildUndoIntended { .. }
            | Event::ChildCompensated { .. }
            | Event::ChildSettled { .. }
            | Event::SagaSucceeded { .. }
            | Event::SettledByParent
            | Event::SagaCompleted { .. }
            | Event::SagaCompensated => {}
        }
    }

    fn last(&mut self, call: &CallId) -> Option<&mut AttemptView> {
        self.seen.get_mut(call)?.attempts.last_mut()
    }

    fn intend(&mut self, call: &CallId, attempt: u32, at: Time, due_at: Time) {
        let seen = self.seen.entry(call.clone()).or_default();
        seen.refused = None;
        seen.attempts.push(AttemptView {
            attempt,
            intended_at: time(at),
            due_at: time(due_at),
            accepted_at: None,
            verdict_until: None,
            called_back: false,
            ended_at: None,
            outcome: None,
            status: None,
            detail: None,
            probes: vec![],
        });
    }

    fn end(
        &mut self,
        call: &CallId,
        attempt: u32,
        at: Time,
        outcome: AttemptOutcome,
        status: Option<u16>,
        detail: Option<&String>,
    ) {
        let attempts = &mut self.seen.entry(call.clone()).or_default().attempts;
        // The journal has been folded before: every outcome belongs to the last attempt that was intended.
        if let Some(open) = attempts.last_mut().filter(|last| last.attempt == attempt) {
            // What a probe found says what came of it; how the attempt itself ended stays told.
            if open.outcome.is_some() {
                return;
            }
            open.ended_at = Some(time(at));
            open.outcome = Some(outcome);
            // A callback has no status.
            open.status = status.filter(|_| !open.called_back);
            open.detail = detail.cloned();
        }
    }
}

fn verdict_of(verdict: Probed) -> ProbeVerdict {
    match verdict {
        Probed::Applied => ProbeVerdict::Applied,
        Probed::NotApplied => ProbeVerdict::NotApplied,
        Probed::NotAppliedYet => ProbeVerdict::NotAppliedYet,
        Probed::InProgress => ProbeVerdict::InProgress,
        Probed::Unknown => ProbeVerdict::Unknown,
    }
}
