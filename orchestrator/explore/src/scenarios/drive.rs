//! What a saga is owed, seen to: as the engine's one loop does it, with a queue in place of time.

use amends_core::{
    Callback, CanCallBack, Command, Input, LockPlace, Said, Terms, can_call_back, decide_in_place,
    event::{Event, FailedStep, Recorded},
    ids::{CallId, Op, SagaId},
    outstanding,
    scenario::Asked,
    summary::Status,
};

use super::{
    seen,
    touched::Touch,
    world::{Happens, World},
};
use crate::{
    model::START,
    steps,
    story::{AMENDS, Line},
};

impl World<'_> {
    /// An input, and everything that follows from it now.
    pub(super) fn input(&mut self, saga: SagaId, input: Input) {
        self.feed(saga, input);
        self.drive(saga);
    }

    pub(super) fn drive(&mut self, saga: SagaId) {
        while let Some(input) = self.hand_out(saga) {
            self.feed(saga, input);
        }
    }

    fn feed(&mut self, saga: SagaId, input: Input) {
        let Some(member) = self.sagas.get_mut(&saga) else { return };
        let decision = decide_in_place(&member.definition, &mut member.state, input, self.now);
        decision.events.iter().for_each(|recorded| self.write(saga, recorded));
    }

    /// Hands out what is owed and not under way. What the saga learns by it at once comes first; then the rest is asked again.
    fn hand_out(&mut self, saga: SagaId) -> Option<Input> {
        let member = self.sagas.get_mut(&saga)?;
        let undoing = member.state.status == Status::Compensating;
        let owed = outstanding(&member.definition, &member.state);
        member.ran.retain(|errand| owed.contains(&Command::Family(errand.clone())));
        for command in owed {
            let member = &self.sagas[&saga];
            match command {
                Command::Finish => return None,
                // Nobody else is there who could have it.
                Command::Lock { lock } => {
                    return Some(Input::LocksAnswered(vec![LockPlace { lock, arrived_at: self.now, held: true }]));
                }
                Command::Family(errand) if member.ran.contains(&errand) => {}
                Command::Family(errand) => {
                    self.sagas.get_mut(&saga)?.ran.push(errand.clone());
                    if let Some(learnt) = self.run_errand(saga, &errand) {
                        return Some(learnt);
                    }
                }
                Command::Wake { at } => self.wake(saga, at),
                Command::Probe { call, attempt, .. } if member.under_way.contains(&(call.clone(), attempt)) => {}
                Command::Probe { call, attempt, due_at } if due_at <= self.now => {
                    self.send(saga, call, attempt, Asked::Probe);
                }
                Command::Probe { due_at, .. } => self.wake(saga, due_at),
                Command::Call { call, attempt, .. } if member.under_way.contains(&(call.clone(), attempt)) => {}
                // The saga failed before this attempt had its turn.
                Command::Call { call, attempt, .. } if undoing && call.op == Op::Action => {
                    return Some(Input::Withdrawn { call, attempt });
                }
                Command::Call { call, attempt, due_at } if due_at <= self.now => {
                    let of = if call.op == Op::Action { Asked::Action } else { Asked::Compensate };
                    self.send(saga, call, attempt, of);
                }
                Command::Call { due_at, .. } => self.wake(saga, due_at),
            }
        }
        None
    }

    fn wake(&mut self, saga: SagaId, at: amends_core::time::Time) {
        let at = at.max(self.now);
        if self.sagas.get_mut(&saga).is_some_and(|member| member.woken.insert(at)) {
            self.at(at, Happens::Wake(saga));
        }
    }

    pub(super) fn called_back(&mut self, saga: SagaId, call: CallId, said: Said) {
        let Some(member) = self.sagas.get(&saga) else { return };
        let callback = Callback { call: call.clone(), said };
        let can = can_call_back(&member.definition, &member.state, &callback);
        let service = self.service_of(saga, &call);
        let told = match (&callback.said, can) {
            (Said::Succeeded { .. }, CanCallBack::Yes) => format!("{} is done", words(&call)),
            (Said::Rejected { reason }, CanCallBack::Yes) => {
                format!("{} is refused in the end: {reason}", words(&call))
            }
            _ => format!("{} is called back, and nobody wants it any more", words(&call)),
        };
        let fault = !matches!((&callback.said, can), (Said::Succeeded { .. }, CanCallBack::Yes));
        let line = Line { fault, ..Line::new(self.now, &service, Some(AMENDS), told) };
        self.seen.tell(line, Some((call.step.to_string(), Some(Asked::Action))));
        if can == CanCallBack::Yes {
            let terms = self.terms_of(saga, &call);
            self.input(saga, Input::CalledBack { callback, terms });
        }
    }

    pub(super) fn service_of(&self, saga: SagaId, call: &CallId) -> String {
        let step = self.sagas.get(&saga).and_then(|member| member.definition.step(&call.step));
        step.and_then(|(_, step)| step.call_of(call.op)).map(|call| call.service.to_string()).unwrap_or_default()
    }

    pub(super) fn terms_of(&self, saga: SagaId, call: &CallId) -> Terms {
        let service = self.service_of(saga, call);
        steps::terms(self.setup.service(&service.as_str().into()))
    }

    /// It is in the journal of this saga now.
    pub(super) fn write(&mut self, saga: SagaId, recorded: &Recorded) {
        let name = self.sagas[&saga].definition.name.clone();
        if let Event::AttentionRaised { call, detail, .. } = &recorded.event {
            self.seen.attention(&format!("{name}: a person is asked to look at {call}: {detail}"));
        }
        if let Event::StepFailed { step, how: FailedStep::TimedOut, .. } = &recorded.event {
            self.seen.touch(Touch::of(&name, step.as_str(), "await", "no signal"));
        }
        let whose = (saga != self.root).then_some(&*name);
        self.seen.moments.extend(seen::moment(recorded, START, whose));
    }
}

/// A step, or an item of it.
pub(super) fn words(call: &CallId) -> String {
    call.index.map_or_else(|| call.step.to_string(), |index| format!("{}[{index}]", call.step))
}
