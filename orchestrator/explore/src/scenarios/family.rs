//! What a saga owes its children and its parent, carried out: a child is another saga of the same world, and notes take as long as
//! anything on the wire.

use amends_core::{
    Errand, Input, Report, Settlement, begin_with, child_begins, child_may_begin, decide_in_place,
    ids::{CallId, SagaId},
    labels, why_undone,
};

use super::world::{Happens, ON_THE_WIRE, World};

/// Of every definition there is one version here.
const VERSION: u32 = 1;
/// Under which a child is driven: it is made asleep, and taken by whoever has a place for it.
const TAKEN: u64 = 2;

impl World<'_> {
    /// Does it. Answers what the saga learns by it.
    pub(super) fn run_errand(&mut self, saga: SagaId, errand: &Errand) -> Option<Input> {
        match errand {
            Errand::Pin { call } => Some(self.pin(saga, call)),
            Errand::Begin { call } => {
                self.make_child(saga, call);
                None
            }
            // If it is not there it is made, as one that is undone.
            Errand::Undo { call } => {
                if !self.make_child(saga, call) {
                    self.tell(saga, errand, Input::Settled(Settlement::Undo));
                }
                None
            }
            Errand::Settle { call } => {
                self.tell(saga, errand, Input::Settled(Settlement::Complete));
                Some(Input::ChildTold { call: call.clone() })
            }
            Errand::ReportSuccess => {
                let output = self.sagas[&saga].state.output.clone();
                self.report(saga, errand, Report::Succeeded { output });
                None
            }
            Errand::ReportUndone => {
                let reason = why_undone(&self.sagas[&saga].state);
                self.report(saga, errand, Report::Compensated { reason });
                Some(Input::Reported)
            }
        }
    }

    fn pin(&self, saga: SagaId, call: &CallId) -> Input {
        let refused = |reason: String| Input::ChildRefused { call: call.clone(), reason };
        let member = &self.sagas[&saga];
        let Some(child) = member.state.child(call) else { return refused("the step runs no child".to_owned()) };
        let Some(definition) = self.family.known.get(&child.name) else {
            return refused(format!("there is no saga {}", child.name));
        };
        match child_may_begin(&member.definition, &member.state, call, (definition, VERSION), self.now) {
            Ok(()) => {
                Input::ChildPinned { call: call.clone(), version: VERSION, definition: definition.digest.clone() }
            }
            Err(why) => refused(why),
        }
    }

    /// `false`: it was there.
    fn make_child(&mut self, saga: SagaId, call: &CallId) -> bool {
        let member = &self.sagas[&saga];
        let Some(child) = member.state.child(call).filter(|child| !self.sagas.contains_key(&child.saga)) else {
            return false;
        };
        let id = child.saga;
        let (Some(definition), Some(mut with)) = (
            self.family.known.get(&child.name).cloned(),
            child_begins(&member.definition, &member.state, call, VERSION),
        ) else {
            return false;
        };
        // It was looked at when the child was pinned.
        with.labels = labels(&definition, id, &with, self.now).unwrap_or_default();
        let (mut state, begun) = begin_with(&definition, id, with, self.now);
        let mut events = begun.events;
        for input in [Input::Released, Input::Adopted { epoch: TAKEN }] {
            events.extend(decide_in_place(&definition, &mut state, input, self.now).events);
        }
        self.enter(definition, state, &events);
        self.drive(id);
        true
    }

    fn report(&mut self, saga: SagaId, errand: &Errand, report: Report) {
        let Some(parent) = &self.sagas[&saga].state.started.parent else { return };
        let call = parent.call();
        self.tell(saga, errand, Input::ChildReported { call, report });
    }

    fn tell(&mut self, saga: SagaId, errand: &Errand, input: Input) {
        if let Some((to, _)) = errand.letter(&self.sagas[&saga].state) {
            self.later(ON_THE_WIRE, Happens::Told { saga: to, input });
        }
    }
}
