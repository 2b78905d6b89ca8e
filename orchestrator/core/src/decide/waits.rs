//! Waiting: sleeps, awaited signals and their timeouts.
//!
//! Of one name the oldest signal goes to the step that has awaited it longest. A signal that is here wins over a timeout that
//! is seen in the same moment.

use std::sync::Arc;

use serde_json::Value;

use super::Draft;
use crate::{
    definition::{Kind, Side, Step, Wait},
    event::{AttentionReason, Event, FailedStep, Failure},
    ids::{CallId, SignalName, StepName},
    render,
    signals::{self, CanSignal, Signal, can_signal},
    state::Waiting,
    summary::Status,
    time::Time,
};

impl Draft<'_> {
    pub(super) fn begin_wait(&mut self, step: &Step, wait: &Wait) {
        let name = step.name.clone();
        match wait {
            Wait::Sleep(time) => self.push(Event::SleepStarted { step: name, until: self.now + *time }),
            Wait::Until(template) => match render::until(template, self.state, self.now) {
                Ok(until) => self.push(Event::SleepStarted { step: name, until }),
                Err(why) => self.refuse(step, why),
            },
            Wait::Signal(awaited) => {
                let until = self.now + awaited.timeout;
                self.push(Event::AwaitStarted { step: name, signal: awaited.signal.clone(), until });
            }
        }
    }

    /// Ends the waits that have what they waited for. Whether a step is done with that.
    pub(super) fn end_waits(&mut self) -> bool {
        let mut waits: Vec<(StepName, Waiting)> =
            self.state.waits().map(|(step, waiting)| (step.clone(), waiting.clone())).collect();
        waits.sort_by_key(|(_, waiting)| match waiting {
            Waiting::Sleep { .. } => 0,
            Waiting::Signal { since, .. } => *since,
        });
        let mut done = false;
        for (step, waiting) in waits {
            if self.state.status != Status::Running {
                break;
            }
            match waiting {
                Waiting::Sleep { until } if until <= self.now => {
                    self.push(Event::SleepEnded { step });
                    done = true;
                }
                Waiting::Signal { signal, .. } if self.state.kept(&signal).is_some() => {
                    self.take(step, signal);
                    done = true;
                }
                Waiting::Signal { signal, until: Some(until), .. } if until <= self.now => {
                    self.wait_timed_out(&step, &signal, until);
                }
                Waiting::Sleep { .. } | Waiting::Signal { .. } => {}
            }
        }
        done
    }

    fn take(&mut self, step: StepName, signal: SignalName) {
        let payload = self.state.kept(&signal).cloned().unwrap_or_default();
        let output = match self.definition.step(&step).map(|(_, step)| &step.kind) {
            // Whether it can be computed was looked at when the signal came.
            Some(Kind::Wait(Wait::Signal(awaited))) => signals::output(awaited, &payload).unwrap_or(Value::Null),
            _ => Value::Null,
        };
        self.push(Event::SignalTaken { step, signal, output: Arc::new(output) });
    }

    fn wait_timed_out(&mut self, step: &StepName, signal: &SignalName, until: Time) {
        let why = format!("no signal `{signal}` came by {}", until.to_rfc3339());
        let side = self.definition.step(step).map_or(Side::Before, |(_, step)| step.side);
        match side {
            Side::Before => self.fail(&CallId::action(step), FailedStep::TimedOut, Failure::TimedOut, why),
            Side::Pivot | Side::After => self.attention(&CallId::action(step), AttentionReason::TimedOut, why),
        }
    }

    pub(super) fn cut_waits_short(&mut self) {
        let waits: Vec<StepName> = self.state.waits().map(|(step, _)| step.clone()).collect();
        for step in waits {
            self.fail_step(&CallId::action(&step), FailedStep::CutShort);
        }
    }

    pub(super) fn signalled(&mut self, signal: Signal) {
        if can_signal(self.definition, self.state, &signal) == CanSignal::Yes {
            let Signal { name, key, payload } = signal;
            self.push(Event::SignalReceived { signal: name, key, payload });
        }
    }
}
