//! What brought turns of sagas, in the order in which it was written.

use std::time::Duration;

use amends_core::time::Time;
use uuid::Uuid;

use super::at_most;
use crate::{
    Batch, Places,
    batch::{Above, Numbering, turns},
};

#[derive(Debug)]
pub(super) struct Batches {
    numbering: Numbering,
    kept: Vec<Batch>,
    /// A writer, up to where its batches were dropped, and when.
    dropped: Vec<(Uuid, u64, Time)>,
}

impl Default for Batches {
    fn default() -> Self {
        Self { numbering: Numbering::above(Above::default()), kept: Vec::new(), dropped: Vec::new() }
    }
}

impl Batches {
    pub(super) fn push(&mut self, at: Time, entries: &[u8]) {
        if entries.is_empty() {
            return;
        }
        let next = self.numbering.next(at);
        let turns = turns(next.writer, next.number, entries).expect("invariant: just written");
        self.kept.push(Batch { writer: next.writer, number: next.number, at: next.at, turns });
        self.numbering.written();
    }

    pub(super) fn beyond(&self, after: &Places, limit: u32) -> Vec<Batch> {
        let beyond = self.kept.iter().filter(|batch| batch.number > after.of(batch.writer));
        beyond.take(at_most(limit)).cloned().collect()
    }

    pub(super) fn places(&self) -> Places {
        let mut places = self.dropped();
        self.kept.iter().for_each(|batch| places.pass(batch));
        places
    }

    pub(super) fn dropped(&self) -> Places {
        Places(self.dropped.iter().map(|(writer, number, _)| (*writer, *number)).collect())
    }

    pub(super) fn drop_before(
        &mut self,
        before: Time,
        passed: Option<&Places>,
        now: Time,
        remember: Duration,
        limit: u32,
    ) -> u64 {
        self.dropped.retain(|(.., at)| *at + remember >= now);
        let may_go =
            |batch: &Batch| batch.at < before && passed.is_none_or(|passed| batch.number <= passed.of(batch.writer));
        let mut number = 0;
        let mut at_most = at_most(limit);
        let (gone, kept) = std::mem::take(&mut self.kept).into_iter().partition(|batch| {
            let goes = at_most > 0 && may_go(batch);
            at_most -= usize::from(goes);
            goes
        });
        self.kept = kept;
        let gone: Vec<Batch> = gone;
        for batch in gone {
            number += 1;
            self.dropped.retain(|(writer, ..)| *writer != batch.writer);
            self.dropped.push((batch.writer, batch.number, now));
        }
        number
    }
}
