//! How long it took until somebody went on with a saga, by its journal.

use std::time::Duration;

use amends_tests::audit::journal::{Event, Recorded};

/// Percentiles of what was measured.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// Fails unless 99 of 100 are within the bound, of at least so many.
    #[track_caller]
    pub(crate) fn assert_p99(&self, what: &str, bound: Duration, at_least: usize) {
        let at = |share: usize| self.0.get((self.0.len() * share / 100).min(self.0.len().saturating_sub(1)));
        eprintln!("{what}: {} measured, median {:?}, p99 {:?}", self.0.len(), at(50), at(99));
        assert!(self.0.len() >= at_least, "{what}: only {} measured", self.0.len());
        assert!(at(99).is_some_and(|p99| *p99 <= bound), "{what}: p99 {:?} is above {bound:?}", at(99));
    }
}

/// From one time to another, in microseconds since 1970.
pub(crate) fn between(from: i64, to: i64) -> Duration {
    Duration::from_micros(u64::try_from(to - from).unwrap_or(0))
}

/// The first row under a higher epoch than this.
pub(crate) fn next_owner(journal: &[Recorded], epoch: u64) -> Option<&Recorded> {
    journal.iter().find(|row| row.epoch > epoch)
}

/// How late somebody took up the sagas that this journal's owners let go of: after the release, or once there was something
/// to do if that came later.
pub(crate) fn hand_overs(journal: &[Recorded]) -> Vec<Duration> {
    let mut late = Vec::new();
    for (at, row) in journal.iter().enumerate().filter(|(_, row)| row.event == Event::Released) {
        let due = due_at(&journal[..at]).unwrap_or(row.at).max(row.at);
        if let Some(next) = journal.get(at + 1) {
            late.push(between(due, next.at));
        }
    }
    late
}

/// When the attempts that are open at the end of this journal may be sent, the first of them.
pub(crate) fn due_at(journal: &[Recorded]) -> Option<i64> {
    let mut open = Vec::new();
    for row in journal {
        match &row.event {
            Event::CallIntended { call, due_at, .. } => open.push((call, *due_at)),
            Event::CallSucceeded { call, .. }
            | Event::CallUnusable { call, .. }
            | Event::CallRejected { call, .. }
            | Event::CallNotSent { call, .. }
            | Event::CallUnknown { call, .. }
            | Event::CallWithdrawn { call, .. } => open.retain(|(of, _)| *of != call),
            _ => {}
        }
    }
    open.into_iter().map(|(_, due_at)| due_at).min()
}

/// Rows that say that something may have happened.
pub(crate) fn unknowns(journal: &[Recorded]) -> usize {
    journal.iter().filter(|row| matches!(row.event, Event::CallUnknown { .. })).count()
}

/// Rows that say that somebody took it up.
pub(crate) fn adoptions(journal: &[Recorded]) -> usize {
    journal.iter().filter(|row| row.event == Event::Adopted).count()
}
