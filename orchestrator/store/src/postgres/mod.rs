//! The side for many processes: one PostgreSQL database, or one of those that speak its language.
//!
//! A batch of appends is one statement that commits itself, over one of a few connections of its own (`lanes`); reads go over
//! others. What was answered is on the server's disk, by the server's rules (`fsync`, `synchronous_commit`). Beside them one
//! connection each is kept for leases, which must not wait behind anything, and for all other writes.
//!
//! **What it must never know:** what an event or a status means; the time of this process.

mod adopt;
mod asleep;
mod batches;
mod commit;
mod definitions;
mod error;
mod inbox;
mod keys;
mod legible;
mod list;
mod locks;
mod nodes;
mod open;
mod poisoned;
mod read;
mod readers;
mod retention;
mod rows;
mod scan;
mod session;
mod statements;
mod subscriptions;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use amends_core::{
    event::Recorded,
    ids::{LockName, SagaId},
    time::Time,
};
use async_trait::async_trait;
use uuid::Uuid;

pub use self::open::Options;
use self::{commit::Lanes, readers::Readers, writer::Writer};
use crate::{
    Append, AppendError, Batch, Claim, Counts, Cursor, Deleted, Filter, Head, HeldLock, Lease, NewDefinition, NewNode,
    NewSubscription, Node, Note, Noted, Page, Place, Places, Poisoned, Put, Queued, Secret, Store, StoreError,
    StoredDefinition, Subscription, Told, Verdict, Written,
};

/// A store in one PostgreSQL database.
pub struct PostgresStore {
    readers: Readers,
    /// `None`: it is open for reading only.
    writers: Option<Writers>,
}

struct Writers {
    lanes: Arc<Lanes>,
    /// For all writes that are rare.
    aside: Arc<Writer>,
    /// For leases, which must not wait behind anything.
    leases: Arc<Writer>,
}

impl PostgresStore {
    fn writers(&self) -> Result<&Writers, StoreError> {
        self.writers.as_ref().ok_or_else(|| StoreError::Refused {
            reason: "the store is open for reading only: ask a server that drives it".to_owned(),
        })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("lanes", &self.lanes()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        match self.writers() {
            Ok(writers) => commit::commit(&writers.lanes, batch).await,
            Err(refused) => batch.iter().map(|_| Err(refused.clone().into())).collect(),
        }
    }

    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError> {
        read::head(&self.readers, saga).await
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        read::journal(&self.readers, saga, seqs, limit).await
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError> {
        list::list(&self.readers, filter, below, limit).await
    }

    async fn journals(
        &self,
        sagas: &[SagaId],
        limit: u32,
    ) -> Result<Vec<Result<Vec<Recorded>, StoreError>>, StoreError> {
        read::journals(&self.readers, sagas, limit).await
    }

    async fn join(&self, node: NewNode, lease: Duration) -> Result<Lease, StoreError> {
        nodes::join(&self.writers()?.leases, node, lease).await
    }

    async fn renew(&self, node: Uuid, lease: Duration) -> Result<Lease, StoreError> {
        nodes::renew(&self.writers()?.leases, node, lease).await
    }

    async fn leave(&self, node: Uuid) -> Result<(), StoreError> {
        nodes::leave(&self.writers()?.leases, node).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        nodes::nodes(&self.readers).await
    }

    async fn orphans(&self, after: Option<(Uuid, SagaId)>, limit: u32) -> Result<Vec<Head>, StoreError> {
        adopt::orphans(&self.readers, after, limit).await
    }

    async fn owned(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError> {
        adopt::owned(&self.readers, owner, after, limit).await
    }

    async fn due(&self, now: Time, limit: u32) -> Result<Vec<Head>, StoreError> {
        asleep::due(&self.readers, now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        asleep::next_due(&self.readers).await
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
        let writers = self.writers()?;
        adopt::adopt(&writers.aside, writers.lanes.above(), sagas, owner).await
    }

    async fn post(&self, note: Note) -> Result<(), StoreError> {
        inbox::post(&self.writers()?.aside, note).await
    }

    async fn notes(&self, node: Uuid, limit: u32) -> Result<Vec<Noted>, StoreError> {
        inbox::notes(&self.readers, node, limit).await
    }

    async fn settle(&self, saga: SagaId, epoch: u64, verdicts: Vec<Verdict>) -> Result<bool, StoreError> {
        inbox::settle(&self.writers()?.aside, saga, epoch, verdicts).await
    }

    async fn poison(&self, epoch: u64, poisoned: Poisoned) -> Result<bool, StoreError> {
        poisoned::poison(&self.writers()?.aside, epoch, poisoned).await
    }

    async fn poisoned(&self, saga: SagaId) -> Result<Option<Poisoned>, StoreError> {
        poisoned::poisoned(&self.readers, saga).await
    }

    async fn verdict(&self, saga: SagaId, note: Uuid) -> Result<Option<Arc<str>>, StoreError> {
        inbox::verdict(&self.readers, saga, note).await
    }

    async fn enqueue(&self, lock: &LockName, saga: SagaId, at: Time) -> Result<Place, StoreError> {
        locks::enqueue(&self.writers()?.aside, lock.clone(), saga, at).await
    }

    async fn lock_queue(&self, lock: &LockName, after: Option<Time>, limit: u32) -> Result<Vec<Queued>, StoreError> {
        locks::lock_queue(&self.readers, lock, after, limit).await
    }

    async fn locks(&self, prefix: &str, after: Option<&LockName>, limit: u32) -> Result<Vec<HeldLock>, StoreError> {
        locks::locks(&self.readers, prefix, after, limit).await
    }

    async fn leave_queues(&self, saga: SagaId, locks: &[LockName]) -> Result<(), StoreError> {
        locks::leave_queues(&self.writers()?.aside, saga, locks.to_vec()).await
    }

    async fn tidy(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        retention::tidy(&self.writers()?.aside, before, limit).await
    }

    async fn ended(&self, before: Time, after: Option<Cursor>, limit: u32) -> Result<Page, StoreError> {
        retention::ended(&self.readers, before, after, limit).await
    }

    async fn purge(&self, sagas: Vec<SagaId>, at: Time) -> Result<u64, StoreError> {
        retention::purge(&self.writers()?.aside, sagas, at).await
    }

    async fn batches(&self, after: &Places, limit: u32) -> Result<Vec<Batch>, StoreError> {
        batches::batches(&self.readers, after, limit).await
    }

    async fn places(&self) -> Result<Places, StoreError> {
        batches::places(&self.readers).await
    }

    async fn dropped(&self) -> Result<Places, StoreError> {
        batches::dropped(&self.readers).await
    }

    async fn rows(&self, wanted: &[(SagaId, u64)]) -> Result<Vec<Result<Option<Recorded>, StoreError>>, StoreError> {
        read::rows(&self.readers, wanted).await
    }

    async fn drop_batches(
        &self,
        before: Time,
        passed: Option<&Places>,
        now: Time,
        remember: Duration,
        limit: u32,
    ) -> Result<u64, StoreError> {
        batches::drop_batches(&self.writers()?.aside, before, passed.cloned(), now, remember, limit).await
    }

    async fn add_subscription(&self, new: NewSubscription) -> Result<bool, StoreError> {
        subscriptions::add(&self.writers()?.aside, new).await
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        subscriptions::all(&self.readers).await
    }

    async fn delete_subscription(&self, id: Uuid) -> Result<bool, StoreError> {
        subscriptions::delete(&self.writers()?.aside, id).await
    }

    async fn pause_subscription(&self, id: Uuid, at: Option<Time>) -> Result<bool, StoreError> {
        subscriptions::pause(&self.writers()?.aside, id, at).await
    }

    async fn claim_subscription(&self, id: Uuid, owner: Uuid, lease: Duration) -> Result<Option<u64>, StoreError> {
        subscriptions::claim(&self.writers()?.aside, id, owner, lease).await
    }

    async fn record_told(&self, id: Uuid, epoch: u64, told: Told) -> Result<bool, StoreError> {
        subscriptions::record(&self.writers()?.aside, id, epoch, told).await
    }

    async fn scan(
        &self,
        after: Option<SagaId>,
        limit: u32,
    ) -> Result<Vec<(SagaId, Result<Head, StoreError>)>, StoreError> {
        scan::scan(&self.readers, after, limit).await
    }

    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError> {
        definitions::put_definition(&self.writers()?.aside, definition).await
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError> {
        definitions::definition(&self.readers, name, version).await
    }

    async fn startable(&self, name: &str) -> Result<Option<StoredDefinition>, StoreError> {
        definitions::startable(&self.readers, name).await
    }

    async fn set_disabled(&self, name: &str, version: u32, at: Option<Time>) -> Result<bool, StoreError> {
        definitions::set_disabled(&self.writers()?.aside, name, version, at).await
    }

    async fn delete_definition(&self, name: &str, version: u32, at: Time) -> Result<Deleted, StoreError> {
        definitions::delete_definition(&self.writers()?.aside, &self.readers, name, version, at).await
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        definitions::definitions(&self.readers, after, limit).await
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        definitions::versions(&self.readers, name, below, limit).await
    }

    async fn shared_key(&self, name: &str, offered: Secret, at: Time) -> Result<Secret, StoreError> {
        keys::share(&self.writers()?.aside, name, offered, at).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        read::counts(&self.readers).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        read::ping(&self.readers).await
    }

    async fn latest_at(&self) -> Result<Option<Time>, StoreError> {
        read::latest_at(&self.readers).await
    }

    fn written(&self) -> Written {
        self.writers.as_ref().map_or_else(Written::default, |writers| writers.lanes.written())
    }

    fn lanes(&self) -> usize {
        self.writers.as_ref().map_or(1, |writers| writers.lanes.number())
    }
}
