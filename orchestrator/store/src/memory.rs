//! A store in memory, for tests of the engine: the same answers as the durable sides, and switches for their bad days.
//!
//! **What it must never know:** anything the durable sides do not; `conformance` holds all of them to one behaviour.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use amends_core::{event::Recorded, ids::SagaId, summary::Status, time::Time};
use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Append, AppendError, Claim, Counts, Cursor, Filter, Head, NewDefinition, Put, Store, StoreError, StoredDefinition,
    Written, append::Standing,
};

/// A store that ends with the process.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
    paused: watch::Sender<bool>,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Rows {
    sagas: BTreeMap<SagaId, Saga>,
    definitions: BTreeMap<(Arc<str>, u32), StoredDefinition>,
    written: Written,
    failing_commits: usize,
    losing_answer: bool,
}

#[derive(Debug)]
struct Saga {
    head: Head,
    last_commit: Uuid,
    journal: Vec<Recorded>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { rows: Mutex::default(), paused: watch::Sender::new(false), waiting: AtomicUsize::new(0) }
    }
}

impl MemoryStore {
    /// The next `n` commits write nothing and answer that the store is away.
    pub fn fail_next_commits(&self, n: usize) {
        self.rows().failing_commits = n;
    }

    /// The next commit is made, but answers that the store is away.
    pub fn lose_next_answer(&self) {
        self.rows().losing_answer = true;
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

    fn heads(&self, keep: impl Fn(&Head) -> bool) -> Vec<Head> {
        self.rows().sagas.values().map(|saga| &saga.head).filter(|head| keep(head)).cloned().collect()
    }
}

impl Rows {
    fn apply(&mut self, append: Append) -> Result<bool, AppendError> {
        append.check()?;
        match (self.sagas.get_mut(&append.saga), &append.create) {
            (None, Some(create)) => {
                let head = Head {
                    saga: append.saga,
                    name: Arc::clone(&create.name),
                    version: create.version,
                    definition: create.definition.clone(),
                    key: create.key.clone(),
                    owner: Some(create.owner),
                    epoch: append.epoch,
                    next_seq: append.next_seq(),
                    started_at: append.first_at(),
                    updated_at: append.last_at(),
                    summary: append.summary,
                };
                let saga = Saga { head, last_commit: append.commit, journal: append.events };
                self.sagas.insert(append.saga, saga);
                Ok(true)
            }
            (Some(saga), None) if saga.head.epoch == append.epoch && saga.head.next_seq == append.expected_seq() => {
                saga.head.next_seq = append.next_seq();
                saga.head.updated_at = append.last_at();
                saga.head.summary = append.summary;
                saga.last_commit = append.commit;
                saga.journal.extend(append.events);
                Ok(true)
            }
            (Some(saga), _) => append.judge(Some(&saga.standing())).map(|()| false),
            (None, None) => append.judge(None).map(|()| false),
        }
    }
}

impl Saga {
    fn standing(&self) -> Standing {
        Standing { epoch: self.head.epoch, next_seq: self.head.next_seq, last_commit: self.last_commit }
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
        if rows.failing_commits > 0 {
            rows.failing_commits -= 1;
            return batch.iter().map(|_| Err(away().into())).collect();
        }
        let made: Vec<Result<bool, AppendError>> = batch.into_iter().map(|append| rows.apply(append)).collect();
        let applied = made.iter().filter(|made| matches!(made, Ok(true))).count();
        if applied > 0 {
            rows.written.commits += 1;
            rows.written.appends += u64::try_from(applied).expect("invariant: a batch fits into memory");
        }
        if std::mem::take(&mut rows.losing_answer) {
            return made.iter().map(|_| Err(away().into())).collect();
        }
        made.into_iter().map(|made| made.map(|_| ())).collect()
    }

    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError> {
        Ok(self.rows().sagas.get(&saga).map(|saga| saga.head.clone()))
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        let rows = self.rows();
        let journal = rows.sagas.get(&saga).map_or(&[][..], |saga| &saga.journal);
        Ok(journal.iter().filter(|recorded| seqs.contains(&recorded.seq)).take(at_most(limit)).cloned().collect())
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError> {
        let mut heads = self.heads(|head| {
            (filter.statuses.is_empty() || filter.statuses.contains(&head.summary.status))
                && filter.name.as_deref().is_none_or(|name| *name == *head.name)
                && filter.attention.is_none_or(|attention| attention == head.summary.attention)
                && filter.started_from.is_none_or(|from| from <= head.started_at)
                && filter.started_before.is_none_or(|before| head.started_at < before)
                && below.is_none_or(|below| (head.started_at, head.saga) < (below.started_at, below.saga))
        });
        heads.sort_unstable_by_key(|head| std::cmp::Reverse((head.started_at, head.saga)));
        heads.truncate(at_most(limit));
        Ok(heads)
    }

    async fn orphans(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError> {
        let mut heads = self.heads(|head| {
            !head.summary.status.is_terminal()
                && head.owner != Some(owner)
                && after.is_none_or(|after| after < head.saga)
        });
        heads.truncate(at_most(limit));
        Ok(heads)
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
        let mut rows = self.rows();
        let mut adopt = |claim: Claim| match rows.sagas.get_mut(&claim.saga) {
            Some(saga) if saga.head.owner == claim.owner && saga.head.epoch == claim.epoch => {
                saga.head.owner = Some(owner);
                saga.head.epoch += 1;
                true
            }
            Some(_) | None => false,
        };
        Ok(sagas.into_iter().map(&mut adopt).collect())
    }

    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError> {
        let mut rows = self.rows();
        let NewDefinition { name, version, digest, source, at } = definition;
        let mut of_name = rows.definitions.range((Arc::clone(&name), 0)..=(Arc::clone(&name), u32::MAX)).rev();
        let version = match version {
            Some(version) => match rows.definitions.get(&(Arc::clone(&name), version)) {
                Some(kept) if kept.digest == digest => return Ok(Put::Same(version)),
                Some(kept) => return Ok(Put::Taken { digest: kept.digest.clone() }),
                None => version,
            },
            None => {
                let highest = of_name.clone().next().map(|((_, version), _)| *version);
                if let Some(((_, version), _)) = of_name.find(|(_, kept)| kept.digest == digest) {
                    return Ok(Put::Same(*version));
                }
                highest.map_or(Some(1), |highest| highest.checked_add(1)).ok_or_else(|| StoreError::Refused {
                    reason: format!("no version is above the highest of {name}"),
                })?
            }
        };
        let kept = StoredDefinition { name: Arc::clone(&name), version, digest, source, created_at: at };
        rows.definitions.insert((name, version), kept);
        Ok(Put::Created(version))
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError> {
        let rows = self.rows();
        let mut of_name = rows.definitions.values().rev().filter(|kept| *kept.name == *name);
        Ok(of_name.find(|kept| version.is_none_or(|version| version == kept.version)).cloned())
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        let rows = self.rows();
        let mut newest: BTreeMap<&str, &StoredDefinition> = BTreeMap::new();
        // Versions come in order: the last one of a name stays.
        newest.extend(rows.definitions.values().map(|kept| (&*kept.name, kept)));
        let above = newest.into_values().filter(|kept| after.is_none_or(|after| *after < *kept.name));
        Ok(above.take(at_most(limit)).cloned().collect())
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        let rows = self.rows();
        let of_name = rows.definitions.values().rev().filter(|kept| *kept.name == *name);
        let under = of_name.filter(|kept| below.is_none_or(|below| kept.version < below));
        Ok(under.take(at_most(limit)).cloned().collect())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        for head in self.heads(|head| !head.summary.status.is_terminal()) {
            counts.running += u64::from(head.summary.status == Status::Running);
            counts.compensating += u64::from(head.summary.status == Status::Compensating);
            counts.attention += u64::from(head.summary.attention);
        }
        Ok(counts)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn latest_at(&self) -> Result<Option<Time>, StoreError> {
        let live = self.heads(|head| !head.summary.status.is_terminal());
        Ok(live.into_iter().map(|head| head.updated_at).max())
    }

    fn written(&self) -> Written {
        self.rows().written
    }
}

#[cfg(test)]
mod tests {

    use std::sync::Arc;

    use super::MemoryStore;
    use crate::{
        Store,
        conformance::given::{create, words},
    };

    async fn empty() -> (Arc<dyn Store>, ()) {
        (Arc::new(MemoryStore::default()), ())
    }

    crate::conformance_tests!(empty);

    #[tokio::test]
    async fn commits_fail_as_often_as_told_and_write_nothing() {
        let store = MemoryStore::default();
        let append = create(1);
        store.fail_next_commits(2);
        for _ in 0..2 {
            assert_eq!(words(&store.commit(vec![append.clone()]).await), ["unavailable"]);
            assert_eq!(store.head(append.saga).await.unwrap(), None);
        }
        assert_eq!(words(&store.commit(vec![append]).await), ["ok"]);
    }

    #[tokio::test]
    async fn a_lost_answer_hides_a_commit_that_was_made() {
        let store = MemoryStore::default();
        let append = create(1);
        store.lose_next_answer();
        assert_eq!(words(&store.commit(vec![append.clone()]).await), ["unavailable"]);
        assert!(store.head(append.saga).await.unwrap().is_some());
        assert_eq!(words(&store.commit(vec![append]).await), ["ok"]);
        assert_eq!(store.written().appends, 1);
    }

    #[tokio::test]
    async fn a_paused_commit_waits_until_it_is_let_through() {
        let store = Arc::new(MemoryStore::default());
        let append = create(1);
        store.pause();
        let commit = tokio::spawn({
            let (store, append) = (Arc::clone(&store), append.clone());
            async move { store.commit(vec![append]).await }
        });
        while store.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.head(append.saga).await.unwrap(), None);
        store.resume();
        assert_eq!(words(&commit.await.unwrap()), ["ok"]);
        assert_eq!(store.waiting(), 0);
    }
}
