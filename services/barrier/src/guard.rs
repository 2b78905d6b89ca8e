//! The barrier of a participant, whatever store it is in: what its program and its shared routes need of it.

use std::{convert::Infallible, time::Duration};

use amends_protocol::forget::ForgetRequest;
use uuid::Uuid;

#[cfg(feature = "redis")]
use crate::redis;
use crate::{Broken, call::Place, fault::Faults, http::Page, participant::LedgerEntry, reply::Reply, sql};

/// One side or the other.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Guard {
    Sql(sql::Barrier),
    #[cfg(feature = "redis")]
    Redis(redis::Barrier),
}

impl From<sql::Barrier> for Guard {
    fn from(barrier: sql::Barrier) -> Self {
        Self::Sql(barrier)
    }
}

#[cfg(feature = "redis")]
impl From<redis::Barrier> for Guard {
    fn from(barrier: redis::Barrier) -> Self {
        Self::Redis(barrier)
    }
}

impl Guard {
    /// The same store with something going wrong in it.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        match self {
            Self::Sql(barrier) => Self::Sql(barrier.with_faults(faults)),
            #[cfg(feature = "redis")]
            Self::Redis(barrier) => Self::Redis(barrier.with_faults(faults)),
        }
    }

    /// How long rows stay after their saga was named as ended. It is counted from the stored mark, so it may change.
    #[must_use]
    pub fn with_forget_grace(self, forget_grace: Duration) -> Self {
        match self {
            Self::Sql(barrier) => Self::Sql(barrier.with_forget_grace(forget_grace)),
            #[cfg(feature = "redis")]
            Self::Redis(barrier) => Self::Redis(barrier.with_forget_grace(forget_grace)),
        }
    }

    /// The service has nothing for this kind of store. Its `open` refuses such a store, so this is never seen.
    pub fn foreign(&self) -> Broken {
        Broken::Foreign(self.store().0)
    }

    /// Its kind and its fingerprint.
    pub(crate) fn store(&self) -> (&'static str, &str) {
        match self {
            Self::Sql(barrier) => (barrier.kind(), barrier.fingerprint()),
            #[cfg(feature = "redis")]
            Self::Redis(barrier) => ("redis", barrier.fingerprint()),
        }
    }

    pub(crate) async fn probe(&self, action: Place) -> Result<Reply, Broken> {
        match self {
            Self::Sql(barrier) => barrier.probe(action).await,
            #[cfg(feature = "redis")]
            Self::Redis(barrier) => barrier.probe(action).await,
        }
    }

    pub(crate) async fn ledger(&self, saga: Option<Uuid>, page: Page) -> Result<Vec<LedgerEntry>, Broken> {
        match self {
            Self::Sql(barrier) => barrier.ledger(saga, page).await,
            #[cfg(feature = "redis")]
            Self::Redis(barrier) => barrier.ledger(saga, page).await,
        }
    }

    pub(crate) async fn forget(&self, request: ForgetRequest) -> Result<(), Broken> {
        match self {
            Self::Sql(barrier) => barrier.forget(request).await,
            #[cfg(feature = "redis")]
            Self::Redis(barrier) => barrier.forget(request).await,
        }
    }

    /// Lets go of what is due, now and again and again; it may be dropped at any moment.
    pub async fn keep_letting_go(&self, every: Duration) -> Infallible {
        match self {
            Self::Sql(barrier) => barrier.keep_letting_go(every).await,
            #[cfg(feature = "redis")]
            Self::Redis(barrier) => barrier.keep_letting_go(every).await,
        }
    }

    /// Closes the connections; what was committed is in the store.
    pub async fn close(&self) {
        match self {
            Self::Sql(barrier) => barrier.close().await,
            // Its connection ends when the last clone of it is dropped, and nothing is under way.
            #[cfg(feature = "redis")]
            Self::Redis(_) => {}
        }
    }
}
