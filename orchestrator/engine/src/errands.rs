//! What of that which a saga owes its family a driver has done, and what is left of it.
//!
//! In memory alone: each errand may be done again, so a driver that takes the saga over does all of them once more.

use std::{collections::BTreeSet, time::Duration};

use amends_core::{Errand, time::Time};

/// Between two tries while the store is away.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MOST: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Errands {
    /// As of the last look at what is owed.
    owed: Vec<Errand>,
    done: BTreeSet<Errand>,
    /// Since when nothing was done.
    since: Option<Time>,
    /// After a try that failed.
    not_before: Option<Time>,
    pause: Duration,
}

impl Errands {
    pub(crate) fn forget_owed(&mut self) {
        self.owed.clear();
    }

    pub(crate) fn owe(&mut self, errand: Errand) {
        self.owed.push(errand);
    }

    pub(crate) fn left(&self) -> Vec<Errand> {
        self.owed.iter().filter(|errand| !self.done.contains(errand)).cloned().collect()
    }

    fn all_done(&self) -> bool {
        self.owed.iter().all(|errand| self.done.contains(errand))
    }

    /// The saga can be let go of: what its family is to know is durable.
    pub(crate) fn may_leave(&self) -> bool {
        self.all_done()
    }

    pub(crate) fn is_to_run(&self, now: Time) -> bool {
        !self.all_done() && self.not_before.is_none_or(|at| at <= now)
    }

    pub(crate) fn did(&mut self, errand: Errand, now: Time) {
        self.done.insert(errand);
        self.since = Some(now);
        (self.not_before, self.pause) = (None, Duration::ZERO);
    }

    pub(crate) fn failed(&mut self, now: Time) {
        self.pause = (self.pause * 2).clamp(RETRY_FIRST, RETRY_MOST);
        self.not_before = Some(now + self.pause);
    }

    /// It is done, and an answer is not to be expected so soon that the saga should stay in memory for it.
    pub(crate) fn can_sleep(&self, errand: &Errand, now: Time, patience: Duration) -> bool {
        self.done.contains(errand) && self.since.is_none_or(|since| since + patience <= now)
    }

    /// Everything is done and answers did not come soon.
    pub(crate) fn has_waited(&self, now: Time, patience: Duration) -> bool {
        !self.owed.is_empty() && self.all_done() && self.since.is_some_and(|since| since + patience <= now)
    }

    /// When there is something to do or to give up next.
    pub(crate) fn look_at(&self, now: Time, patience: Duration) -> Option<Time> {
        if !self.all_done() {
            return self.not_before;
        }
        let until = self.since.filter(|_| !self.owed.is_empty()).map(|since| since + patience);
        until.filter(|at| *at > now)
    }
}
