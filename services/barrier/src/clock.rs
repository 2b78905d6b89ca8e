//! What time it is, in the participant's own opinion. Nobody else's clock counts here.
//!
//! Why it exists: the grace of a `forget` is days, so a test moves the clock instead of waiting.
//!
//! **What it must never know:** what is due.

#[cfg(feature = "testing")]
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system's clock. With the feature `testing` it can be put ahead; clones go together.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    #[cfg(feature = "testing")]
    ahead_us: Arc<AtomicI64>,
}

impl Clock {
    #[cfg(feature = "testing")]
    pub(crate) fn now_us(&self) -> i64 {
        now_us().saturating_add(self.ahead_us.load(Ordering::SeqCst))
    }

    #[cfg(not(feature = "testing"))]
    pub(crate) fn now_us(&self) -> i64 {
        now_us()
    }

    /// Puts it ahead by so much more.
    #[cfg(feature = "testing")]
    pub fn advance(&self, by: Duration) {
        self.ahead_us.fetch_add(micros(by), Ordering::SeqCst);
    }
}

/// Microseconds since 1970, by the system's clock.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("invariant: the clock is past 1970");
    i64::try_from(since.as_micros()).expect("invariant: the clock is before the year 290000")
}

/// What is longer than 290000 years is never over.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339, microseconds; `None`: no such moment.
pub(crate) fn text(at_us: i64) -> Option<String> {
    let at = chrono::DateTime::from_timestamp_micros(at_us)?;
    Some(at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}
