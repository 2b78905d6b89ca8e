//! What all nodes of a run share: the store that outlives them, the services, the network between, and who watches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use amends_core::{
    event::Event,
    ids::{LockName, SagaId},
    time::Time,
};
use amends_engine::Engine;
use amends_store::{Append, AppendError, Store as _, memory::MemoryStore};
use tokio::time::Instant;

use crate::{
    dice::Dice,
    plan::{Plan, Weather},
    services::Services,
};

pub(crate) const START: Time = Time(1_893_456_000_000_000);

/// A rule that a negative control switches off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The store acknowledges what it has not written yet, so that whatever follows is sent before it is durable.
    CommitBeforeSend,
    /// Participants take calls of any epoch.
    FenceThere,
    /// The store takes appends of any epoch.
    FenceInStore,
    Tombstone,
    /// A timeout is said to be a refusal.
    TimeoutIsUnknown,
    /// An unknown attempt is forgotten as soon as another follows.
    UnknownIsSticky,
    /// The barrier looks, and acts later.
    InsertAsLock,
    /// The lease is reckoned by a clock that stands still whenever the node does.
    LeaseOnNodeClock,
}

/// A request that left a node.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at_us: u64,
    pub(crate) slot: usize,
    pub(crate) saga: SagaId,
    /// Step, with its item.
    pub(crate) unit: String,
    pub(crate) op: &'static str,
    pub(crate) attempt: u32,
    pub(crate) epoch: u64,
    pub(crate) digest: String,
}

/// What callers were told, and may rely on from then on (invariant 8).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Started {
        saga: SagaId,
        name: String,
        key: String,
    },
    /// `false`: it is only written down.
    Cancelled {
        saga: SagaId,
        undoing: bool,
    },
    Signalled {
        saga: SagaId,
    },
    CalledBack {
        saga: SagaId,
        unit: String,
        succeeded: bool,
    },
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) off: Option<Rule>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) dice: Dice,
    weather: Weather,
    began: Instant,
    clear: AtomicBool,
    /// Requests, late writes and callbacks that are still to come.
    in_the_air: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) wire: Vec<Sent>,
    pub(crate) told: Vec<Told>,
    pub(crate) services: Services,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// What must never happen, seen as it happened.
    pub(crate) wrongs: Vec<String>,
    engines: Vec<Option<Engine>>,
    holders: BTreeMap<LockName, SagaId>,
}

impl World {
    pub(crate) fn new(seed: u64, plan: &Plan, off: Option<Rule>) -> Arc<Self> {
        let store = MemoryStore::shared();
        if off == Some(Rule::FenceInStore) {
            store.take_any_epoch();
        }
        let seen = Seen { services: Services::new(seed, &plan.weather, off), ..Seen::default() };
        Arc::new(Self {
            seed,
            off,
            store: Arc::new(store),
            dice: Dice::of(seed, 2),
            weather: plan.weather.clone(),
            began: Instant::now(),
            // It clouds over once everything is set up.
            clear: AtomicBool::new(true),
            in_the_air: AtomicUsize::new(0),
            seen: Mutex::new(seen),
        })
    }

    /// Since it began.
    pub(crate) fn us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).expect("short")
    }

    pub(crate) fn now(&self) -> Time {
        START + self.began.elapsed()
    }

    pub(crate) fn set_clear(&self, clear: bool) {
        self.clear.store(clear, Ordering::Relaxed);
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.clear.load(Ordering::Relaxed)
    }

    /// Whether this goes wrong now; counted if it does.
    pub(crate) fn goes_wrong(&self, what: &'static str, often: impl Fn(&Weather) -> u64) -> bool {
        let wrong = !self.is_clear() && self.dice.happens(often(&self.weather));
        if wrong {
            self.count(what);
        }
        wrong
    }

    pub(crate) fn store_is_out(&self) -> bool {
        let at = self.us() / 1_000;
        !self.is_clear() && self.weather.outage.is_some_and(|(from, until)| (from..until).contains(&at))
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.seen().counts.entry(what).or_default() += 1;
    }

    pub(crate) fn wrong(&self, what: String) {
        self.seen().wrongs.push(what);
    }

    pub(crate) fn put(&self, slot: usize, engine: Option<Engine>) {
        let mut seen = self.seen();
        if seen.engines.len() <= slot {
            seen.engines.resize(slot + 1, None);
        }
        seen.engines[slot] = engine;
    }

    /// An engine to turn to: whoever is in this place, or the next that is there.
    pub(crate) fn engine(&self, place: u64) -> Option<Engine> {
        let seen = self.seen();
        let all = &seen.engines;
        (0..all.len()).find_map(|turn| all[(usize::try_from(place % 64).expect("small") + turn) % all.len()].clone())
    }

    /// Something happens later, whatever becomes of the node that caused it.
    pub(crate) fn later(self: &Arc<Self>, what: impl Future<Output = ()> + Send + 'static) {
        self.in_the_air.fetch_add(1, Ordering::Relaxed);
        let world = self.clone();
        tokio::spawn(async move {
            what.await;
            world.in_the_air.fetch_sub(1, Ordering::Relaxed);
        });
    }

    pub(crate) fn nothing_in_the_air(&self) -> bool {
        self.in_the_air.load(Ordering::Relaxed) == 0
    }

    pub(crate) async fn wait(&self, least_ms: u64, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.dice.between(least_ms, most_ms))).await;
    }

    /// Makes a batch durable, and looks at what became of it. At every moment a lock has one holder.
    pub(crate) async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        self.store.set_now(self.now());
        let taken = batch.iter().flat_map(|append| {
            let locks = append.events.iter().filter_map(|row| match &row.event {
                Event::LockTaken { lock, .. } => Some(lock.clone()),
                _ => None,
            });
            locks.map(|lock| (append.saga, lock)).collect::<Vec<_>>()
        });
        let taken: Vec<(SagaId, LockName)> = taken.collect();
        let sagas: Vec<SagaId> = batch.iter().map(|append| append.saga).collect();
        let before = self.rows(&sagas).await;
        let written: Vec<(u64, u64)> = batch.iter().map(|append| (append.epoch, append.events[0].seq)).collect();
        let answers = self.store.commit(batch).await;
        for ((before, (epoch, seq)), answer) in before.into_iter().zip(written).zip(&answers) {
            // Invariant 7: a stale owner appends nothing. What was made before is acknowledged again, and is not written again.
            if let Some((owned, next_seq)) = before
                && answer.is_ok()
                && seq >= next_seq
                && epoch < owned
            {
                self.wrong(format!("a row is written under epoch {epoch}, and the saga is owned under {owned}"));
            }
        }
        for answer in &answers {
            match answer {
                Err(AppendError::Fenced) => self.count("a writer is fenced"),
                Err(AppendError::Conflict) => self.count("a writer has a conflict"),
                _ => {}
            }
        }
        for (saga, lock) in taken {
            let made = sagas.iter().zip(&answers).any(|(of, answer)| *of == saga && answer.is_ok());
            if made {
                self.lock_is_taken(saga, lock).await;
            }
        }
        answers
    }

    /// Epoch and next row of each.
    async fn rows(&self, sagas: &[SagaId]) -> Vec<Option<(u64, u64)>> {
        let mut rows = Vec::with_capacity(sagas.len());
        for saga in sagas {
            let head = self.store.head(*saga).await.expect("readable");
            rows.push(head.map(|head| (head.epoch, head.next_seq)));
        }
        rows
    }

    async fn lock_is_taken(&self, saga: SagaId, lock: LockName) {
        let before = self.seen().holders.insert(lock.clone(), saga).filter(|before| *before != saga);
        let Some(before) = before else { return };
        self.count("a lock changes hands");
        let head = self.store.head(before).await.expect("readable").expect("there");
        if !head.summary.status.is_terminal() {
            self.wrong(format!("{saga} takes the lock {lock} that {before} has"));
        }
    }
}
