//! Reads the stream from a place on.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use amends_core::{
    event::{Event, Recorded},
    ids::SagaId,
    time::Time,
};
use amends_protocol::v1::{EventType, EventView};
use amends_store::{Batch, Places, Store, StoreError, Turn};

use crate::{cursor::Cursor, words::word};

/// Transactions read together; each is at most a few kilobytes.
const BATCHES_AT_ONCE: u32 = 16;
/// Events that are read together, which may have an output each: what a reader has in memory.
const TURNS_AT_ONCE: usize = 64;

/// Which events somebody wants; empty means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub saga: Option<SagaId>,
    /// Of definitions.
    pub names: BTreeSet<String>,
    pub types: BTreeSet<EventType>,
}

/// Somebody's place in the stream.
pub struct Reader {
    store: Arc<dyn Store>,
    source: Arc<str>,
    wanted: Wanted,
    places: Places,
    /// Read and not told yet.
    read: VecDeque<Batch>,
    /// How much of the first of them is told.
    begun: usize,
}

/// What came with one transaction, or a part of it.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In order, those that are wanted.
    pub events: Vec<EventView>,
    /// Where each of them stands.
    pub turns: Vec<Turn>,
    /// The place from which everything that was not told yet is told: before the transaction, until it is told to its end.
    pub places: Places,
    /// `at` of the transaction.
    pub at: Time,
    /// Of so many turns the journal is gone, or cannot be read: they are not told.
    pub untold: u64,
    /// Its writer's transactions before it were dropped before they were read here.
    pub missed: bool,
}

/// What somebody who goes on from a place will not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    Nothing,
    /// Something was dropped since, or it is too long ago to tell.
    Something,
}

impl Reader {
    /// Reads from a place on.
    pub fn from(store: Arc<dyn Store>, source: Arc<str>, wanted: Wanted, places: Places) -> Self {
        Self { store, source, wanted, places, read: VecDeque::new(), begun: 0 }
    }

    /// Up to where it has read.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Goes on from a cursor that was given out before.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn resume(
        store: Arc<dyn Store>,
        source: Arc<str>,
        wanted: Wanted,
        cursor: Cursor,
        now: Time,
    ) -> Result<(Self, Missed), StoreError> {
        let dropped = store.dropped().await?;
        let behind = dropped.0.iter().any(|(writer, number)| cursor.places.of(*writer) < *number);
        let missed = if behind || cursor.is_forgotten(now) { Missed::Something } else { Missed::Nothing };
        let mut places = cursor.places;
        for (writer, number) in dropped.0 {
            let place = places.0.entry(writer).or_default();
            *place = number.max(*place);
        }
        Ok((Self::from(store, source, wanted, places), missed))
    }

    /// What comes next; `None`: there is no more at the moment.
    ///
    /// # Errors
    /// The store does not answer; the place stays where it was.
    pub async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        if self.read.is_empty() {
            self.read.extend(self.store.batches(&self.places, BATCHES_AT_ONCE).await?);
        }
        let Some(batch) = self.read.front() else { return Ok(None) };
        let missed = self.begun == 0 && batch.number > self.places.of(batch.writer) + 1;
        let end = batch.turns.len().min(self.begun + TURNS_AT_ONCE);
        let turns: Vec<Turn> = batch.turns[self.begun..end].to_vec();
        let Worded { events, turns, untold } = self.word(turns).await?;
        let batch = &self.read[0];
        let at = batch.at;
        if end == batch.turns.len() {
            self.places.pass(batch);
            self.read.pop_front();
            self.begun = 0;
        } else {
            self.begun = end;
        }
        Ok(Some(Page { events, turns, places: self.places.clone(), at, untold, missed }))
    }

    /// The events of some turns, those that are wanted.
    pub(crate) async fn word(&self, mut turns: Vec<Turn>) -> Result<Worded, StoreError> {
        turns.retain(|turn| self.wanted.saga.is_none_or(|saga| saga == turn.saga));
        let wanted: Vec<(SagaId, u64)> =
            turns.iter().flat_map(|turn| [(turn.saga, 1), (turn.saga, turn.seq)]).collect();
        let rows = self.store.rows(&wanted).await?;
        let mut worded = Worded::default();
        for (turn, rows) in turns.iter().zip(rows.chunks(2)) {
            match self.event(turn, rows) {
                Told::Event(event) => {
                    worded.events.push(*event);
                    worded.turns.push(*turn);
                }
                Told::Unwanted => {}
                Told::Gone => worded.untold += 1,
            }
        }
        Ok(worded)
    }

    fn event(&self, turn: &Turn, rows: &[Result<Option<Recorded>, StoreError>]) -> Told {
        let mut found = Vec::with_capacity(2);
        for row in rows {
            match row {
                Ok(Some(recorded)) => found.push(recorded),
                Ok(None) => return Told::Gone,
                Err(error) => {
                    tracing::error!(saga.id = %turn.saga, %error, "an event cannot be read and is not told");
                    return Told::Gone;
                }
            }
        }
        let [first, recorded] = found[..] else { return Told::Gone };
        let Event::SagaStarted(started) = &first.event else { return Told::Gone };
        if !self.wanted.names.is_empty() && !self.wanted.names.contains(&*started.name) {
            return Told::Unwanted;
        }
        match word(&self.source, turn.saga, started, recorded, turn.attention_cleared) {
            Some(event) if self.wanted.types.is_empty() || self.wanted.types.contains(&event.kind) => {
                Told::Event(Box::new(event))
            }
            Some(_) => Told::Unwanted,
            None => Told::Gone,
        }
    }
}

/// Some turns as events.
#[derive(Default)]
pub(crate) struct Worded {
    pub(crate) events: Vec<EventView>,
    pub(crate) turns: Vec<Turn>,
    pub(crate) untold: u64,
}

enum Told {
    Event(Box<EventView>),
    Unwanted,
    Gone,
}
