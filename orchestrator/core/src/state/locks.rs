//! Locks: what of them is taken, and what comes next. They are taken one at a time in the order of their names and held to the
//! end, so that nobody who waits for a lock holds a later one: there is no circle of sagas that wait for each other.

use std::time::Duration;

use super::State;
use crate::{ids::LockName, summary::Status, time::Time};

/// Of those that the saga was started with, how many are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    /// The first so many.
    pub taken: usize,
    /// Its place in the queue of the next one, and since when it is known that it waits.
    pub queued: Option<(Time, Time)>,
}

/// Between two looks of a saga that sleeps behind others, at least and at most. Whoever ends wakes the next one; this is for the
/// case that he died just then.
const LOOK_FIRST: Duration = Duration::from_secs(60);
const LOOK_MOST: Duration = Duration::from_secs(3600);

impl State {
    /// The lock that it needs next; no step begins before there is none.
    pub fn next_lock(&self) -> Option<&LockName> {
        self.started.locks.get(self.locks.taken).filter(|_| self.status == Status::Running)
    }

    /// Those that it has. What has ended holds nothing.
    pub fn held(&self) -> &[LockName] {
        if self.status.is_terminal() { &[] } else { &self.started.locks[..self.locks.taken] }
    }

    /// When to look by itself, if it needs one: the longer it has waited the later. Of one that has no place yet nobody knows: at once.
    pub(super) fn look_at_lock(&self) -> Option<Time> {
        self.next_lock()?;
        let Some((_, since)) = self.locks.queued else { return Some(self.updated_at) };
        Some(self.updated_at + self.updated_at.since(since).clamp(LOOK_FIRST, LOOK_MOST))
    }
}
