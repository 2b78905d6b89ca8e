//! What time it is, waiting for it, and ids that time makes new. A door: tests move it by hand, and a simulation throws its dice.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use amends_core::time::Time;
use async_trait::async_trait;
use uuid::Uuid;

/// A new anchor may come while somebody sleeps.
const SLEEP_MOST: Duration = Duration::from_secs(1);

/// Time.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Never goes back.
    fn now(&self) -> Time;

    /// Returns when it is `until` or later.
    async fn sleep_until(&self, until: Time);

    /// Hears what time it is by the clock that all processes share. Time still never goes back.
    fn anchor(&self, _now: Time) {}

    /// On a clock that goes on while the machine sleeps: a lease does, too.
    fn since_boot(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Monotonic;
        let now = rustix::time::clock_gettime(clock);
        Duration::try_from(now).expect("invariant: a machine's uptime is not negative")
    }

    /// An id that nobody else has, above those that were made before.
    fn fresh_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The machine's time: an anchor plus monotonic time, so that a jump of the wall clock moves nothing. With many processes
/// the anchor is the database's time, heard again with each lease.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    /// Time at `began`, in microseconds.
    anchor: AtomicI64,
    /// The latest time that was told.
    told: AtomicI64,
}

impl SystemClock {
    /// Anchored now. `latest` is the latest time in the journals: a clock that has been set back does not start before
    /// what has already happened.
    pub fn anchored(latest: Option<Time>) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(wall.as_micros()).unwrap_or(i64::MAX);
        let start = wall.max(latest.map_or(wall, |latest| latest.0));
        Self { began: Instant::now(), anchor: AtomicI64::new(start), told: AtomicI64::new(start) }
    }

    fn since_began_us(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        let now = self.anchor.load(Ordering::Relaxed).saturating_add(self.since_began_us());
        Time(now.max(self.told.fetch_max(now, Ordering::Relaxed)))
    }

    async fn sleep_until(&self, until: Time) {
        // Timers are kept in milliseconds and may end a fraction early.
        while self.now() < until {
            tokio::time::sleep(until.since(self.now()).min(SLEEP_MOST)).await;
        }
    }

    fn anchor(&self, now: Time) {
        self.anchor.store(now.0.saturating_sub(self.since_began_us()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_anchor_moves_time_on_and_never_back() {
        let clock = SystemClock::anchored(None);
        let before = clock.now();
        clock.anchor(before + Duration::from_secs(60));
        let ahead = clock.now();
        assert!(ahead >= before + Duration::from_secs(60));
        clock.anchor(before);
        assert!(clock.now() >= ahead);
    }
}
