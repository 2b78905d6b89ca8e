//! The engine as its callers see it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use amends_core::ids::SagaId;
use amends_store::Store;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    Catalogue, Clock, OpenError, Participant,
    bulkhead::Bulkheads,
    committer::Committer,
    definitions::Definitions,
    registry::{Progress, Registry},
};

/// How long a wait for a saga that is not driven here sleeps between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What an engine is made of.
pub struct Setup {
    pub store: Arc<dyn Store>,
    pub participant: Arc<dyn Participant>,
    pub clock: Arc<dyn Clock>,
    pub catalogue: Catalogue,
    pub limits: Limits,
}

/// What an engine may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sagas in memory at once. A start beyond it is refused before anything is written.
    pub max_live_sagas: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_live_sagas: 10_000 }
    }
}

/// How full it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub live: usize,
    pub max_live: usize,
}

/// Drives sagas. Clones are one engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// Made new at each start: a process never owns what an earlier one owned without adopting it.
    pub(crate) owner: Uuid,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) participant: Arc<dyn Participant>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalogue: Catalogue,
    pub(crate) committer: Committer,
    pub(crate) bulkheads: Bulkheads,
    pub(crate) definitions: Definitions,
    pub(crate) registry: Registry,
    /// A place for each live saga.
    pub(crate) places: Arc<Semaphore>,
    max_live: usize,
    accepting: AtomicBool,
    /// Cancelled: start nothing new, finish what is in flight, let go.
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Engine {
    /// Opens an engine and begins to adopt what other processes left. Returns at once; adoption goes on beside.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn open(setup: Setup) -> Result<Self, OpenError> {
        setup.store.ping().await?;
        let inner = Inner {
            owner: Uuid::new_v4(),
            committer: Committer::spawn(setup.store.clone()),
            store: setup.store,
            participant: setup.participant,
            clock: setup.clock,
            bulkheads: Bulkheads::new(&setup.catalogue),
            catalogue: setup.catalogue,
            definitions: Definitions::default(),
            registry: Registry::default(),
            places: Arc::new(Semaphore::new(setup.limits.max_live_sagas)),
            max_live: setup.limits.max_live_sagas,
            accepting: AtomicBool::new(true),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let engine = Self { inner: Arc::new(inner) };
        engine.inner.tasks.spawn(engine.clone().adopt_orphans());
        Ok(engine)
    }

    /// The read side.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The services it knows.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// `false` once a shutdown has begun.
    pub fn accepting(&self) -> bool {
        self.inner.accepting.load(Ordering::Relaxed)
    }

    /// How full it is.
    pub fn load(&self) -> Load {
        let max_live = self.inner.max_live;
        Load { live: max_live - self.inner.places.available_permits(), max_live }
    }

    /// Returns when the saga has ended or raised attention, when there is no such saga, or when `wait` is over.
    pub async fn settled(&self, saga: SagaId, wait: Duration) {
        // The time is the caller's patience, so it is real time even where sagas run in virtual time.
        drop(tokio::time::timeout(wait, self.settled_without_end(saga)).await);
    }

    async fn settled_without_end(&self, saga: SagaId) {
        loop {
            if let Some(mut live) = self.inner.registry.get(saga) {
                let settled = |progress: &Progress| progress.ended || progress.attention;
                if live.progress.wait_for(settled).await.is_ok() {
                    return;
                }
            }
            match self.inner.store.head(saga).await {
                Ok(Some(head)) if !head.summary.status.is_terminal() && !head.summary.attention => {}
                Ok(_) | Err(_) => return,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops accepting; lets calls in flight finish and be written down, at most `grace`; lets go of every saga.
    pub async fn shutdown(&self, grace: Duration) {
        self.inner.accepting.store(false, Ordering::Relaxed);
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(grace, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(live = self.load().live, "calls are still in flight; they will count as unknown");
        }
    }
}
