//! What time it is, and waiting for it. A door: tests move it by hand.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use amends_core::time::Time;
use async_trait::async_trait;

/// Time.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Never goes back.
    fn now(&self) -> Time;

    /// Returns when it is `until` or later.
    async fn sleep_until(&self, until: Time);
}

/// The machine's time: an anchor plus monotonic time, so that a jump of the wall clock moves nothing.
#[derive(Debug)]
pub struct SystemClock {
    anchor: Time,
    anchored_at: Instant,
}

impl SystemClock {
    /// Anchored now. `latest` is the latest time in the journals: a clock that has been set back does not start before
    /// what has already happened.
    pub fn anchored(latest: Option<Time>) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Time(i64::try_from(wall.as_micros()).unwrap_or(i64::MAX));
        Self { anchor: wall.max(latest.unwrap_or(wall)), anchored_at: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        self.anchor + self.anchored_at.elapsed()
    }

    async fn sleep_until(&self, until: Time) {
        // Timers are kept in milliseconds and may end a fraction early.
        while self.now() < until {
            tokio::time::sleep(until.since(self.now())).await;
        }
    }
}
