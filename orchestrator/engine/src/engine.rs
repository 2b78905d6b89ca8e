//! The engine as its callers see it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use amends_core::{definition::Services, ids::SagaId, summary::Status, time::Time};
use amends_store::Store;
use serde_json::Value;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    Catalogue, Clock, Faults, OpenError, Participant,
    bulkhead::Bulkheads,
    committer::{CommitIds, Committer},
    definitions::Definitions,
    faults::Unreliable,
    membership::{LeaseTerms, Membership},
    registry::{Ended, Progress, Registry, Whole},
    retention::Retention,
    token::{self, Tokens},
};

/// How long a wait for a saga that is not driven here sleeps between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// At a stop the store may be away.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// What an engine is made of.
pub struct Setup {
    pub store: Arc<dyn Store>,
    pub participant: Arc<dyn Participant>,
    pub clock: Arc<dyn Clock>,
    pub catalogue: Catalogue,
    pub limits: Limits,
    /// For people who look at the nodes: host and process.
    pub name: Arc<str>,
    pub lease: LeaseTerms,
    pub retention: Retention,
    /// Only in a process that was started for it: what goes wrong with calls.
    pub faults: Option<Arc<Faults>>,
}

/// What an engine may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sagas in memory at once. A start beyond it is refused before anything is written.
    pub max_live_sagas: usize,
    /// A saga with nothing to do for so long leaves memory until then.
    pub release_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_live_sagas: 10_000, release_after: Duration::from_secs(5) }
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
    pub(crate) membership: Membership,
    pub(crate) limits: Limits,
    pub(crate) retention: Retention,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) participant: Arc<dyn Participant>,
    faults: Option<Arc<Faults>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalogue: Catalogue,
    /// What definitions are checked against: the same with the documents of its services.
    pub(crate) services: Services,
    pub(crate) committer: Committer,
    pub(crate) commit_ids: CommitIds,
    pub(crate) bulkheads: Bulkheads,
    pub(crate) tokens: Tokens,
    pub(crate) definitions: Definitions,
    pub(crate) registry: Registry,
    /// A place for each live saga.
    pub(crate) places: Arc<Semaphore>,
    accepting: AtomicBool,
    /// Look for orphans, sleepers and notes now.
    pub(crate) sweep: Notify,
    /// Sagas whose claim or create was not answered: they may be owned here, with nobody driving them.
    pub(crate) in_doubt: Mutex<BTreeSet<SagaId>>,
    /// Owned here and not driven, because they cannot be read; when each was looked at last.
    pub(crate) unreadable: Mutex<HashMap<SagaId, Instant>>,
    /// Cancelled: start nothing new, finish what is in flight, let go.
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Cancelled last of all: the lease need not be kept any more.
    pub(crate) left: CancellationToken,
}

/// How a saga ended that somebody waited for.
#[derive(Clone, Debug)]
pub struct Settled {
    pub status: Status,
    pub attention: bool,
    pub output: Arc<Value>,
    /// All of it, if it was [`Watched::Whole`](crate::Watched::Whole).
    pub whole: Option<Whole>,
}

impl Engine {
    /// Opens an engine under an identity of its own and begins to adopt what other processes left. Returns at once; adoption
    /// goes on beside.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn open(setup: Setup) -> Result<Self, OpenError> {
        let (membership, now) = Membership::begin(&*setup.store, &setup.clock, setup.name, setup.lease).await?;
        if let Some(now) = now {
            setup.clock.anchor(now);
        }
        let offered = token::new_secret()?;
        let secret = setup.store.shared_key(token::SECRET, offered, setup.clock.now()).await?;
        let participant = match &setup.faults {
            Some(faults) => Arc::new(Unreliable { services: setup.participant, faults: faults.clone() }),
            None => setup.participant,
        };
        let inner = Inner {
            tokens: Tokens::new(secret),
            membership,
            limits: setup.limits,
            retention: setup.retention,
            committer: Committer::spawn(setup.store.clone()),
            commit_ids: CommitIds::default(),
            store: setup.store,
            participant,
            faults: setup.faults,
            clock: setup.clock,
            bulkheads: Bulkheads::new(&setup.catalogue),
            services: setup.catalogue.described(),
            catalogue: setup.catalogue,
            definitions: Definitions::default(),
            registry: Registry::default(),
            places: Arc::new(Semaphore::new(setup.limits.max_live_sagas)),
            accepting: AtomicBool::new(true),
            sweep: Notify::new(),
            in_doubt: Mutex::default(),
            unreadable: Mutex::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            left: CancellationToken::new(),
        };
        let engine = Self { inner: Arc::new(inner) };
        engine.inner.tasks.spawn(engine.clone().sweep());
        tokio::spawn(engine.clone().keep_lease());
        engine.inner.tasks.spawn(engine.clone().retain());
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

    /// What goes wrong with calls, if that may be said here.
    pub fn faults(&self) -> Option<&Arc<Faults>> {
        self.inner.faults.as_ref()
    }

    /// `false` once a shutdown has begun.
    pub fn accepting(&self) -> bool {
        self.inner.accepting.load(Ordering::Acquire)
    }

    /// Returns when a shutdown has begun.
    pub async fn until_stopping(&self) {
        self.inner.stopping.cancelled().await;
    }

    /// What time it is by the clock that sagas live by.
    pub fn now(&self) -> Time {
        self.inner.clock.now()
    }

    /// What is in flight is finished and let go of.
    pub(crate) fn stopping(&self) -> bool {
        !self.accepting()
    }

    /// The identity under which this process owns sagas now, and whether its lease lasts.
    pub fn identity(&self) -> (Uuid, bool) {
        let member = self.inner.membership.present();
        (member.id, member.holds())
    }

    /// How full it is.
    pub fn load(&self) -> Load {
        let max_live = self.inner.limits.max_live_sagas;
        Load { live: max_live - self.inner.places.available_permits(), max_live }
    }

    /// Returns when the saga has ended or raised attention, when there is no such saga, or when `wait` is over. Answers how it
    /// ended if it ended here.
    pub async fn settled(&self, saga: SagaId, wait: Duration) -> Option<Settled> {
        // The time is the caller's patience, so it is real time even where sagas run in virtual time.
        tokio::time::timeout(wait, self.settled_without_end(saga)).await.ok().flatten()
    }

    async fn settled_without_end(&self, saga: SagaId) -> Option<Settled> {
        loop {
            if let Some(mut live) = self.inner.registry.get(saga) {
                let settled = |progress: &Progress| progress.ended.is_some() || progress.attention;
                if let Ok(progress) = live.progress.wait_for(settled).await {
                    let attention = progress.attention;
                    let ended = progress.ended.clone();
                    return ended.map(|Ended { status, output, whole }| Settled { status, attention, output, whole });
                }
            }
            match self.inner.store.head(saga).await {
                Ok(Some(head)) if !head.summary.status.is_terminal() && !head.summary.attention => {}
                Ok(_) | Err(_) => return None,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops accepting; lets calls in flight finish and be written down, at most `grace`; lets go of every saga, so that
    /// another process takes it up at once; ends the lease.
    pub async fn shutdown(&self, grace: Duration) {
        self.inner.accepting.store(false, Ordering::Release);
        self.inner.stopping.cancel();
        self.inner.registry.nudge();
        self.inner.tasks.close();
        if tokio::time::timeout(grace, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(live = self.load().live, "calls are still in flight; they will count as unknown");
        }
        self.inner.left.cancel();
        // From here on nothing more is sent: what is still in flight may be adopted.
        let member = self.inner.membership.present();
        self.end(&member);
        match tokio::time::timeout(LEAVE_WITHIN, self.inner.store.leave(member.id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be ended; it ends by itself"),
            Err(_) => tracing::warn!("the lease could not be ended in time; it ends by itself"),
        }
    }
}
