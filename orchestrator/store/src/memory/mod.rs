//! A store in memory, for tests of the engine: the same answers as the durable sides, and switches for their bad days.
//!
//! It acts as either of them: [`MemoryStore::default`] belongs to one process at a time, as SQLite does; one that is
//! [`MemoryStore::shared`] has many nodes with leases, as PostgreSQL does.
//!
//! **What it must never know:** anything the durable sides do not; `conformance` holds all of them to one behaviour.

mod batches;
mod definitions;
mod inbox;
mod locks;
mod nodes;
mod poisoned;
mod rows;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use amends_core::{
    event::Recorded,
    ids::{LockName, SagaId},
    summary::Status,
    time::Time,
};
use async_trait::async_trait;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use self::rows::{Rows, Saga};
use crate::{
    Append, AppendError, Batch, Claim, Counts, Cursor, Deleted, Filter, Head, HeldLock, Lease, NewDefinition, NewNode,
    NewSubscription, Node, Note, Noted, Page, Place, Places, Poisoned, Put, Queued, Secret, Store, StoreError,
    StoredDefinition, Subscription, Told, Verdict, Written,
};

/// A store that ends with the process.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Arc<Mutex<Rows>>,
    reads: Mutex<Reads>,
    /// `None`: that of the system.
    now: Mutex<Option<Time>>,
    paused: watch::Sender<bool>,
    waiting: AtomicUsize,
    /// The next read of journals waits for it.
    held: Mutex<Option<oneshot::Receiver<()>>>,
}

/// How reads for callers go: of one saga, lists, definitions, pings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    #[default]
    Well,
    /// Unavailable, for this reason.
    Away(&'static str),
    /// Corrupt, for this reason.
    Corrupt(&'static str),
    /// With this message.
    Panic(&'static str),
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            rows: Arc::default(),
            reads: Mutex::default(),
            now: Mutex::default(),
            paused: watch::Sender::new(false),
            waiting: AtomicUsize::new(0),
            held: Mutex::default(),
        }
    }
}

impl MemoryStore {
    /// One for many nodes, whose leases end by [`MemoryStore::now`].
    pub fn shared() -> Self {
        let store = Self::default();
        store.rows().nodes.shared = true;
        store
    }

    /// The database's time: that of the system until [`MemoryStore::set_now`] was called.
    pub fn now(&self) -> Time {
        let set = *self.now.lock().expect("invariant: nothing panics while it holds the time");
        set.unwrap_or_else(|| Time(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Stops the database's time here.
    pub fn set_now(&self, now: Time) {
        *self.now.lock().expect("invariant: nothing panics while it holds the time") = Some(now);
    }

    /// Ends a lease now, as time would.
    pub fn end_lease(&self, node: Uuid) {
        let now = self.now();
        self.rows().nodes.end(node, now);
    }

    /// The next `n` commits write nothing and answer that the store is away.
    pub fn fail_next_commits(&self, n: usize) {
        self.rows().failing_commits = n;
    }

    /// From now on a purge leaves nothing of any saga, so that tests see who notices.
    pub fn leave_no_stubs(&self) {
        self.rows().leaving_no_stubs = true;
    }

    /// The next commit is made, but answers that the store is away.
    pub fn lose_next_answer(&self) {
        self.rows().losing_answer = true;
    }

    /// Whether that answer has been lost.
    pub fn has_lost_it(&self) -> bool {
        !self.rows().losing_answer
    }

    /// From now on every append that makes no saga is acknowledged before it is made, and made so much later: against the one
    /// promise of a store. For negative controls.
    pub fn acknowledge_early(&self, by: Duration) {
        self.rows().hasty_by = Some(by);
    }

    /// From now on appends of any epoch are taken, if they go on with the journal. For negative controls.
    pub fn take_any_epoch(&self) {
        self.rows().taking_any_epoch = true;
    }

    /// How reads go from now on.
    pub fn reads(&self, reads: Reads) {
        *self.reads.lock().expect("invariant: nothing panics while it holds the switch") = reads;
    }

    fn readable(&self) -> Result<(), StoreError> {
        let reads = *self.reads.lock().expect("invariant: nothing panics while it holds the switch");
        match reads {
            Reads::Well => Ok(()),
            Reads::Away(reason) => Err(StoreError::Unavailable { reason: reason.to_owned(), source: None }),
            Reads::Corrupt(reason) => Err(StoreError::Corrupt { reason: reason.to_owned() }),
            Reads::Panic(message) => panic!("{message}"),
        }
    }

    /// The next read of several journals waits until something is sent, and reads then.
    pub fn hold_next_journals(&self) -> oneshot::Sender<()> {
        let (go_on, held) = oneshot::channel();
        *self.held.lock().expect("invariant: nothing panics while it holds the switch") = Some(held);
        go_on
    }

    /// Commits wait from now on, so that a test can gather a batch behind one.
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Lets waiting commits through, and those to come.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// How many commits wait because of [`MemoryStore::pause`].
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().expect("invariant: nothing panics while it holds the rows")
    }

    async fn until_resumed(&self) {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        let mut paused = self.paused.subscribe();
        paused.wait_for(|paused| !paused).await.expect("invariant: the sender lives as long as the store");
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { reason: "the memory store was told to be away".to_owned(), source: None }
}

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        self.until_resumed().await;
        let mut rows = self.rows();
        if let Some(by) = rows.hasty_by.filter(|_| batch.iter().all(|append| append.create.is_none())) {
            let (rows, acknowledged) = (self.rows.clone(), batch.iter().map(|_| Ok(())).collect());
            tokio::spawn(async move {
                tokio::time::sleep(by).await;
                let mut rows = rows.lock().expect("invariant: nothing panics while it holds the rows");
                // Nobody hears the answer, which was given before.
                drop(rows.apply_all(batch));
            });
            return acknowledged;
        }
        if rows.failing_commits > 0 {
            rows.failing_commits -= 1;
            return batch.iter().map(|_| Err(away().into())).collect();
        }
        let made = rows.apply_all(batch);
        let applied = made.iter().filter(|made| matches!(made, Ok(true))).count();
        if applied > 0 {
            rows.written.commits += 1;
            rows.written.appends += u64::try_from(applied).expect("invariant: a batch fits into memory");
            // It has none, but something was done.
            rows.written.statements += 1;
        }
        if std::mem::take(&mut rows.losing_answer) {
            return made.iter().map(|_| Err(away().into())).collect();
        }
        made.into_iter().map(|made| made.map(|_| ())).collect()
    }

    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError> {
        self.readable()?;
        Ok(self.rows().sagas.get(&saga).map(|saga| saga.head.clone()))
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        self.readable()?;
        let rows = self.rows();
        let journal = rows.sagas.get(&saga).map_or(&[][..], |saga| &saga.journal);
        Ok(journal.iter().filter(|recorded| seqs.contains(&recorded.seq)).take(at_most(limit)).cloned().collect())
    }

    async fn journals(
        &self,
        sagas: &[SagaId],
        limit: u32,
    ) -> Result<Vec<Result<Vec<Recorded>, StoreError>>, StoreError> {
        let held = self.held.lock().expect("invariant: nothing panics while it holds the switch").take();
        if let Some(held) = held {
            // Whoever holds it may also just go away.
            let _ = held.await;
        }
        let rows = self.rows();
        let beginning = |saga: &Saga| saga.journal.iter().take(at_most(limit)).cloned().collect();
        Ok(sagas.iter().map(|saga| Ok(rows.sagas.get(saga).map_or_else(Vec::new, beginning))).collect())
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError> {
        self.readable()?;
        Ok(self.rows().list(filter, below, limit))
    }

    async fn join(&self, node: NewNode, lease: Duration) -> Result<Lease, StoreError> {
        let now = self.now();
        Ok(self.rows().join(node, now, lease))
    }

    async fn renew(&self, node: Uuid, lease: Duration) -> Result<Lease, StoreError> {
        let now = self.now();
        Ok(self.rows().nodes.renew(node, now, lease))
    }

    async fn leave(&self, node: Uuid) -> Result<(), StoreError> {
        self.end_lease(node);
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let now = self.now();
        Ok(self.rows().nodes.last(now))
    }

    async fn orphans(&self, after: Option<(Uuid, SagaId)>, limit: u32) -> Result<Vec<Head>, StoreError> {
        let now = self.now();
        Ok(self.rows().orphans(now, after, limit))
    }

    async fn owned(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError> {
        let mut owned = self.rows().live();
        owned.retain(|head| head.owner == Some(owner) && after.is_none_or(|after| after < head.saga));
        owned.truncate(at_most(limit));
        Ok(owned)
    }

    async fn due(&self, now: Time, limit: u32) -> Result<Vec<Head>, StoreError> {
        let asleep = self.rows().asleep();
        let due = asleep.into_iter().take_while(|(until, _)| *until <= now);
        Ok(due.map(|(_, head)| head).take(at_most(limit)).collect())
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        Ok(self.rows().asleep().first().map(|(until, _)| *until))
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
        let mut rows = self.rows();
        Ok(sagas.into_iter().map(|claim| rows.adopt(claim, owner)).collect())
    }

    async fn post(&self, note: Note) -> Result<(), StoreError> {
        self.rows().post(note);
        Ok(())
    }

    async fn notes(&self, node: Uuid, limit: u32) -> Result<Vec<Noted>, StoreError> {
        Ok(self.rows().notes(node, limit))
    }

    async fn settle(&self, saga: SagaId, epoch: u64, verdicts: Vec<Verdict>) -> Result<bool, StoreError> {
        Ok(self.rows().settle(saga, epoch, &verdicts))
    }

    async fn poison(&self, epoch: u64, poisoned: Poisoned) -> Result<bool, StoreError> {
        Ok(self.rows().poison(epoch, poisoned))
    }

    async fn poisoned(&self, saga: SagaId) -> Result<Option<Poisoned>, StoreError> {
        self.readable()?;
        Ok(self.rows().poisoned(saga))
    }

    async fn verdict(&self, saga: SagaId, note: Uuid) -> Result<Option<Arc<str>>, StoreError> {
        self.rows().verdict(saga, note)
    }

    async fn enqueue(&self, lock: &LockName, saga: SagaId, at: Time) -> Result<Place, StoreError> {
        Ok(self.rows().enqueue(lock, saga, at))
    }

    async fn lock_queue(&self, lock: &LockName, after: Option<Time>, limit: u32) -> Result<Vec<Queued>, StoreError> {
        self.readable()?;
        Ok(self.rows().lock_queue(lock, after, limit))
    }

    async fn locks(&self, prefix: &str, after: Option<&LockName>, limit: u32) -> Result<Vec<HeldLock>, StoreError> {
        self.readable()?;
        Ok(self.rows().held_locks(prefix, after, limit))
    }

    async fn leave_queues(&self, saga: SagaId, locks: &[LockName]) -> Result<(), StoreError> {
        self.rows().leave_queues(saga, locks);
        Ok(())
    }

    async fn tidy(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        let now = self.now();
        let mut rows = self.rows();
        let gone = rows.tidy_notes(before, limit) + rows.tidy_nodes(now, before, limit);
        Ok(gone + rows.tidy_locks(before, limit) + rows.tidy_poisoned(before, limit))
    }

    async fn ended(&self, before: Time, after: Option<Cursor>, limit: u32) -> Result<Page, StoreError> {
        Ok(self.rows().ended(before, after, limit))
    }

    async fn purge(&self, sagas: Vec<SagaId>, at: Time) -> Result<u64, StoreError> {
        Ok(self.rows().purge(sagas, at))
    }

    async fn batches(&self, after: &Places, limit: u32) -> Result<Vec<Batch>, StoreError> {
        self.readable()?;
        Ok(self.rows().batches.beyond(after, limit))
    }

    async fn places(&self) -> Result<Places, StoreError> {
        self.readable()?;
        Ok(self.rows().batches.places())
    }

    async fn dropped(&self) -> Result<Places, StoreError> {
        self.readable()?;
        Ok(self.rows().batches.dropped())
    }

    async fn rows(&self, wanted: &[(SagaId, u64)]) -> Result<Vec<Result<Option<Recorded>, StoreError>>, StoreError> {
        self.readable()?;
        let rows = self.rows();
        let row = |(saga, seq): &(SagaId, u64)| {
            let journal = rows.sagas.get(saga).map_or(&[][..], |saga| &saga.journal);
            Ok(journal.iter().find(|recorded| recorded.seq == *seq).cloned())
        };
        Ok(wanted.iter().map(row).collect())
    }

    async fn drop_batches(
        &self,
        before: Time,
        passed: Option<&Places>,
        now: Time,
        remember: Duration,
        limit: u32,
    ) -> Result<u64, StoreError> {
        Ok(self.rows().batches.drop_before(before, passed, now, remember, limit))
    }

    async fn add_subscription(&self, new: NewSubscription) -> Result<bool, StoreError> {
        Ok(self.rows().subscriptions.add(new))
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        self.readable()?;
        Ok(self.rows().subscriptions.all())
    }

    async fn delete_subscription(&self, id: Uuid) -> Result<bool, StoreError> {
        Ok(self.rows().subscriptions.delete(id))
    }

    async fn pause_subscription(&self, id: Uuid, at: Option<Time>) -> Result<bool, StoreError> {
        Ok(self.rows().subscriptions.pause(id, at))
    }

    async fn claim_subscription(&self, id: Uuid, owner: Uuid, lease: Duration) -> Result<Option<u64>, StoreError> {
        let now = self.now();
        let mut rows = self.rows();
        let shared = rows.nodes.shared;
        Ok(rows.subscriptions.claim(id, owner, now, lease, shared))
    }

    async fn record_told(&self, id: Uuid, epoch: u64, told: Told) -> Result<bool, StoreError> {
        Ok(self.rows().subscriptions.record(id, epoch, told))
    }

    async fn scan(
        &self,
        after: Option<SagaId>,
        limit: u32,
    ) -> Result<Vec<(SagaId, Result<Head, StoreError>)>, StoreError> {
        let mut heads = self.rows().heads(|head| after.is_none_or(|after| after < head.saga));
        heads.truncate(at_most(limit));
        Ok(heads.into_iter().map(|head| (head.saga, Ok(head))).collect())
    }

    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError> {
        self.rows().put_definition(definition)
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError> {
        self.readable()?;
        Ok(self.rows().definition(name, version))
    }

    async fn startable(&self, name: &str) -> Result<Option<StoredDefinition>, StoreError> {
        self.readable()?;
        Ok(self.rows().startable(name))
    }

    async fn set_disabled(&self, name: &str, version: u32, at: Option<Time>) -> Result<bool, StoreError> {
        Ok(self.rows().set_disabled(name, version, at))
    }

    async fn delete_definition(&self, name: &str, version: u32, _at: Time) -> Result<Deleted, StoreError> {
        Ok(self.rows().delete_definition(name, version))
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        self.readable()?;
        Ok(self.rows().definitions(after, limit))
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        self.readable()?;
        Ok(self.rows().versions(name, below, limit))
    }

    async fn shared_key(&self, name: &str, offered: Secret, _at: Time) -> Result<Secret, StoreError> {
        Ok(*self.rows().keys.entry(name.into()).or_insert(offered))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        for head in self.rows().live() {
            counts.running += u64::from(head.summary.status == Status::Running);
            counts.compensating += u64::from(head.summary.status == Status::Compensating);
            counts.attention += u64::from(head.summary.attention);
        }
        Ok(counts)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.readable()?;
        Ok(())
    }

    async fn latest_at(&self) -> Result<Option<Time>, StoreError> {
        Ok(self.rows().live().into_iter().map(|head| head.updated_at).max())
    }

    fn written(&self) -> Written {
        self.rows().written
    }
}
