//! Crash points: this process dies at the n-th moment at which dying matters. There is one before and one after each durable
//! write, and one before the first byte and after the reply of each request.
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
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use amends_core::{Reply, ids::ServiceName};
use amends_store::Store;
use async_trait::async_trait;
use uuid::Uuid;

use self::store::Mortal as MortalStore;
use crate::{Forgotten, Participant, Request};

/// Which point is deadly; `0` or none: no point is, and each is only told.
pub const CRASH_AT: &str = "AMENDS_CRASH_AT";

/// Counts the moments of this process.
#[derive(Debug)]
pub struct CrashPoints {
    deadly: u64,
    passed: AtomicU64,
}

impl CrashPoints {
    /// As the environment says.
    ///
    /// # Errors
    /// [`CRASH_AT`] is no number.
    pub fn of_environment() -> Result<Arc<Self>, std::num::ParseIntError> {
        let deadly = std::env::var(CRASH_AT).map_or(Ok(0), |text| text.parse())?;
        tracing::warn!(deadly, "this build dies at a crash point: it is for tests");
        Ok(Arc::new(Self { deadly, passed: AtomicU64::new(0) }))
    }

    /// The same store, at whose writes this process may die.
    pub fn around_store(self: &Arc<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(MortalStore { store, points: self.clone() })
    }

    /// The same services, at whose calls this process may die.
    pub fn around_services(self: &Arc<Self>, services: Arc<dyn Participant>) -> Arc<dyn Participant> {
        Arc::new(MortalServices { services, points: self.clone() })
    }

    fn pass(&self, moment: &'static str, of: impl fmt::Display) {
        let point = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        if point == self.deadly {
            tracing::error!(point, "died at crash point `{moment} {of}`");
            std::process::abort();
        }
        tracing::info!(point, "passed crash point `{moment} {of}`");
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
