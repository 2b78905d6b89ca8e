//! The embedded side: one SQLite file, one server.
//!
//! WAL with `synchronous=FULL`: a commit that was answered survives kill -9 and power loss. One connection writes, since
//! SQLite has one writer anyway, by rusqlite on a thread of its own; a small pool of sqlx reads beside it without waiting for
//! it. That a file has one server is kept by a lock of the operating system and not by SQLite's exclusive mode, which would
//! shut out our own readers and the tools beside a running server.
//!
//! **What it must never know:** what an event or a status means; other servers (PostgreSQL is for many nodes).

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
mod lock;
mod locks;
mod multirow;
mod nodes;
mod open;
mod poisoned;
mod read;
mod retention;
mod rows;
mod scan;
mod subscriptions;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::{ops::Range, sync::Arc, time::Duration};

use amends_core::{
    event::Recorded,
    ids::{LockName, SagaId},
    time::Time,
};
use async_trait::async_trait;
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::{
    Append, AppendError, Batch, Claim, Counts, Cursor, Deleted, Filter, Head, HeldLock, Lease, NewDefinition, NewNode,
    NewSubscription, Node, Note, Noted, Page, Place, Places, Poisoned, Put, Queued, Secret, Store, StoreError,
    StoredDefinition, Subscription, Told, Verdict, Written,
};

use self::writer::Writer;

/// A store in one SQLite file.
pub struct SqliteStore {
    readers: SqlitePool,
    /// `None` beside a running server.
    writer: Option<Writer>,
}

impl SqliteStore {
    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or_else(|| StoreError::Refused {
            reason: "the store is open for reading only: ask the server that owns it".to_owned(),
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        match self.writer() {
            Ok(writer) => commit::commit(writer, batch).await,
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
        nodes::join(self.writer()?, node, lease).await
    }

    async fn renew(&self, node: Uuid, lease: Duration) -> Result<Lease, StoreError> {
        // Beside a running server there is no lease, and nothing to renew.
        self.writer()?;
        nodes::renew(&self.readers, node, lease).await
    }

    async fn leave(&self, node: Uuid) -> Result<(), StoreError> {
        nodes::leave(self.writer()?, node).await
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
        adopt::adopt(self.writer()?, sagas, owner).await
    }

    async fn post(&self, note: Note) -> Result<(), StoreError> {
        inbox::post(self.writer()?, note).await
    }

    async fn notes(&self, node: Uuid, limit: u32) -> Result<Vec<Noted>, StoreError> {
        inbox::notes(&self.readers, node, limit).await
    }

    async fn settle(&self, saga: SagaId, epoch: u64, verdicts: Vec<Verdict>) -> Result<bool, StoreError> {
        inbox::settle(self.writer()?, saga, epoch, verdicts).await
    }

    async fn poison(&self, epoch: u64, poisoned: Poisoned) -> Result<bool, StoreError> {
        poisoned::poison(self.writer()?, epoch, poisoned).await
    }

    async fn poisoned(&self, saga: SagaId) -> Result<Option<Poisoned>, StoreError> {
        poisoned::poisoned(&self.readers, saga).await
    }

    async fn verdict(&self, saga: SagaId, note: Uuid) -> Result<Option<Arc<str>>, StoreError> {
        inbox::verdict(&self.readers, saga, note).await
    }

    async fn enqueue(&self, lock: &LockName, saga: SagaId, at: Time) -> Result<Place, StoreError> {
        locks::enqueue(self.writer()?, lock.clone(), saga, at).await
    }

    async fn lock_queue(&self, lock: &LockName, after: Option<Time>, limit: u32) -> Result<Vec<Queued>, StoreError> {
        locks::lock_queue(&self.readers, lock, after, limit).await
    }

    async fn locks(&self, prefix: &str, after: Option<&LockName>, limit: u32) -> Result<Vec<HeldLock>, StoreError> {
        locks::locks(&self.readers, prefix, after, limit).await
    }

    async fn leave_queues(&self, saga: SagaId, locks: &[LockName]) -> Result<(), StoreError> {
        locks::leave_queues(self.writer()?, saga, locks.to_vec()).await
    }

    async fn tidy(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        retention::tidy(self.writer()?, before, limit).await
    }

    async fn ended(&self, before: Time, after: Option<Cursor>, limit: u32) -> Result<Page, StoreError> {
        retention::ended(&self.readers, before, after, limit).await
    }

    async fn purge(&self, sagas: Vec<SagaId>, at: Time) -> Result<u64, StoreError> {
        retention::purge(self.writer()?, sagas, at).await
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
        batches::drop_batches(self.writer()?, before, passed.cloned(), now, remember, limit).await
    }

    async fn add_subscription(&self, new: NewSubscription) -> Result<bool, StoreError> {
        subscriptions::add(self.writer()?, new).await
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        subscriptions::all(&self.readers).await
    }

    async fn delete_subscription(&self, id: Uuid) -> Result<bool, StoreError> {
        subscriptions::delete(self.writer()?, id).await
    }

    async fn pause_subscription(&self, id: Uuid, at: Option<Time>) -> Result<bool, StoreError> {
        subscriptions::pause(self.writer()?, id, at).await
    }

    async fn claim_subscription(&self, id: Uuid, owner: Uuid, lease: Duration) -> Result<Option<u64>, StoreError> {
        subscriptions::claim(self.writer()?, id, owner, lease).await
    }

    async fn record_told(&self, id: Uuid, epoch: u64, told: Told) -> Result<bool, StoreError> {
        subscriptions::record(self.writer()?, id, epoch, told).await
    }

    async fn scan(
        &self,
        after: Option<SagaId>,
        limit: u32,
    ) -> Result<Vec<(SagaId, Result<Head, StoreError>)>, StoreError> {
        scan::scan(&self.readers, after, limit).await
    }

    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError> {
        definitions::put_definition(self.writer()?, definition).await
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError> {
        definitions::definition(&self.readers, name, version).await
    }

    async fn startable(&self, name: &str) -> Result<Option<StoredDefinition>, StoreError> {
        definitions::startable(&self.readers, name).await
    }

    async fn set_disabled(&self, name: &str, version: u32, at: Option<Time>) -> Result<bool, StoreError> {
        definitions::set_disabled(self.writer()?, name, version, at).await
    }

    async fn delete_definition(&self, name: &str, version: u32, at: Time) -> Result<Deleted, StoreError> {
        definitions::delete_definition(self.writer()?, &self.readers, name, version, at).await
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        definitions::definitions(&self.readers, after, limit).await
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        definitions::versions(&self.readers, name, below, limit).await
    }

    async fn shared_key(&self, name: &str, offered: Secret, at: Time) -> Result<Secret, StoreError> {
        keys::share(self.writer()?, name, offered, at).await
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
        self.writer.as_ref().map_or_else(Written::default, Writer::written)
    }
}
