//! What is written down while a scenario is carried out: for whoever compares, and for whoever reads the story.

use amends_core::{
    definition::Mark,
    event::{Cause, Event, Recorded},
    ids::{CallId, Op, StepName},
    scenario::{Asked, Ran, Scenario, Sent},
    time::Time,
};

use super::touched::Touch;
use crate::story::{self, AMENDS, Line};

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Moment {
    pub line: Line,
    /// Which requests of which step it is about; nobody's: it is about the saga.
    pub about: Option<(String, Option<Asked>)>,
}

#[derive(Default)]
pub(super) struct Seen {
    /// As far as it can be told on the way.
    pub(super) ran: Ran,
    pub(super) moments: Vec<Moment>,
    pub(super) touched: Vec<Touch>,
    /// Whom somebody was asked to look at.
    attention: Vec<String>,
}

impl Seen {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let ran = Ran {
            befell: vec![0; scenario.faults.len()],
            accepted: vec![false; scenario.callbacks.len()],
            ..Ran::default()
        };
        Self { ran, ..Self::default() }
    }

    pub(super) fn tell(&mut self, line: Line, about: Option<(String, Option<Asked>)>) {
        self.moments.push(Moment { line, about });
    }

    pub(super) fn sent(&mut self, sent: Sent) {
        self.ran.requests.push(sent);
    }

    pub(super) fn touch(&mut self, touch: Touch) {
        self.touched.push(touch);
    }

    pub(super) fn could_not(&mut self, at: Mark, why: String) {
        self.ran.could_not.push((at, why));
    }

    pub(super) fn attention(&mut self, what: &str) {
        self.attention.push(what.to_owned());
    }

    /// Why a saga has not ended.
    pub(super) fn why_it_waits(&self) -> String {
        self.attention.first().cloned().unwrap_or_else(|| "nothing happens any more".to_owned())
    }
}

/// What an event says to people; `whose`: the name of the saga, if it is a child. `None`: it is told by what happens around it.
pub fn moment(recorded: &Recorded, begun: Time, whose: Option<&str>) -> Option<Moment> {
    let text = story::event(&recorded.event)?;
    let text = whose.map_or_else(|| text.clone(), |whose| format!("{whose}: {text}"));
    let at_ms = u64::try_from(recorded.at.since(begun).as_millis()).unwrap_or(u64::MAX);
    let line = Line { at_ms, saga: None, from: AMENDS.to_owned(), to: None, text, fault: false, journal: true };
    Some(Moment { line, about: about(&recorded.event) })
}

/// Whom an event is about.
fn about(event: &Event) -> Option<(String, Option<Asked>)> {
    let of_call = |call: &CallId| {
        let of = if call.op == Op::Action { Asked::Action } else { Asked::Compensate };
        Some((call.step.to_string(), Some(of)))
    };
    let of_step = |step: &StepName| Some((step.to_string(), None));
    match event {
        Event::CallAccepted { call, .. }
        | Event::CallSucceeded { call, .. }
        | Event::CallUnusable { call, .. }
        | Event::CallRejected { call, .. }
        | Event::CallNotSent { call, .. }
        | Event::CallUnknown { call, .. }
        | Event::CallWithdrawn { call, .. }
        | Event::CallRefused { call, .. }
        | Event::ChildIntended { call, .. }
        | Event::ChildSucceeded { call, .. }
        | Event::ChildUnusable { call, .. }
        | Event::ChildUndoIntended { call, .. }
        | Event::ChildCompensated { call, .. }
        | Event::AttentionRaised { call, .. } => of_call(call),
        Event::CallProbed { call, .. } => Some((call.step.to_string(), Some(Asked::Probe))),
        Event::StepSkipped { step }
        | Event::StepRefused { step, .. }
        | Event::SleepStarted { step, .. }
        | Event::SleepEnded { step }
        | Event::AwaitStarted { step, .. }
        | Event::SignalTaken { step, .. }
        | Event::ItemsListed { step, .. }
        | Event::StepFailed { step, .. }
        | Event::CompensationStarted { cause: Cause::StepFailed { step, .. } } => of_step(step),
        _ => None,
    }
}
