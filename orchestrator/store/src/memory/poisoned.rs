//! Words about sagas that cannot be read.

use std::collections::BTreeMap;

use amends_core::{ids::SagaId, time::Time};

use super::{at_most, rows::Rows};
use crate::{Head, Poisoned};

/// With the `next_seq` under which each holds.
pub(super) type Words = BTreeMap<SagaId, (u64, Poisoned)>;

impl Rows {
    pub(super) fn poison(&mut self, epoch: u64, mut poisoned: Poisoned) -> bool {
        let Some(saga) = self.sagas.get_mut(&poisoned.saga) else { return false };
        let head = &mut saga.head;
        if head.epoch != epoch || head.summary.ended_at.is_some() {
            return false;
        }
        head.summary.attention = true;
        let next_seq = head.next_seq;
        if let Some((_, before)) = self.poisoned.get(&poisoned.saga).filter(|(before, _)| *before == next_seq) {
            poisoned.since = before.since;
        }
        self.poisoned.insert(poisoned.saga, (next_seq, poisoned));
        true
    }

    pub(super) fn poisoned(&self, saga: SagaId) -> Option<Poisoned> {
        let (next_seq, poisoned) = self.poisoned.get(&saga)?;
        holds(self.sagas.get(&saga).map(|saga| &saga.head), *next_seq).then(|| poisoned.clone())
    }

    pub(super) fn tidy_poisoned(&mut self, before: Time, limit: u32) -> u64 {
        let over = self.poisoned.iter().filter(|(saga, (next_seq, poisoned))| {
            poisoned.since < before && !holds(self.sagas.get(*saga).map(|saga| &saga.head), *next_seq)
        });
        let over: Vec<SagaId> = over.map(|(saga, _)| *saga).take(at_most(limit)).collect();
        over.iter().for_each(|saga| drop(self.poisoned.remove(saga)));
        over.len() as u64
    }
}

/// Nobody has appended since.
fn holds(head: Option<&Head>, next_seq: u64) -> bool {
    head.is_some_and(|head| head.next_seq == next_seq && head.summary.ended_at.is_none())
}
