//! One life of a node: whether it runs, stands still or is dead, and its clock. An engine reaches the world only through its
//! doors, so whoever shuts them has killed it: whatever its tasks still do, nobody hears of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use amends_core::time::Time;
use amends_engine::Clock;
use async_trait::async_trait;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    dice::Dice,
    plan::{Fate, fates},
    world::{Rule, START, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Runs,
    Paused,
    /// It was asked to stop, and runs on until it has.
    Stops,
    Dead,
}

pub(crate) struct Node {
    pub(crate) world: Arc<World>,
    pub(crate) slot: usize,
    life: Mutex<Life>,
    /// And not a `watch`, which wakes those who wait for it in no order.
    changed: Notify,
    fates: Mutex<Vec<(u64, Fate)>>,
    /// Durable writes and sends so far; two moments each.
    moments: AtomicU64,
    time: Mutex<TimeThere>,
    ids: Dice,
}

/// What its clocks show, in microseconds.
struct TimeThere {
    /// How fast they run, in parts of a million.
    rate: u64,
    /// Since then it stands still.
    still_since: Option<u64>,
    /// What its monotonic clock missed while its machine slept.
    missed: u64,
    /// The shared time, and the monotonic clock when it was heard.
    anchor: (i64, u64),
    told: i64,
}

impl Node {
    pub(crate) fn new(world: Arc<World>, slot: usize, life: u64) -> Arc<Self> {
        let dice = Dice::of(world.seed, 2_000 + 100 * slot as u64 + life);
        let skew = i64::try_from(dice.between(0, 400_000)).expect("small") - 200_000;
        let time = TimeThere {
            rate: dice.between(990_000, 1_010_000),
            still_since: None,
            missed: 0,
            anchor: (START.0 + i64::try_from(world.us()).expect("short") + skew, 0),
            told: 0,
        };
        let fates = fates(world.seed, slot, life);
        let node = Self {
            world,
            slot,
            life: Mutex::new(Life::Runs),
            changed: Notify::new(),
            fates: Mutex::new(fates),
            moments: AtomicU64::new(0),
            time: Mutex::new(time),
            ids: dice,
        };
        let anchor = node.mono();
        node.time.lock().expect("whole").anchor.1 = anchor;
        Arc::new(node)
    }

    pub(crate) fn life(&self) -> Life {
        *self.life.lock().expect("whole")
    }

    fn turn(&self, life: Life) {
        *self.life.lock().expect("whole") = life;
        self.changed.notify_waiters();
    }

    async fn until(&self, wanted: impl Fn(Life) -> bool) -> Life {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let life = self.life();
            if wanted(life) {
                return life;
            }
            changed.await;
        }
    }

    pub(crate) fn runs(&self) -> bool {
        matches!(self.life(), Life::Runs | Life::Stops)
    }

    /// Returns once it does not run any more as if nothing were.
    pub(crate) async fn over(&self) -> Life {
        self.until(|life| matches!(life, Life::Stops | Life::Dead)).await
    }

    pub(crate) async fn dead(&self) {
        self.until(|life| life == Life::Dead).await;
    }

    pub(crate) fn die(&self) {
        self.turn(Life::Dead);
    }

    /// Goes on only while it runs; never, if it is dead.
    pub(crate) async fn gate(&self) {
        self.until(|life| matches!(life, Life::Runs | Life::Stops)).await;
    }

    /// A moment just before or just after a durable write or a send: the ones at which it matters what becomes of the node.
    pub(crate) async fn moment(self: &Arc<Self>) {
        let now = self.moments.fetch_add(1, Ordering::Relaxed);
        let due = {
            let mut fates = self.fates.lock().expect("whole");
            let at = fates.iter().position(|(at, _)| *at <= now);
            at.map(|at| fates.swap_remove(at).1)
        };
        if let Some(fate) = due.filter(|_| self.life() == Life::Runs && !self.world.is_clear()) {
            self.meet(fate);
        }
        self.gate().await;
    }

    fn meet(self: &Arc<Self>, fate: Fate) {
        match fate {
            Fate::Dies => {
                self.world.count("a node dies");
                self.die();
            }
            Fate::Stops => {
                self.world.count("a node is stopped");
                self.turn(Life::Stops);
            }
            Fate::Pauses { ms, machine } => {
                self.world.count(if machine { "a machine sleeps" } else { "a node stands still" });
                self.time.lock().expect("whole").still_since = Some(self.world.us());
                self.turn(Life::Paused);
                let node = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    node.resume(machine);
                });
            }
        }
    }

    fn resume(&self, machine: bool) {
        {
            let mut time = self.time.lock().expect("whole");
            let since = time.still_since.take().expect("it stood still");
            if machine || self.world.off == Some(Rule::LeaseOnNodeClock) {
                time.missed += self.world.us() - since;
            }
        }
        // It may have died meanwhile.
        if self.life() == Life::Paused {
            self.turn(Life::Runs);
        }
    }

    /// On a clock that goes on while the machine sleeps; but nobody looks at it while the node stands still.
    fn boot(&self) -> u64 {
        let time = self.time.lock().expect("whole");
        time.still_since.unwrap_or_else(|| self.world.us()) * time.rate / 1_000_000
    }

    /// On one that sleeps with it.
    fn mono(&self) -> u64 {
        let time = self.time.lock().expect("whole");
        (time.still_since.unwrap_or_else(|| self.world.us()) - time.missed) * time.rate / 1_000_000
    }
}

#[async_trait]
impl Clock for Node {
    fn now(&self) -> Time {
        let mono = self.mono();
        let mut time = self.time.lock().expect("whole");
        let (anchor, heard_at) = time.anchor;
        time.told = time.told.max(anchor + i64::try_from(mono - heard_at).expect("short"));
        Time(time.told)
    }

    async fn sleep_until(&self, until: Time) {
        loop {
            self.gate().await;
            let left = until.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.clamp(Duration::from_millis(1), Duration::from_secs(3_600))).await;
        }
    }

    fn anchor(&self, now: Time) {
        let mono = self.mono();
        self.time.lock().expect("whole").anchor = (now.0, mono);
    }

    fn since_boot(&self) -> Duration {
        let shown = if self.world.off == Some(Rule::LeaseOnNodeClock) { self.mono() } else { self.boot() };
        Duration::from_micros(shown)
    }

    fn fresh_id(&self) -> Uuid {
        Uuid::from_u64_pair(self.ids.next(), self.ids.next())
    }
}
