//! What a participant links: the guard that makes a call safe to repeat, to lose, to delay and to reorder.
//!
//! Why it exists: an orchestrator can only promise that a saga ends well if each service keeps four promises, and keeps
//! them in the transaction of the business change itself: a call applied once however often it arrives (idempotency),
//! a compensation without its action changes nothing (null compensation), an action that arrives after its
//! compensation changes nothing (anti-hanging), an orchestrator that lost the saga changes nothing (fencing).
//!
//! Who calls it: the sample services, and anybody's service. A handler is one line around a business function:
//!
//! ```text
//! async fn reserve(State(barrier): State<Barrier>, call: Call) -> Response {
//!     barrier.action(call, |tx, new: NewReservation| Box::pin(reservations::take(tx, new))).await
//! }
//! ```
//!
//! The business function gets the open transaction and answers with a [`Verdict`]; the barrier stores the reply beside
//! the change, commits, and acknowledges. What it means is in `rules` (no IO, shared by every kind of store). [`sql`] keeps it
//! in a database with transactions, whose statements are twins: [`sqlite`] always, `postgres` and `mysql` by features of these
//! names. Its tables are migrations of this crate (`migrations/<kind>/`) with a bookkeeping table of their own, so that they
//! never meet the service's migrations. `redis` keeps it on a server without tables, by a script. [`Guard`] is a barrier of any
//! kind.
//!
//! Its rows stay until the orchestrator names their saga as ended (`forget`) and a grace is over.
//!
//! **What it must never know:** what the service does, what the saga is, and any address. It calls nobody.
// Futures over four kinds of stores lie one in the other deeper than the default of 128 when they are optimised.
#![recursion_limit = "256"]

pub mod call;
pub mod clock;
mod database;
pub mod due;
pub mod fault;
mod guard;
pub mod http;
mod let_go;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod participant;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "program")]
pub mod program;
#[cfg(feature = "redis")]
pub mod redis;
pub mod reply;
mod rules;
pub mod sql;
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

pub use call::{Call, Place};
pub use database::Database;
pub use guard::Guard;
pub use participant::participant;
pub use reply::{Problem, Reply, Verdict};
pub use sql::{Barrier, Tx, touched};

/// Why nothing was done. The transaction was rolled back, the answer is a 500 without an ack: the caller asks again.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The store is unwell. The same call may succeed later.
    #[error("the store failed")]
    Store(#[from] sqlx::Error),
    /// The same, of Redis.
    #[cfg(feature = "redis")]
    #[error("the store failed")]
    Redis(#[from] ::redis::RedisError),
    /// The store's tables could not be brought up to date. The service must not start.
    #[error("the store could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A write touched another number of rows than it must. A programming error, or somebody else's hands in the store.
    #[error("{query} touched {found} rows and must touch {expected}")]
    RowsTouched { query: &'static str, expected: u64, found: u64 },
    /// The service has no statements for this kind of store. It must not start.
    #[error("this service keeps no store of the kind {0}")]
    Foreign(&'static str),
    /// The store's settings let it lose what it has committed. The service must not start.
    #[error("the store may forget: {0}")]
    Forgetful(String),
    /// What was read from the store cannot be. Somebody must look.
    #[error("the store holds what cannot be: {0}")]
    Corrupt(String),
    /// A handler's verdict does not follow the contract. A programming error of the service.
    #[error("the service's verdict is not allowed: {0}")]
    Verdict(String),
    /// A handler panicked. A programming error of the service.
    #[error("the handler panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

impl Broken {
    /// The database took the transaction back because of somebody else's: the same again may go well at once. 40001 is also
    /// MariaDB's word for a deadlock, 40P01 PostgreSQL's.
    fn lost_to_another(&self) -> bool {
        let Self::Store(sqlx::Error::Database(error)) = self else { return false };
        matches!(error.code().as_deref(), Some("40001" | "40P01"))
    }
}

/// Runs to its end even if nobody waits for it any more.
async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, Broken>> + Send + 'static,
) -> Result<T, Broken> {
    tokio::spawn(work).await.map_err(Broken::Panicked)?
}
