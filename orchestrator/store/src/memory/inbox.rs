//! Notes to whoever owns a saga.

use std::sync::Arc;

use amends_core::{ids::SagaId, time::Time};
use uuid::Uuid;

use super::{at_most, rows::Rows};
use crate::{Note, Noted, StoreError, Verdict};

impl Rows {
    pub(super) fn post(&mut self, note: Note) {
        self.inbox.entry((note.saga, note.id)).or_insert((note, None));
    }

    pub(super) fn notes(&self, node: Uuid, limit: u32) -> Vec<Noted> {
        let open = self.inbox.values().filter(|(_, verdict)| verdict.is_none());
        let mut notes: Vec<Noted> = open
            .map(|(note, _)| Noted {
                note: note.clone(),
                head: self.sagas.get(&note.saga).map(|saga| saga.head.clone()),
            })
            .filter(|noted| {
                noted.head.as_ref().is_none_or(|head| {
                    head.owner.is_none_or(|owner| owner == node) || head.summary.status.is_terminal()
                })
            })
            .collect();
        notes.sort_unstable_by_key(|noted| (noted.note.at, noted.note.saga, noted.note.id));
        notes.truncate(at_most(limit));
        notes
    }

    pub(super) fn settle(&mut self, saga: SagaId, epoch: u64, verdicts: &[Verdict]) -> bool {
        // A saga that is not there has no owner who could be passed by.
        let may =
            self.sagas.get(&saga).is_none_or(|saga| saga.head.epoch == epoch || saga.head.summary.status.is_terminal());
        if may {
            self.give_verdicts(saga, verdicts);
        }
        may
    }

    pub(super) fn verdict(&self, saga: SagaId, note: Uuid) -> Result<Option<Arc<str>>, StoreError> {
        match self.inbox.get(&(saga, note)) {
            Some((_, verdict)) => Ok(verdict.clone()),
            None => Err(StoreError::Corrupt { reason: format!("note {note} to saga {saga}: it is not there") }),
        }
    }

    /// Notes that have had a verdict, oldest first.
    pub(super) fn tidy_notes(&mut self, before: Time, limit: u32) -> u64 {
        let answered = self.inbox.values().filter(|(_, verdict)| verdict.is_some());
        let mut old: Vec<(Time, SagaId, Uuid)> =
            answered.filter(|(note, _)| note.at < before).map(|(note, _)| (note.at, note.saga, note.id)).collect();
        old.sort_unstable();
        old.truncate(at_most(limit));
        old.iter().for_each(|(_, saga, note)| drop(self.inbox.remove(&(*saga, *note))));
        old.len() as u64
    }
}
