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
        Self::anchored_at(Time(i64::try_from(wall.as_micros()).unwrap_or(i64::MAX)), latest)
    }

    /// As if the machine's wall clock said this.
    pub fn anchored_at(wall: Time, latest: Option<Time>) -> Self {
        let latest = latest.map_or(i64::MIN, |latest| latest.0);
        // What the wall clock says was told to nobody yet: the first anchor of a database that knows better may be long before it.
        Self { began: Instant::now(), anchor: AtomicI64::new(wall.0.max(latest)), told: AtomicI64::new(latest) }
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

    #[test]
    fn a_wall_clock_that_is_wrong_is_forgotten_with_the_first_anchor_and_no_journal_goes_back() {
        let shared = Time(1_795_539_661_000_000);
        for wrong in [shared + TEN_YEARS, Time(0), Time(i64::MAX), Time(i64::MIN)] {
            let clock = SystemClock::anchored_at(wrong, Some(shared));
            clock.anchor(shared + Duration::from_secs(1));
            let now = clock.now();
            assert!(now >= shared + Duration::from_secs(1) && now < shared + Duration::from_secs(60), "{now:?}");
            // Alone, it does not start before what has already happened.
            assert!(SystemClock::anchored_at(wrong, Some(shared)).now() >= shared);
        }
    }

    const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
}
