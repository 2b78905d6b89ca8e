//! The write door: gathers the appends that are waiting, from any number of sagas, into one transaction (group commit).
//! As long as one is being synced the next gathers; no timer, and a lone saga waits for nobody.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use amends_store::{Append, AppendError, Store, StoreError, lane_of};
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Appends in one transaction. Bounds the memory of a batch and the time its writers wait.
const BATCH_APPENDS: usize = 1_024;
/// Appends that wait for the next transaction. Each live saga has at most one, and their number is bounded.
const QUEUE_APPENDS: usize = 65_536;

type Answer = oneshot::Sender<Result<(), AppendError>>;

#[derive(Clone)]
pub(crate) struct Committer {
    /// One queue for each batch that the store can take side by side.
    lanes: Arc<[mpsc::Sender<(Append, Answer)>]>,
}

/// Ids for commits: a number for each behind what this process drew once. No two are the same, and none costs a die.
#[derive(Debug)]
pub(crate) struct CommitIds {
    drawn: u64,
    next: AtomicU64,
}

impl Default for CommitIds {
    fn default() -> Self {
        Self { drawn: Uuid::new_v4().as_u64_pair().0, next: AtomicU64::new(Uuid::new_v4().as_u64_pair().1 >> 16) }
    }
}

impl CommitIds {
    pub(crate) fn next(&self) -> Uuid {
        Uuid::from_u64_pair(self.drawn, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Committer {
    pub(crate) fn spawn(store: Arc<dyn Store>) -> Self {
        let lanes = (0..store.lanes().max(1)).map(|_| {
            let (queue, waiting) = mpsc::channel(QUEUE_APPENDS);
            tokio::spawn(run(store.clone(), waiting));
            queue
        });
        Self { lanes: lanes.collect() }
    }

    /// Returns when the append is durable, or why it is not.
    pub(crate) async fn append(&self, append: Append) -> Result<(), AppendError> {
        let gone = || StoreError::Unavailable { reason: "the write door is closed".to_owned(), source: None };
        let (answer, verdict) = oneshot::channel();
        self.lanes[lane_of(append.saga, self.lanes.len())].send((append, answer)).await.map_err(|_| gone())?;
        verdict.await.map_err(|_| gone())?
    }
}

async fn run(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<(Append, Answer)>) {
    let mut gathered = Vec::with_capacity(BATCH_APPENDS);
    while waiting.recv_many(&mut gathered, BATCH_APPENDS).await > 0 {
        let (batch, answers): (Vec<_>, Vec<_>) = gathered.drain(..).unzip();
        // A panic behind the door must not close it for everybody.
        let committed = AssertUnwindSafe(store.commit(batch)).catch_unwind().await;
        let verdicts = committed.unwrap_or_else(|_| {
            tracing::error!("the store panicked; the batch will be tried again");
            let lost = StoreError::Unavailable { reason: "the store panicked".to_owned(), source: None };
            vec![Err(AppendError::Unavailable(lost)); answers.len()]
        });
        assert_eq!(verdicts.len(), answers.len(), "invariant: a store answers for each append");
        for (answer, verdict) in answers.into_iter().zip(verdicts) {
            // Nobody waits any more if its writer ended; the append is made all the same.
            drop(answer.send(verdict));
        }
    }
}
