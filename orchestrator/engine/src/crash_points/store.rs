//! A store at whose writes this process may die. Reads are passed on.

use std::{ops::Range, sync::Arc, time::Duration};

use amends_core::{
    event::Recorded,
    ids::{LockName, SagaId},
    time::Time,
};
use amends_store::{
    Append, AppendError, Batch, Claim, Counts, Cursor, Deleted, Filter, Head, HeldLock, Lease, NewDefinition, NewNode,
    NewSubscription, Node, Note, Noted, Page, Place, Places, Poisoned, Put, Queued, Secret, Store, StoreError,
    StoredDefinition, Subscription, Told, Verdict, Written,
};
use async_trait::async_trait;
use uuid::Uuid;

use super::CrashPoints;

pub(super) struct Mortal {
    pub(super) store: Arc<dyn Store>,
    pub(super) points: Arc<CrashPoints>,
}

type Asked<T> = Result<T, StoreError>;

impl Mortal {
    async fn write<T>(&self, what: &'static str, write: impl Future<Output = T>) -> T {
        self.points.pass("before", what);
        let written = write.await;
        self.points.pass("after", what);
        written
    }
}

#[async_trait]
impl Store for Mortal {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        self.write("commit", self.store.commit(batch)).await
    }

    async fn join(&self, node: NewNode, lease: Duration) -> Asked<Lease> {
        self.write("join", self.store.join(node, lease)).await
    }

    async fn renew(&self, node: Uuid, lease: Duration) -> Asked<Lease> {
        self.write("renew", self.store.renew(node, lease)).await
    }

    async fn leave(&self, node: Uuid) -> Asked<()> {
        self.write("leave", self.store.leave(node)).await
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Asked<Vec<bool>> {
        self.write("adopt", self.store.adopt(sagas, owner)).await
    }

    async fn post(&self, note: Note) -> Asked<()> {
        self.write("post", self.store.post(note)).await
    }

    async fn settle(&self, saga: SagaId, epoch: u64, verdicts: Vec<Verdict>) -> Asked<bool> {
        self.write("settle", self.store.settle(saga, epoch, verdicts)).await
    }

    async fn poison(&self, epoch: u64, poisoned: Poisoned) -> Asked<bool> {
        self.write("poison", self.store.poison(epoch, poisoned)).await
    }

    async fn enqueue(&self, lock: &LockName, saga: SagaId, at: Time) -> Asked<Place> {
        self.write("enqueue", self.store.enqueue(lock, saga, at)).await
    }

    async fn leave_queues(&self, saga: SagaId, locks: &[LockName]) -> Asked<()> {
        self.write("leave_queues", self.store.leave_queues(saga, locks)).await
    }

    async fn tidy(&self, before: Time, limit: u32) -> Asked<u64> {
        self.write("tidy", self.store.tidy(before, limit)).await
    }

    async fn purge(&self, sagas: Vec<SagaId>, at: Time) -> Asked<u64> {
        self.write("purge", self.store.purge(sagas, at)).await
    }

    async fn put_definition(&self, definition: NewDefinition) -> Asked<Put> {
        self.write("put_definition", self.store.put_definition(definition)).await
    }

    async fn set_disabled(&self, name: &str, version: u32, at: Option<Time>) -> Asked<bool> {
        self.write("set_disabled", self.store.set_disabled(name, version, at)).await
    }

    async fn delete_definition(&self, name: &str, version: u32, at: Time) -> Asked<Deleted> {
        self.write("delete_definition", self.store.delete_definition(name, version, at)).await
    }

    async fn shared_key(&self, name: &str, offered: Secret, at: Time) -> Asked<Secret> {
        self.write("shared_key", self.store.shared_key(name, offered, at)).await
    }

    async fn head(&self, saga: SagaId) -> Asked<Option<Head>> {
        self.store.head(saga).await
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Asked<Vec<Recorded>> {
        self.store.journal(saga, seqs, limit).await
    }

    async fn journals(&self, sagas: &[SagaId], limit: u32) -> Asked<Vec<Asked<Vec<Recorded>>>> {
        self.store.journals(sagas, limit).await
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Asked<Vec<Head>> {
        self.store.list(filter, below, limit).await
    }

    async fn nodes(&self) -> Asked<Vec<Node>> {
        self.store.nodes().await
    }

    async fn orphans(&self, after: Option<(Uuid, SagaId)>, limit: u32) -> Asked<Vec<Head>> {
        self.store.orphans(after, limit).await
    }

    async fn owned(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Asked<Vec<Head>> {
        self.store.owned(owner, after, limit).await
    }

    async fn due(&self, now: Time, limit: u32) -> Asked<Vec<Head>> {
        self.store.due(now, limit).await
    }

    async fn next_due(&self) -> Asked<Option<Time>> {
        self.store.next_due().await
    }

    async fn notes(&self, node: Uuid, limit: u32) -> Asked<Vec<Noted>> {
        self.store.notes(node, limit).await
    }

    async fn poisoned(&self, saga: SagaId) -> Asked<Option<Poisoned>> {
        self.store.poisoned(saga).await
    }

    async fn verdict(&self, saga: SagaId, note: Uuid) -> Asked<Option<Arc<str>>> {
        self.store.verdict(saga, note).await
    }

    async fn lock_queue(&self, lock: &LockName, after: Option<Time>, limit: u32) -> Asked<Vec<Queued>> {
        self.store.lock_queue(lock, after, limit).await
    }

    async fn locks(&self, prefix: &str, after: Option<&LockName>, limit: u32) -> Asked<Vec<HeldLock>> {
        self.store.locks(prefix, after, limit).await
    }

    async fn ended(&self, before: Time, after: Option<Cursor>, limit: u32) -> Asked<Page> {
        self.store.ended(before, after, limit).await
    }

    async fn batches(&self, after: &Places, limit: u32) -> Asked<Vec<Batch>> {
        self.store.batches(after, limit).await
    }

    async fn places(&self) -> Asked<Places> {
        self.store.places().await
    }

    async fn dropped(&self) -> Asked<Places> {
        self.store.dropped().await
    }

    async fn rows(&self, wanted: &[(SagaId, u64)]) -> Asked<Vec<Asked<Option<Recorded>>>> {
        self.store.rows(wanted).await
    }

    async fn drop_batches(
        &self,
        before: Time,
        passed: Option<&Places>,
        now: Time,
        remember: Duration,
        limit: u32,
    ) -> Asked<u64> {
        self.write("drop_batches", self.store.drop_batches(before, passed, now, remember, limit)).await
    }

    async fn add_subscription(&self, new: NewSubscription) -> Asked<bool> {
        self.write("add_subscription", self.store.add_subscription(new)).await
    }

    async fn subscriptions(&self) -> Asked<Vec<Subscription>> {
        self.store.subscriptions().await
    }

    async fn delete_subscription(&self, id: Uuid) -> Asked<bool> {
        self.write("delete_subscription", self.store.delete_subscription(id)).await
    }

    async fn pause_subscription(&self, id: Uuid, at: Option<Time>) -> Asked<bool> {
        self.write("pause_subscription", self.store.pause_subscription(id, at)).await
    }

    async fn claim_subscription(&self, id: Uuid, owner: Uuid, lease: Duration) -> Asked<Option<u64>> {
        self.write("claim_subscription", self.store.claim_subscription(id, owner, lease)).await
    }

    async fn record_told(&self, id: Uuid, epoch: u64, told: Told) -> Asked<bool> {
        self.write("record_told", self.store.record_told(id, epoch, told)).await
    }

    async fn scan(&self, after: Option<SagaId>, limit: u32) -> Asked<Vec<(SagaId, Asked<Head>)>> {
        self.store.scan(after, limit).await
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Asked<Option<StoredDefinition>> {
        self.store.definition(name, version).await
    }

    async fn startable(&self, name: &str) -> Asked<Option<StoredDefinition>> {
        self.store.startable(name).await
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Asked<Vec<StoredDefinition>> {
        self.store.definitions(after, limit).await
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Asked<Vec<StoredDefinition>> {
        self.store.versions(name, below, limit).await
    }

    async fn counts(&self) -> Asked<Counts> {
        self.store.counts().await
    }

    async fn ping(&self) -> Asked<()> {
        self.store.ping().await
    }

    async fn latest_at(&self) -> Asked<Option<Time>> {
        self.store.latest_at().await
    }

    fn written(&self) -> Written {
        self.store.written()
    }

    fn lanes(&self) -> usize {
        self.store.lanes()
    }
}
