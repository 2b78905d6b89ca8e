//! The store's door of a node, and the way to the database behind it: it may be slow or away, the answer to a write may be lost,
//! and a write that was said to have failed may be made all the same, later.

use std::{ops::Range, sync::Arc, time::Duration};

use amends_core::{
    event::Recorded,
    ids::{LockName, SagaId},
    time::Time,
};
use amends_store::{
    Append, AppendError, Batch, Claim, Counts, Cursor, Deleted, Filter, Head, HeldLock, Lease, NewDefinition, NewNode,
    NewSubscription, Node as Row, Note, Noted, Page, Place, Places, Poisoned, Put, Queued, Secret, Store, StoreError,
    StoredDefinition, Subscription, Told, Verdict, Written, memory::MemoryStore,
};
use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    node::Node,
    world::{Rule, World},
};

pub(crate) struct Database(pub(crate) Arc<Node>);

type Read<T> = Result<T, StoreError>;

fn away() -> StoreError {
    StoreError::Unavailable { reason: "it does not answer".to_owned(), source: None }
}

impl Database {
    fn world(&self) -> &Arc<World> {
        &self.0.world
    }

    fn rows(&self) -> &MemoryStore {
        &self.0.world.store
    }

    /// There and back, for what changes nothing.
    async fn read<T>(&self, asked: impl Future<Output = Read<T>>) -> Read<T> {
        let world = self.world();
        self.0.gate().await;
        if !world.is_clear() && world.dice.happens(200) {
            world.wait(1, 6).await;
            self.0.gate().await;
        }
        if world.store_is_out() || world.goes_wrong("a read fails", |weather| weather.store_away / 4) {
            return Err(away());
        }
        world.store.set_now(world.now());
        asked.await
    }

    /// The way there of a write.
    async fn go(&self) -> Read<()> {
        let world = self.world();
        self.0.moment().await;
        let slow = world.goes_wrong("the store is slow", |weather| weather.slow);
        world.wait(1, if slow { 600 } else { 4 }).await;
        self.0.gate().await;
        if world.store_is_out() || world.goes_wrong("a write fails", |weather| weather.store_away) {
            return Err(away());
        }
        world.store.set_now(world.now());
        Ok(())
    }

    /// The way back of a write that was made.
    async fn back(&self) -> Read<()> {
        let world = self.world();
        self.0.moment().await;
        let slow = world.goes_wrong("an acknowledgement comes late", |weather| weather.slow);
        world.wait(0, if slow { 600 } else { 3 }).await;
        self.0.gate().await;
        if world.goes_wrong("an acknowledgement is lost", |weather| weather.answer_lost) {
            return Err(away());
        }
        Ok(())
    }

    async fn write<T>(&self, asked: impl Future<Output = Read<T>>) -> Read<T> {
        self.go().await?;
        let answer = asked.await?;
        self.back().await?;
        Ok(answer)
    }

    /// A write that nobody waits for any more is made after all.
    fn is_late(&self) -> Option<Duration> {
        let late = self.world().goes_wrong("a write is made late", |weather| weather.write_late);
        late.then(|| Duration::from_millis(self.world().dice.between(20, 1_500)))
    }

    fn later<F: Future<Output = ()> + Send + 'static>(
        &self,
        by: Duration,
        what: impl FnOnce(Arc<World>) -> F + Send + 'static,
    ) {
        let world = self.world().clone();
        self.world().later(async move {
            tokio::time::sleep(by).await;
            world.store.set_now(world.now());
            what(world).await;
        });
    }
}

#[async_trait]
impl Store for Database {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        let refused = |error: &StoreError| batch.iter().map(|_| Err(error.clone().into())).collect();
        if let Err(error) = self.go().await {
            return refused(&error);
        }
        let hasty = self.world().off == Some(Rule::CommitBeforeSend) && batch.iter().all(|one| one.create.is_none());
        let late = if hasty { Some(Duration::from_millis(15)) } else { self.is_late() };
        if let Some(late) = late {
            let made = batch.clone();
            self.later(late, |world| async move { drop(world.commit(made).await) });
            return if hasty { batch.iter().map(|_| Ok(())).collect() } else { refused(&away()) };
        }
        let answers = self.world().commit(batch.clone()).await;
        match self.back().await {
            Ok(()) => answers,
            Err(error) => refused(&error),
        }
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Read<Vec<bool>> {
        self.go().await?;
        if let Some(late) = self.is_late() {
            self.later(late, move |world| async move { drop(world.store.adopt(sagas, owner).await) });
            return Err(away());
        }
        let sleepers = sagas.iter().filter(|claim| claim.owner.is_none()).count();
        let others = sagas.iter().filter(|claim| claim.owner.is_some_and(|before| before != owner)).count();
        let won = self.rows().adopt(sagas, owner).await?;
        if sleepers > 0 && won.contains(&true) {
            self.world().count("a sleeper is woken");
        }
        if others > 0 && won.contains(&true) {
            self.world().count("a saga is adopted");
        }
        self.back().await?;
        Ok(won)
    }

    async fn post(&self, note: Note) -> Read<()> {
        self.go().await?;
        if let Some(late) = self.is_late() {
            self.later(late, move |world| async move { drop(world.store.post(note).await) });
            return Err(away());
        }
        self.rows().post(note).await?;
        self.back().await
    }

    async fn join(&self, node: NewNode, lease: Duration) -> Read<Lease> {
        self.write(self.rows().join(node, lease)).await
    }

    async fn renew(&self, node: Uuid, lease: Duration) -> Read<Lease> {
        let renewed = self.write(self.rows().renew(node, lease)).await;
        if matches!(renewed, Ok(Lease::Ended)) {
            self.world().count("a lease has ended");
        }
        renewed
    }

    async fn leave(&self, node: Uuid) -> Read<()> {
        self.write(self.rows().leave(node)).await
    }

    async fn settle(&self, saga: SagaId, epoch: u64, verdicts: Vec<Verdict>) -> Read<bool> {
        self.write(self.rows().settle(saga, epoch, verdicts)).await
    }

    async fn poison(&self, epoch: u64, poisoned: Poisoned) -> Read<bool> {
        self.write(self.rows().poison(epoch, poisoned)).await
    }

    async fn poisoned(&self, saga: SagaId) -> Read<Option<Poisoned>> {
        self.read(self.rows().poisoned(saga)).await
    }

    async fn enqueue(&self, lock: &LockName, saga: SagaId, at: Time) -> Read<Place> {
        self.write(self.rows().enqueue(lock, saga, at)).await
    }

    async fn leave_queues(&self, saga: SagaId, locks: &[LockName]) -> Read<()> {
        self.write(self.rows().leave_queues(saga, locks)).await
    }

    async fn put_definition(&self, definition: NewDefinition) -> Read<Put> {
        self.write(self.rows().put_definition(definition)).await
    }

    async fn set_disabled(&self, name: &str, version: u32, at: Option<Time>) -> Read<bool> {
        self.write(self.rows().set_disabled(name, version, at)).await
    }

    async fn delete_definition(&self, name: &str, version: u32, at: Time) -> Read<Deleted> {
        self.write(self.rows().delete_definition(name, version, at)).await
    }

    async fn shared_key(&self, name: &str, offered: Secret, at: Time) -> Read<Secret> {
        self.write(self.rows().shared_key(name, offered, at)).await
    }

    async fn tidy(&self, before: Time, limit: u32) -> Read<u64> {
        self.write(self.rows().tidy(before, limit)).await
    }

    async fn purge(&self, sagas: Vec<SagaId>, at: Time) -> Read<u64> {
        self.write(self.rows().purge(sagas, at)).await
    }

    async fn head(&self, saga: SagaId) -> Read<Option<Head>> {
        self.read(self.rows().head(saga)).await
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Read<Vec<Recorded>> {
        self.read(self.rows().journal(saga, seqs, limit)).await
    }

    async fn journals(&self, sagas: &[SagaId], limit: u32) -> Read<Vec<Read<Vec<Recorded>>>> {
        self.read(self.rows().journals(sagas, limit)).await
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Read<Vec<Head>> {
        self.read(self.rows().list(filter, below, limit)).await
    }

    async fn nodes(&self) -> Read<Vec<Row>> {
        self.read(self.rows().nodes()).await
    }

    async fn orphans(&self, after: Option<(Uuid, SagaId)>, limit: u32) -> Read<Vec<Head>> {
        self.read(self.rows().orphans(after, limit)).await
    }

    async fn owned(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Read<Vec<Head>> {
        self.read(self.rows().owned(owner, after, limit)).await
    }

    async fn due(&self, now: Time, limit: u32) -> Read<Vec<Head>> {
        self.read(self.rows().due(now, limit)).await
    }

    async fn next_due(&self) -> Read<Option<Time>> {
        self.read(self.rows().next_due()).await
    }

    async fn notes(&self, node: Uuid, limit: u32) -> Read<Vec<Noted>> {
        self.read(self.rows().notes(node, limit)).await
    }

    async fn verdict(&self, saga: SagaId, note: Uuid) -> Read<Option<Arc<str>>> {
        self.read(self.rows().verdict(saga, note)).await
    }

    async fn lock_queue(&self, lock: &LockName, after: Option<Time>, limit: u32) -> Read<Vec<Queued>> {
        self.read(self.rows().lock_queue(lock, after, limit)).await
    }

    async fn locks(&self, prefix: &str, after: Option<&LockName>, limit: u32) -> Read<Vec<HeldLock>> {
        self.read(self.rows().locks(prefix, after, limit)).await
    }

    async fn ended(&self, before: Time, after: Option<Cursor>, limit: u32) -> Read<Page> {
        self.read(self.rows().ended(before, after, limit)).await
    }

    async fn batches(&self, after: &Places, limit: u32) -> Read<Vec<Batch>> {
        self.read(self.rows().batches(after, limit)).await
    }

    async fn places(&self) -> Read<Places> {
        self.read(self.rows().places()).await
    }

    async fn dropped(&self) -> Read<Places> {
        self.read(self.rows().dropped()).await
    }

    async fn rows(&self, wanted: &[(SagaId, u64)]) -> Read<Vec<Read<Option<Recorded>>>> {
        self.read(Database::rows(self).rows(wanted)).await
    }

    async fn drop_batches(
        &self,
        before: Time,
        passed: Option<&Places>,
        now: Time,
        remember: Duration,
        limit: u32,
    ) -> Read<u64> {
        self.write(Database::rows(self).drop_batches(before, passed, now, remember, limit)).await
    }

    async fn add_subscription(&self, new: NewSubscription) -> Read<bool> {
        self.write(Database::rows(self).add_subscription(new)).await
    }

    async fn subscriptions(&self) -> Read<Vec<Subscription>> {
        self.read(Database::rows(self).subscriptions()).await
    }

    async fn delete_subscription(&self, id: Uuid) -> Read<bool> {
        self.write(Database::rows(self).delete_subscription(id)).await
    }

    async fn pause_subscription(&self, id: Uuid, at: Option<Time>) -> Read<bool> {
        self.write(Database::rows(self).pause_subscription(id, at)).await
    }

    async fn claim_subscription(&self, id: Uuid, owner: Uuid, lease: Duration) -> Read<Option<u64>> {
        self.write(Database::rows(self).claim_subscription(id, owner, lease)).await
    }

    async fn record_told(&self, id: Uuid, epoch: u64, told: Told) -> Read<bool> {
        self.write(Database::rows(self).record_told(id, epoch, told)).await
    }

    async fn scan(&self, after: Option<SagaId>, limit: u32) -> Read<Vec<(SagaId, Read<Head>)>> {
        self.read(self.rows().scan(after, limit)).await
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Read<Option<StoredDefinition>> {
        self.read(self.rows().definition(name, version)).await
    }

    async fn startable(&self, name: &str) -> Read<Option<StoredDefinition>> {
        self.read(self.rows().startable(name)).await
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Read<Vec<StoredDefinition>> {
        self.read(self.rows().definitions(after, limit)).await
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Read<Vec<StoredDefinition>> {
        self.read(self.rows().versions(name, below, limit)).await
    }

    async fn counts(&self) -> Read<Counts> {
        self.read(self.rows().counts()).await
    }

    async fn ping(&self) -> Read<()> {
        self.read(self.rows().ping()).await
    }

    async fn latest_at(&self) -> Read<Option<Time>> {
        self.read(self.rows().latest_at()).await
    }

    fn written(&self) -> Written {
        self.rows().written()
    }
}
