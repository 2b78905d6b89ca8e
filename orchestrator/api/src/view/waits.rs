//! What was waited for: the waits of every step, from the events.

use std::collections::BTreeMap;

use amends_core::{
    definition::{Kind, Step, Wait},
    event::{Event, FailedStep, Recorded},
    ids::StepName,
    time::Time,
};
use amends_protocol::v1::{WaitOutcome, WaitView};

use super::time;

/// What a journal says of each wait.
#[derive(Default)]
pub(super) struct Waits(BTreeMap<StepName, Seen>);

struct Seen {
    began_at: Time,
    until: Time,
    ended: Option<(Time, WaitOutcome)>,
}

impl Waits {
    pub(super) fn read(journal: &[Recorded]) -> Self {
        let mut waits = Self::default();
        for recorded in journal {
            waits.see(recorded.at, &recorded.event);
        }
        waits
    }

    /// The step's wait, if it is one that waits.
    pub(super) fn of(&self, step: &Step) -> Option<WaitView> {
        let Kind::Wait(wait) = &step.kind else { return None };
        let signal = match wait {
            Wait::Sleep(_) | Wait::Until(_) => None,
            Wait::Signal(awaited) => Some(awaited.signal.to_string()),
        };
        let seen = self.0.get(&step.name);
        let ended = seen.and_then(|seen| seen.ended);
        Some(WaitView {
            signal,
            began_at: seen.map(|seen| time(seen.began_at)),
            until: seen.map(|seen| time(seen.until)),
            ended_at: ended.map(|(at, _)| time(at)),
            outcome: ended.map(|(_, outcome)| outcome),
        })
    }

    fn see(&mut self, at: Time, event: &Event) {
        match event {
            Event::SleepStarted { step, until } | Event::AwaitStarted { step, until, .. } => {
                self.0.insert(step.clone(), Seen { began_at: at, until: *until, ended: None });
            }
            Event::SleepEnded { step } => self.end(step, at, WaitOutcome::Slept),
            Event::SignalTaken { step, .. } => self.end(step, at, WaitOutcome::Signalled),
            Event::StepFailed { step, how: FailedStep::TimedOut, .. } => self.end(step, at, WaitOutcome::TimedOut),
            Event::StepFailed { step, how: FailedStep::CutShort, .. } => self.end(step, at, WaitOutcome::CutShort),
            _ => {}
        }
    }

    fn end(&mut self, step: &StepName, at: Time, outcome: WaitOutcome) {
        if let Some(seen) = self.0.get_mut(step) {
            seen.ended = Some((at, outcome));
        }
    }
}
