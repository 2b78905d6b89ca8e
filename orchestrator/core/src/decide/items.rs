//! Steps that call once for each item: the list, whose turn it is, and the way back.
//!
//! Items begin in their order and are undone against it, so many at once as `concurrency` says. One that waits for an operator
//! takes its place all the while.

use super::Draft;
use crate::{
    definition::{Each, Step, limits},
    event::Event,
    ids::{CallId, Op, StepName},
    render,
    state::{Life, StepState},
    summary::Status,
};

impl Draft<'_> {
    /// Evaluates the list, once, and begins with it.
    pub(super) fn list_items(&mut self, step: &Step, each: &Each) {
        match render::items(&each.list, self.state) {
            Ok(items) => {
                self.push(Event::ItemsListed { step: step.name.clone(), items: items.into() });
                self.begin_items(step);
            }
            Err(why) => self.refuse(step, why),
        }
    }

    /// Intends as many items as there are places.
    pub(super) fn begin_items(&mut self, step: &Step) {
        while self.state.status == Status::Running {
            let next = self.next_item(step, Op::Action, |lives| lives.iter().position(Option::is_none));
            let Some(id) = next else { return };
            self.intend(&id, self.now);
        }
    }

    /// The same on the way back.
    pub(super) fn undo_items(&mut self, step: &Step) {
        let owed = |life: &Option<Life>| match life {
            Some(Life::Compensating { .. }) | None => false,
            Some(life) => life.owes_undo(),
        };
        while let Some(id) = self.next_item(step, Op::Compensate, |lives| lives.iter().rposition(owed)) {
            self.intend(&id, self.now);
        }
    }

    /// The next item's call, if there is a place for it.
    fn next_item(&self, step: &Step, op: Op, next: impl Fn(&[Option<Life>]) -> Option<usize>) -> Option<CallId> {
        let Some(StepState::Each(each)) = self.state.step(&step.name) else { return None };
        let places = step.each().map_or(1, |each| each.concurrency);
        let busy = |life: &&Life| life.under_way().is_some_and(|(way, _)| way == op);
        if each.lives.iter().flatten().filter(busy).count() >= places as usize {
            return None;
        }
        let index = u32::try_from(next(&each.lives)?).ok()?;
        Some(CallId { step: step.name.clone(), index: Some(index), op })
    }

    /// The most that a call of this step may give.
    pub(super) fn output_bytes(&self, step: &StepName) -> usize {
        match self.state.step(step) {
            Some(StepState::Each(each)) => {
                limits::OUTPUT_BYTES.min(limits::ITEMS_OUTPUT_BYTES / each.items.len().max(1))
            }
            _ => limits::OUTPUT_BYTES,
        }
    }
}
