//! The queues of locks.

use std::collections::BTreeMap;

use amends_core::{
    ids::{LockName, SagaId},
    time::Time,
};

use super::{at_most, rows::Rows};
use crate::{HeldLock, Place, Queued};

#[derive(Debug, Default)]
pub(super) struct Locks {
    last_arrivals: BTreeMap<LockName, Time>,
    places: BTreeMap<LockName, BTreeMap<SagaId, Time>>,
}

impl Rows {
    pub(super) fn enqueue(&mut self, lock: &LockName, saga: SagaId, at: Time) -> Place {
        let Locks { last_arrivals, places } = &mut self.locks;
        let queue = places.entry(lock.clone()).or_default();
        let arrived_at = *queue.entry(saga).or_insert_with(|| {
            let last = last_arrivals.entry(lock.clone()).or_insert(Time(i64::MIN));
            *last = at.max(Time(last.0 + 1));
            *last
        });
        let queue = &self.locks.places[lock];
        let before = queue.iter().filter(|(_, place)| **place < arrived_at);
        let first = !before.map(|(other, _)| *other).any(|other| self.lives(other));
        Place { arrived_at, first }
    }

    pub(super) fn lock_queue(&self, lock: &LockName, after: Option<Time>, limit: u32) -> Vec<Queued> {
        let places = self.locks.places.get(lock).into_iter().flatten();
        let mut queued: Vec<Queued> = places
            .filter(|(saga, place)| self.lives(**saga) && after.is_none_or(|after| **place > after))
            .map(|(saga, place)| {
                let head = &self.sagas[saga].head;
                Queued { saga: *saga, name: head.name.clone(), status: head.summary.status, arrived_at: *place }
            })
            .collect();
        queued.sort_unstable_by_key(|queued| queued.arrived_at);
        queued.truncate(at_most(limit));
        queued
    }

    pub(super) fn held_locks(&self, prefix: &str, after: Option<&LockName>, limit: u32) -> Vec<HeldLock> {
        let wanted = self
            .locks
            .places
            .keys()
            .filter(|lock| lock.as_str().starts_with(prefix) && after.is_none_or(|after| after < *lock));
        let held = wanted.filter_map(|lock| {
            let queue = self.lock_queue(lock, None, u32::MAX);
            let waiting = queue.len().saturating_sub(1) as u64;
            queue.into_iter().next().map(|holder| HeldLock { lock: lock.clone(), holder, waiting })
        });
        held.take(at_most(limit)).collect()
    }

    pub(super) fn leave_queues(&mut self, saga: SagaId, locks: &[LockName]) {
        if !self.lives(saga) {
            for lock in locks {
                self.locks.places.get_mut(lock).map(|queue| queue.remove(&saga));
            }
        }
    }

    pub(super) fn tidy_locks(&mut self, before: Time, limit: u32) -> u64 {
        let mut dead: Vec<(Time, LockName, SagaId)> = Vec::new();
        for (lock, queue) in &self.locks.places {
            let old = queue.iter().filter(|(saga, place)| **place < before && !self.lives(**saga));
            dead.extend(old.map(|(saga, place)| (*place, lock.clone(), *saga)));
        }
        dead.sort_unstable();
        dead.truncate(at_most(limit));
        for (_, lock, saga) in &dead {
            self.locks.places.get_mut(lock).map(|queue| queue.remove(saga));
        }
        self.locks.places.retain(|_, queue| !queue.is_empty());
        let places = &self.locks.places;
        let over =
            self.locks.last_arrivals.iter().filter(|(lock, last)| **last < before && !places.contains_key(*lock));
        let over: Vec<LockName> = over.map(|(lock, _)| lock.clone()).take(at_most(limit)).collect();
        for lock in &over {
            self.locks.last_arrivals.remove(lock);
        }
        (dead.len() + over.len()) as u64
    }

    fn lives(&self, saga: SagaId) -> bool {
        self.sagas.get(&saga).is_some_and(|saga| !saga.head.summary.status.is_terminal())
    }
}
