//! Crash points: this process dies, or stands still, at the n-th moment at which that matters. There is one before and one after each
//! durable write, and one before the first byte and after the reply of each request.
//!
//! Why it exists: to prove that there is no such moment at which a crash loses or doubles something, by trying all of them
//! ("counter loop": die at the first, at the second, and so on, until a run passes untouched; Yang et al. 2004, Alvaro et al.
//! 2015 did it to file systems and to distributed databases). It is a [`Store`] and a [`Participant`] around the real ones, so that no
//! write and no request can be forgotten, and only in a build that was made for it: feature `crash-points`, which nothing
//! has by default.
//!
//! Who calls it: `cli`, when it opens the engine in such a build.
//!
//! **What it must never know:** what is written or sent.

mod store;

#[cfg(not(debug_assertions))]
compile_error!("crash points are for tests: a release has none");

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use amends_core::{Reply, ids::ServiceName};
use amends_store::Store;
use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use uuid::Uuid;

use self::store::Mortal as MortalStore;
use crate::{Forgotten, Participant, Request};

/// Which point is deadly: the n-th (`17`), or the n-th of a kind (`after commit 3`); `0` or none: no point is, and each is only told.
const CRASH_AT: &str = "AMENDS_CRASH_AT";
/// Where it stands still (SIGSTOP) until somebody lets it go on (SIGCONT), in the same words.
const STOP_AT: &str = "AMENDS_STOP_AT";

/// Counts the moments of this process.
#[derive(Debug)]
pub struct CrashPoints {
    deadly: At,
    halting: At,
    passed: Mutex<Passed>,
}

/// Which point.
#[derive(Debug, PartialEq, Eq)]
enum At {
    Nth(u64),
    OfKind(String, u64),
}

#[derive(Debug, Default)]
struct Passed {
    all: u64,
    of_kind: BTreeMap<String, u64>,
}

impl CrashPoints {
    /// As the environment says.
    ///
    /// # Errors
    /// One of the two variables names no point.
    pub fn of_environment() -> Result<Arc<Self>, String> {
        let [deadly, halting] = [CRASH_AT, STOP_AT]
            .map(|name| At::read(&std::env::var(name).unwrap_or_default()).map_err(|why| format!("{name}: {why}")));
        let (deadly, halting) = (deadly?, halting?);
        tracing::warn!(?deadly, ?halting, "this build dies at a crash point: it is for tests");
        Ok(Arc::new(Self { deadly, halting, passed: Mutex::default() }))
    }

    /// The same store, at whose writes this process may die.
    pub fn around_store(self: &Arc<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(MortalStore { store, points: self.clone() })
    }

    /// The same services, at whose calls this process may die.
    pub fn around_services(self: &Arc<Self>, services: Arc<dyn Participant>) -> Arc<dyn Participant> {
        Arc::new(MortalServices { services, points: self.clone() })
    }

    fn pass(&self, moment: &'static str, of: &'static str) {
        let kind = format!("{moment} {of}");
        let (point, nth) = {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.all += 1;
            let nth = passed.of_kind.entry(kind.clone()).or_default();
            *nth += 1;
            let nth = *nth;
            (passed.all, nth)
        };
        if self.deadly.is(point, &kind, nth) {
            tracing::error!(point, nth, "died at crash point `{kind}`");
            std::process::abort();
        }
        if self.halting.is(point, &kind, nth) {
            tracing::error!(point, nth, "stood still at crash point `{kind}`");
            stand_still();
            tracing::error!(point, nth, "went on from crash point `{kind}`");
        }
        tracing::info!(point, nth, "passed crash point `{kind}`");
    }
}

/// Longer than a thread waits for a core, and shorter than anybody lets a process stand still.
const STOOD_STILL: Duration = Duration::from_millis(500);

/// Returns when this process has been stopped and somebody let it go on, later than [`STOOD_STILL`]. All its threads stop, but not at one
/// moment: the one that asked for it may come back from there first, and must not go on from here.
fn stand_still() {
    // Before the signal: it may as well take effect before the call returns.
    let mut seen = Instant::now();
    kill_process(getpid(), Signal::STOP).expect("invariant: a process may stop itself");
    loop {
        let now = Instant::now();
        if now.duration_since(seen) >= STOOD_STILL {
            return;
        }
        seen = now;
        #[expect(clippy::disallowed_methods, reason = "the thread itself is to stand still")]
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl At {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no crash point: a number, or a kind and a number, as `after commit 3`");
        if text.is_empty() {
            return Ok(Self::Nth(0));
        }
        match text.rsplit_once(' ') {
            None => text.parse().map(Self::Nth).map_err(|_| wrong()),
            Some((kind, nth)) => Ok(Self::OfKind(kind.to_owned(), nth.parse().map_err(|_| wrong())?)),
        }
    }

    fn is(&self, point: u64, kind: &str, nth: u64) -> bool {
        match self {
            Self::Nth(wanted) => point == *wanted,
            Self::OfKind(wanted, of) => kind == wanted && nth == *of,
        }
    }
}

struct MortalServices {
    services: Arc<dyn Participant>,
    points: Arc<CrashPoints>,
}

#[async_trait]
impl Participant for MortalServices {
    async fn call(&self, request: Request) -> Reply {
        let op = request.headers.op.as_str();
        self.points.pass("before", op);
        let reply = self.services.call(request).await;
        self.points.pass("after", op);
        reply
    }

    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        self.points.pass("before", "forget");
        let forgotten = self.services.forget(service, sagas).await;
        self.points.pass("after", "forget");
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadly_point_is_a_number_or_the_nth_of_a_kind() {
        assert_eq!(At::read(""), Ok(At::Nth(0)));
        assert_eq!(At::read("17"), Ok(At::Nth(17)));
        assert_eq!(At::read("after commit 3"), Ok(At::OfKind("after commit".to_owned(), 3)));
        assert!(At::read("after commit").is_err() && At::read("soon").is_err());
        let third = At::read("after commit 3").expect("it is one");
        assert!(third.is(9, "after commit", 3) && !third.is(3, "after commit", 4) && !third.is(3, "before commit", 3));
        assert!(At::Nth(17).is(17, "after commit", 2) && !At::Nth(0).is(1, "after commit", 1));
    }
}
