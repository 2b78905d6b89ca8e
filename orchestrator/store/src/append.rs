//! What is true of every append and every batch, whichever side writes it.

use std::{collections::HashMap, hash::Hash};

use amends_core::time::Time;
use uuid::Uuid;

use crate::{Append, AppendError, StoreError};

/// Numbers in the databases are signed: sequence numbers, epochs and versions above this do not exist.
pub(crate) const NUMBER_MAX: u64 = i64::MAX as u64;

impl Append {
    /// Refuses what must not reach a database: one broken append fails alone, because inside a batch it would break its
    /// neighbours too.
    pub(crate) fn check(&self) -> Result<(), AppendError> {
        let broken = |what: &str| {
            Err(StoreError::Corrupt { reason: format!("append to saga {} was not written: {what}", self.saga) }.into())
        };
        let Some(first) = self.events.first() else { return broken("it has no events") };
        if self.events.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq)) {
            return broken("its events are not dense");
        }
        if self.events.iter().any(|event| event.epoch != self.epoch) {
            return broken("an event carries another epoch than its append");
        }
        if self.create.is_some() != (first.seq == 1) {
            return broken("a saga is made by its first event and by no other");
        }
        if self.create.is_some() && self.epoch != 1 {
            return broken("the first epoch is 1");
        }
        if first.seq < 1 || self.epoch < 1 || self.epoch >= NUMBER_MAX || self.next_seq() > NUMBER_MAX {
            return broken("a number is out of range");
        }
        if self.summary.ended_at.is_some() != self.summary.status.is_terminal() {
            return broken("a saga has an end if and only if its status is terminal");
        }
        Ok(())
    }

    /// Why this append, which just wrote nothing, did not. `Ok` when it was made before and its answer was lost.
    pub(crate) fn judge(&self, standing: Option<&Standing>) -> Result<(), AppendError> {
        match standing {
            Some(it) if it.last_commit == self.commit && it.next_seq == self.next_seq() => Ok(()),
            Some(_) if self.create.is_some() => Err(AppendError::Exists),
            // A saga of nobody was let go by the holder of this very epoch: it must claim the next one first.
            Some(it) if it.epoch != self.epoch || !it.owned => Err(AppendError::Fenced),
            // Nothing else keeps a saga from being made.
            None if self.create.is_some() => Err(AppendError::Deleted),
            Some(_) | None => Err(AppendError::Conflict),
        }
    }

    /// `seq` of the first event. Holds after [`Append::check`].
    pub(crate) fn expected_seq(&self) -> u64 {
        self.events.first().expect("invariant: a checked append has events").seq
    }

    /// One above the last event.
    pub(crate) fn next_seq(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq.saturating_add(1))
    }

    /// Whether the saga has ended with it, or is nobody's.
    pub(crate) fn leaves(&self) -> bool {
        self.release || self.summary.ended_at.is_some()
    }

    /// When nobody's saga is due, for its row.
    pub(crate) fn asleep_until(&self) -> Option<Time> {
        if self.release { self.summary.wake_at } else { None }
    }

    /// `at` of the first event: for a create, when the saga started.
    pub(crate) fn first_at(&self) -> Time {
        self.events.first().expect("invariant: a checked append has events").at
    }

    /// `at` of the last event.
    pub(crate) fn last_at(&self) -> Time {
        self.events.last().expect("invariant: a checked append has events").at
    }
}

/// The least text above every one that begins with `prefix`, by bytes; `None`: there is none.
pub(crate) fn beyond(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // A text of Unicode is in the order of its bytes if it is in that of its characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// Where a saga stands: what an append is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) epoch: u64,
    pub(crate) owned: bool,
    pub(crate) next_seq: u64,
    pub(crate) last_commit: Uuid,
}

/// Deals `items` out so that no round has two of one key and those of one key keep their order. One statement over many
/// rows then means the same as one statement after the other. Nearly always there is one round.
pub(crate) fn rounds<T, K: Hash + Eq>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let mut seen: HashMap<K, usize> = HashMap::new();
    let mut rounds: Vec<Vec<T>> = Vec::new();
    for item in items {
        let times = seen.entry(key(&item)).or_default();
        if rounds.len() == *times {
            rounds.push(Vec::new());
        }
        rounds[*times].push(item);
        *times += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn what_is_beyond_a_prefix_is_above_all_that_begins_with_it() {
        assert_eq!(beyond("account:"), Some("account;".to_owned()));
        assert_eq!(beyond("a\u{d7ff}"), Some("a\u{e000}".to_owned()));
        assert_eq!(beyond("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!((beyond(""), beyond("\u{10ffff}")), (None, None));
    }
}
