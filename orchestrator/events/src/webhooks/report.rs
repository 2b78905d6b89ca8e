//! How it goes with a webhook: what the store keeps of it and does not read.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use amends_core::{ids::SagaId, time::Time};
use amends_store::{StoreError, Subscription, Turn};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Of so many sagas an event may wait to be told again, and so many events in all, before nothing new is told: they are written down
/// with each progress.
const BLOCKED_SAGAS_MAX: usize = 64;
const BLOCKED_EVENTS_MAX: usize = 1024;

/// From failure to failure of one saga it is waited longer.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_MOST: Duration = Duration::from_secs(60);
/// A receiver may ask for more, but not for any time.
const AGAIN_AFTER_MOST: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Report {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) missed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_delivered_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_error: Option<LastError>,
    /// Passed by its places, and not told yet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) blocked: BTreeMap<Uuid, Blocked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expired_at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastError {
    pub(super) at: Time,
    pub(super) event: String,
    pub(super) reason: String,
}

/// A saga whose next event could not be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Blocked {
    /// In order: seq, and whether it is that attention ended there.
    pub(super) turns: Vec<(u64, bool)>,
    /// `at` of the transaction of the first.
    pub(super) since: Time,
    /// In a row, of the first.
    pub(super) failures: u32,
    pub(super) again_at: Time,
}

impl Report {
    pub(super) fn parse(one: &Subscription) -> Result<Self, StoreError> {
        serde_json::from_str(&one.told.report)
            .map_err(|error| StoreError::Corrupt { reason: format!("webhook {}: its report: {error}", one.id) })
    }

    pub(super) fn to_text(&self) -> Arc<str> {
        serde_json::to_string(self).expect("invariant: a report can be written").into()
    }

    /// Nothing new is told until something that is blocked has been.
    pub(super) fn is_full(&self) -> bool {
        self.blocked.len() >= BLOCKED_SAGAS_MAX || self.blocked_events() >= BLOCKED_EVENTS_MAX
    }

    pub(super) fn blocked_events(&self) -> usize {
        self.blocked.values().map(|blocked| blocked.turns.len()).sum()
    }

    /// These come after what is blocked of their saga, if something is, and wait as well.
    pub(super) fn block(&mut self, turns: &[Turn], since: Time) {
        for turn in turns {
            let blocked = self.blocked.entry(turn.saga.0).or_insert(Blocked {
                turns: Vec::new(),
                since,
                failures: 0,
                again_at: Time(i64::MIN),
            });
            // A transaction that was told in part is read again after a crash.
            let place = (turn.seq, turn.attention_cleared);
            if !blocked.turns.contains(&place) {
                blocked.turns.push(place);
            }
        }
    }

    /// The first `told` of what is blocked of a saga were told.
    pub(super) fn unblock(&mut self, saga: SagaId, told: usize) {
        if let Some(blocked) = self.blocked.get_mut(&saga.0) {
            blocked.turns.drain(..told.min(blocked.turns.len()));
            if told > 0 {
                blocked.failures = 0;
            }
            if blocked.turns.is_empty() {
                self.blocked.remove(&saga.0);
            }
        }
    }

    /// The first that is blocked of a saga could not be told once more.
    pub(super) fn failed(&mut self, saga: SagaId, event: &str, reason: &str, after: Option<Duration>, now: Time) {
        self.failed += 1;
        self.last_error = Some(LastError { at: now, event: event.to_owned(), reason: reason.to_owned() });
        if let Some(blocked) = self.blocked.get_mut(&saga.0) {
            let longer = AGAIN_FIRST.saturating_mul(1 << blocked.failures.min(16)).min(AGAIN_MOST);
            blocked.failures = blocked.failures.saturating_add(1);
            blocked.again_at = now + after.unwrap_or(longer).min(AGAIN_AFTER_MOST);
        }
    }

    /// The sagas that are due to be told again.
    pub(super) fn due(&self, now: Time) -> Vec<(SagaId, Vec<Turn>)> {
        let due = self.blocked.iter().filter(|(_, blocked)| blocked.again_at <= now);
        due.map(|(saga, blocked)| {
            let saga = SagaId(*saga);
            let turns = blocked.turns.iter().map(|(seq, attention_cleared)| Turn {
                saga,
                seq: *seq,
                attention_cleared: *attention_cleared,
            });
            (saga, turns.collect())
        })
        .collect()
    }

    /// `at` of the oldest that is blocked.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.blocked.values().map(|blocked| blocked.since).min()
    }
}
