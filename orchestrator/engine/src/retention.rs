//! Retention: sagas that ended long enough ago are let go of, in small batches that disturb nothing. First their participants
//! are told (`forget`), then the store purges them; of a saga with a start key a stub stays.
//!
//! **What it must never know:** what a saga did. That it has ended is enough.

use std::{collections::BTreeMap, time::Duration};

use amends_core::{definition::Definition, ids::ServiceName, time::Time};
use amends_protocol::forget::FORGET_SAGAS_MAX;
use amends_store::{Cursor, DROPPED_REMEMBERED, Head, Places, StoreError};
use uuid::Uuid;

use crate::{Contract, Engine, Forgotten};

/// How long what has ended is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From a saga's end on. `None`: for ever.
    pub keep: Option<Duration>,
    /// How long it can be heard again that something happened to a saga, if the saga is kept as long.
    pub keep_events: Duration,
    /// How long what somebody has not been told yet is held for him: events, and the sagas that they are of.
    pub hold_events: Duration,
    /// Between two looks.
    pub look_every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            keep: None,
            keep_events: Duration::from_secs(3 * 86_400),
            hold_events: Duration::from_secs(7 * 86_400),
            look_every: Duration::from_secs(60),
        }
    }
}

/// A look walks over everything that is old enough: not in a busy loop, whatever was configured.
const LOOK_LEAST: Duration = Duration::from_millis(100);
/// Rows looked at together, so that a purge holds up no commit for long.
const BATCH: u32 = 256;
/// Between two batches: at most some thousand sagas a second, beside all other work.
const PAUSE: Duration = Duration::from_millis(50);
/// Notes and ended leases are of no use to anybody after this time.
const TIDY_AFTER: Duration = Duration::from_secs(3_600);

/// From the decision of an event to its commit it can take as long as the store is away. What took longer may be purged untold,
/// if it may be purged by then at all.
const SLOW_COMMIT: Duration = Duration::from_secs(3_600);
/// A process that has just begun lets those who are far behind catch up, before it lets go of what they were not told: perhaps nobody was
/// there to tell them.
const GRACE: Duration = Duration::from_secs(660);

/// What nobody lets go of.
struct Held {
    /// Everybody has passed these.
    passed: Places,
    /// Everybody has been told of everything before.
    until: Time,
}

impl Engine {
    /// Looks and purges until the engine stops.
    pub(crate) async fn retain(self) {
        let (retention, began) = (self.inner.retention, tokio::time::Instant::now());
        loop {
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => return,
                () = tokio::time::sleep(retention.look_every.max(LOOK_LEAST)) => {}
            }
            match self.retain_once(began.elapsed() < GRACE).await {
                Ok(0) => {}
                Ok(purged) => tracing::info!(sagas = purged, "purged sagas that ended long ago"),
                Err(error) => tracing::warn!(%error, "cannot purge now; trying again"),
            }
        }
    }

    /// One walk over everything that has ended long enough ago. Answers how many were purged.
    async fn retain_once(&self, grace: bool) -> Result<u64, StoreError> {
        let (me, holds) = self.identity();
        // One node does it, whichever: the work of two would be the same.
        if !holds || self.inner.store.nodes().await?.first().is_some_and(|first| first.id != me) {
            return Ok(0);
        }
        let now = self.inner.clock.now();
        while self.inner.store.tidy(before(now, TIDY_AFTER), BATCH).await? >= u64::from(BATCH) {
            tokio::time::sleep(PAUSE).await;
        }
        let held = self.held(now, grace).await?;
        let (store, drop_before) = (&self.inner.store, before(now, self.inner.retention.keep_events));
        let passed = held.as_ref().map(|held| &held.passed);
        while store.drop_batches(drop_before, passed, now, DROPPED_REMEMBERED, BATCH).await? >= u64::from(BATCH) {
            tokio::time::sleep(PAUSE).await;
        }
        let Some(keep) = self.inner.retention.keep else { return Ok(0) };
        let until = held.map_or(now, |held| before(held.until, SLOW_COMMIT));
        let (before, mut after): (Time, Option<Cursor>) = (before(now, keep).min(until), None);
        let mut purged = 0;
        while !self.inner.stopping.is_cancelled() {
            let page = self.inner.store.ended(before, after, BATCH).await?;
            if !page.found.is_empty() {
                let told = self.forget(page.found).await?;
                purged += self.inner.store.purge(told, now).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(purged)
    }

    /// What is held for those who have not been told yet; `None`: nothing, for there are none, or none but those that are behind for
    /// longer than anything is held.
    async fn held(&self, now: Time, grace: bool) -> Result<Option<Held>, StoreError> {
        let hold = self.inner.retention.hold_events;
        let all = self.inner.store.subscriptions().await?;
        let held_for = all.into_iter().filter(|one| grace || one.told.until + hold >= now);
        Ok(held_for.map(|one| Held { passed: one.told.places, until: one.told.until }).reduce(|mut held, other| {
            held.passed.0.retain(|writer, number| {
                *number = other.passed.of(*writer).min(*number);
                *number > 0
            });
            held.until = held.until.min(other.until);
            held
        }))
    }

    /// Tells the participants of these sagas. Answers those whose participants have all been told; the others stay until
    /// then, and are told again: a forget may be repeated.
    async fn forget(&self, ended: Vec<Head>) -> Result<Vec<amends_core::ids::SagaId>, StoreError> {
        let mut by_service: BTreeMap<ServiceName, Vec<Uuid>> = BTreeMap::new();
        let mut sagas = Vec::with_capacity(ended.len());
        for head in ended {
            if self.parent_is_kept(&head).await? {
                continue;
            }
            let definition = match self.pinned(&head.name, head.version, &head.definition).await {
                Ok(definition) => definition,
                Err(error @ StoreError::Unavailable { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(saga.id = %head.saga, %error, "not purged: it is not known whom it called");
                    continue;
                }
            };
            for service in self.called(&definition) {
                by_service.entry(service).or_default().push(head.saga.0);
            }
            sagas.push(head.saga);
        }
        for (service, ids) in by_service {
            for chunk in ids.chunks(FORGET_SAGAS_MAX) {
                match self.inner.participant.forget(&service, chunk).await {
                    Forgotten::Told => {}
                    Forgotten::CannotForget => {
                        tracing::debug!(service = %service, "it has no `forget`; what it keeps it keeps");
                    }
                    Forgotten::NotTold { reason } => {
                        tracing::warn!(service = %service, reason, "not purged: a participant could not be told");
                        sagas.retain(|saga| !chunk.contains(&saga.0));
                    }
                }
            }
        }
        Ok(sagas)
    }

    /// A child is kept as long as its parent: it is not to be forgotten before.
    async fn parent_is_kept(&self, head: &Head) -> Result<bool, StoreError> {
        let Some(parent) = head.parent else { return Ok(false) };
        Ok(self.inner.store.head(parent).await?.is_some_and(|parent| parent.purged_at.is_none()))
    }

    /// The services that keep rows for a saga of this definition, and that the catalogue still has.
    fn called(&self, definition: &Definition) -> Vec<ServiceName> {
        let services = definition.services().into_iter();
        let barrier = |name: &&ServiceName| {
            self.inner.catalogue.get(name).is_some_and(|service| service.contract == Contract::Barrier)
        };
        services.filter(barrier).cloned().collect()
    }
}

fn before(now: Time, age: Duration) -> Time {
    let age_us = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Time(now.0.saturating_sub(age_us))
}
