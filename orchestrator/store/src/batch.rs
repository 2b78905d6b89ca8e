//! The index of what the world hears of: which transaction brought which turns of which sagas.
//!
//! Why it exists: journals have no order over all sagas, and must not get one. A writer commits one transaction after another, so its
//! numbers are in order and have no holes; a place in the stream is one number per writer. Who calls it: each side, in its commit.
//!
//! **What it must never know:** what an event says. It points into journals.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use amends_core::{Lifecycle, ids::SagaId, time::Time};
use uuid::Uuid;

use crate::{Append, StoreError};

/// A writer that has written nothing for so long is another one from then on: its rows may be gone and forgotten, and who sees a
/// number without those below it thinks that he has missed them.
const SAME_WRITER_FOR_US: i64 = 3_600_000_000;

/// How long it is known that batches were dropped, and up to where. A place that was given out longer ago cannot tell whether
/// something is missing.
pub const DROPPED_REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// A transaction that brought turns of sagas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub writer: Uuid,
    /// Dense from 1 within its writer.
    pub number: u64,
    /// Rises within a writer, and from writer to writer with the sagas that go from one to the other.
    pub at: Time,
    pub turns: Vec<Turn>,
}

/// Where in which journal a turn of a saga stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    pub saga: SagaId,
    pub seq: u64,
    /// It is that nobody has to look at the saga any more after this event, and not what the event is by itself.
    pub attention_cleared: bool,
}

/// A place in the stream: of each writer the last number that has been passed. Of a writer that is not in it none was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(pub BTreeMap<Uuid, u64>);

impl Places {
    /// The last number of this writer that has been passed.
    pub fn of(&self, writer: Uuid) -> u64 {
        self.0.get(&writer).copied().unwrap_or(0)
    }

    /// Passes it, and all that its writer wrote before.
    pub fn pass(&mut self, batch: &Batch) {
        let number = self.0.entry(batch.writer).or_default();
        *number = batch.number.max(*number);
    }

    /// For a database or a cursor.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 18);
        for (writer, number) in &self.0 {
            bytes.extend_from_slice(writer.as_bytes());
            push_number(&mut bytes, *number);
        }
        bytes
    }

    /// What [`Places::to_bytes`] made; `None`: it did not make this.
    pub fn of_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut places = BTreeMap::new();
        while !bytes.is_empty() {
            let (writer, number) = pair(&mut bytes)?;
            places.insert(writer, number);
        }
        Some(Self(places))
    }
}

/// The turns that an append brings, as bytes; `into` stays as it is if there are none.
pub(crate) fn push_turns(append: &Append, into: &mut Vec<u8>) {
    for event in &append.events {
        let mut push = |attention_cleared: bool| {
            into.extend_from_slice(append.saga.0.as_bytes());
            // A seq is signed in the databases: there is room for one more bit.
            push_number(into, event.seq << 1 | u64::from(attention_cleared));
        };
        if append.attention_cleared == Some(event.seq) {
            push(true);
        }
        if Lifecycle::of(&event.event).is_some() {
            push(false);
        }
    }
}

/// The turns that a batch names.
pub(crate) fn turns(writer: Uuid, number: u64, mut entries: &[u8]) -> Result<Vec<Turn>, StoreError> {
    let corrupt =
        || StoreError::Corrupt { reason: format!("batch {number} of writer {writer}: its entries are cut off") };
    let mut turns = Vec::with_capacity(entries.len() / 17);
    while !entries.is_empty() {
        let (saga, number) = pair(&mut entries).ok_or_else(corrupt)?;
        turns.push(Turn { saga: SagaId(saga), seq: number >> 1, attention_cleared: number & 1 == 1 });
    }
    Ok(turns)
}

fn pair(bytes: &mut &[u8]) -> Option<(Uuid, u64)> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    *bytes = rest;
    Some((Uuid::from_bytes(*id), take_number(bytes)?))
}

/// LEB128.
fn push_number(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(u8::try_from(number & 0x7f).expect("invariant: seven bits") | 0x80);
        number >>= 7;
    }
    into.push(u8::try_from(number).expect("invariant: seven bits"));
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// What the next batch of a writer is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) writer: Uuid,
    pub(crate) number: u64,
    pub(crate) at: Time,
}

/// Gives the batches of one writer their numbers. Its callers write one after another.
#[derive(Debug)]
pub(crate) struct Numbering {
    last: Mutex<Last>,
    above: Above,
}

#[derive(Debug)]
struct Last {
    writer: Uuid,
    number: u64,
    at: i64,
    /// The next number may have been used: nobody has said.
    in_doubt: bool,
}

/// The highest time of a batch that may have come before, whoever wrote it: shared by the writers of a process.
#[derive(Clone, Debug)]
pub(crate) struct Above(Arc<AtomicI64>);

impl Default for Above {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }
}

impl Above {
    /// Batches from here on are above `at`.
    pub(crate) fn lift(&self, at: Time) {
        self.0.fetch_max(at.0, Ordering::AcqRel);
    }
}

impl Numbering {
    pub(crate) fn above(above: Above) -> Self {
        let last = Last { writer: Uuid::new_v4(), number: 0, at: i64::MIN, in_doubt: false };
        Self { last: Mutex::new(last), above }
    }

    /// The name of the batch to be written next, whose last event is of `at`. Unless one of the others is called before it is asked
    /// again, whether it was written is in doubt, and a new writer takes over: numbers stay dense.
    pub(crate) fn next(&self, at: Time) -> Numbered {
        let mut last = self.last();
        let above = self.above.0.load(Ordering::Acquire);
        let at = at.0.max(last.at.saturating_add(1)).max(above.saturating_add(1));
        if last.in_doubt || last.number > 0 && at.saturating_sub(last.at) > SAME_WRITER_FOR_US {
            last.writer = Uuid::new_v4();
            last.number = 0;
        }
        // Also of one that comes to nothing: times need not be dense.
        last.at = at;
        last.in_doubt = true;
        Numbered { writer: last.writer, number: last.number + 1, at: Time(at) }
    }

    /// It was written.
    pub(crate) fn written(&self) {
        let mut last = self.last();
        last.number += 1;
        last.in_doubt = false;
    }

    /// It was not, and will not be.
    pub(crate) fn unwritten(&self) {
        self.last().in_doubt = false;
    }

    /// Whether those that were said to be written are is not known after all.
    pub(crate) fn doubt(&self) {
        self.last().in_doubt = true;
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().expect("invariant: nothing panics while it holds the numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_come_back_and_what_is_cut_off_is_none() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX];
        let places = Places(numbers.iter().map(|number| (Uuid::new_v4(), *number)).collect());
        let bytes = places.to_bytes();
        assert_eq!(Places::of_bytes(&bytes), Some(places));
        for end in 1..17 {
            assert_eq!(Places::of_bytes(&bytes[..end]), None, "{end}");
        }
        let too_large = [&[7; 16][..], &[0xff; 9], &[0x02]].concat();
        assert_eq!(Places::of_bytes(&too_large), None);
        assert_eq!(Places::of_bytes(&[&[7; 16][..], &[0x80; 10]].concat()), None);
    }

    #[test]
    fn a_number_whose_use_is_in_doubt_is_the_last_of_its_writer() {
        let numbering = Numbering::above(Above::default());
        let first = numbering.next(Time(5));
        numbering.written();
        let second = numbering.next(Time(5));
        numbering.unwritten();
        let again = numbering.next(Time(1));
        assert_eq!((first.number, second.number, again.number), (1, 2, 2));
        assert_eq!((second.writer, again.writer), (first.writer, first.writer));
        assert!(first.at < second.at && second.at < again.at);
        let other = numbering.next(Time(1));
        assert_ne!(other.writer, again.writer);
        assert_eq!(other.number, 1);
        assert!(other.at > again.at);
    }

    #[test]
    fn times_are_above_all_that_was_heard_of_and_a_long_pause_makes_another_writer() {
        let above = Above::default();
        let numbering = Numbering::above(above.clone());
        above.lift(Time(1000));
        let first = numbering.next(Time(7));
        numbering.written();
        assert_eq!(first.at, Time(1001));
        above.lift(Time(10));
        assert_eq!(numbering.next(Time(7)).at, Time(1002));
        numbering.written();
        let later = numbering.next(Time(1003 + SAME_WRITER_FOR_US));
        assert_ne!(later.writer, first.writer);
        assert_eq!(later.number, 1);
    }
}
