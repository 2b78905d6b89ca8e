//! How locks are taken: in their order, before anything else.

use crate::{event::Event, ids::LockName, state::State, time::Time};

/// Nothing of the forward path begins without them. What came for the saga from outside is kept all the same.
pub(super) fn needs_locks(event: &Event) -> bool {
    match event {
        Event::CallIntended { .. }
        | Event::CallRefused { .. }
        | Event::ItemsListed { .. }
        | Event::StepSkipped { .. }
        | Event::StepRefused { .. }
        | Event::SleepStarted { .. }
        | Event::AwaitStarted { .. }
        | Event::SagaCompleted { .. } => true,
        // Of the others none begins anything.
        _ => false,
    }
}

pub(super) fn queued(state: &mut State, lock: &LockName, arrived_at: Time, at: Time) -> Result<(), &'static str> {
    if state.next_lock() != Some(lock) {
        return Err("locks are taken in their order");
    }
    match state.locks.queued.replace((arrived_at, at)) {
        None => Ok(()),
        Some(_) => Err("it waits for this lock already"),
    }
}

pub(super) fn taken(state: &mut State, lock: &LockName) -> Result<(), &'static str> {
    if state.next_lock() != Some(lock) {
        return Err("locks are taken in their order");
    }
    state.locks.queued = None;
    state.locks.taken += 1;
    Ok(())
}
