//! Time as a number that comes in from outside. Core never asks what time it is.

use std::{ops::Add, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. Microseconds, because every database stores them without rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// The later of now and never going back: how long from `earlier` until `self`, zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates: a time beyond the last one is the last one.
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Time {
    /// RFC 3339 with any offset; what is finer than a microsecond is cut off.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_micros()))
    }

    /// RFC 3339 in UTC with microseconds. Years beyond chrono's calendar are written as its last one.
    pub fn to_rfc3339(self) -> String {
        DateTime::from_timestamp_micros(self.0)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
            .to_rfc3339_opts(SecondsFormat::Micros, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_to_the_microsecond() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (1_795_539_661_000_123, "2026-11-24T17:01:01.000123Z"),
        ] {
            assert_eq!(Time(micros).to_rfc3339(), text);
            assert_eq!(Time::parse_rfc3339(text), Some(Time(micros)));
        }
    }

    #[test]
    fn a_time_is_read_with_its_offset_and_nothing_else_is_a_time() {
        let noon = Time::parse_rfc3339("2026-11-24T12:00:00Z");
        for text in ["2026-11-24T13:00:00+01:00", "2026-11-24t12:00:00.0000004z", "2026-11-24T00:00:00-12:00"] {
            assert_eq!(Time::parse_rfc3339(text), noon, "{text}");
        }
        for text in ["", "2026-11-24", "2026-11-24T12:00:00", "2026-13-24T12:00:00Z", "1795539661", "tomorrow"] {
            assert_eq!(Time::parse_rfc3339(text), None, "{text}");
        }
    }
}
