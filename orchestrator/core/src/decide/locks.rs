//! Locks: what their queues say becomes part of the journal.

use super::Draft;
use crate::{event::Event, ids::LockName, time::Time};

/// Where a saga stands in the queue of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockPlace {
    pub lock: LockName,
    /// Its place: who has a lower one comes before.
    pub arrived_at: Time,
    /// Nobody who comes before lives, and nobody will ever again come before: the lock is this saga's until its end.
    pub held: bool,
}

impl Draft<'_> {
    /// Answers about any other lock than the next one are late and mean nothing.
    pub(super) fn locks_answered(&mut self, places: Vec<LockPlace>) {
        for LockPlace { lock, arrived_at, held } in places {
            let waits = self.state.locks.queued.is_some();
            match self.state.next_lock() {
                Some(next) if *next == lock && held => self.push(Event::LockTaken { lock, arrived_at }),
                Some(next) if *next == lock && !waits => self.push(Event::LockQueued { lock, arrived_at }),
                Some(_) | None => {}
            }
        }
    }
}
