//! The barrier in a service's own SQLite file.
//!
//! One write connection, so writers queue in this process instead of failing on SQLite's lock; `begin immediate`, so a
//! second process on the file queues too. That one write lock is what SEMANTICS calls the row's lock, the fence's
//! shared and its exclusive lock. Every transaction runs in a task of its own: axum drops a handler whose client hung
//! up, and a transaction must never be dropped half way.
//!
//! **What it must never know:** tables of the service.

mod callbacks;
mod forget;
mod judge;
mod open;
mod participant;
mod rows;

use std::{pin::Pin, sync::Arc, time::Duration};

use amends_protocol::participant::Op;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use sqlx::{SqliteConnection, SqlitePool, sqlite::SqliteQueryResult};

pub use self::{
    callbacks::{Due, Told},
    forget::FORGET_GRACE_DEFAULT,
    judge::Completion,
    open::open,
    participant::{LedgerEntry, ParticipantCard, participant},
};
use crate::{
    Broken,
    call::{Call, Place},
    clock::Clock,
    fault::{Faults, Rule},
    reply::{Answer, Reply, Verdict},
};

/// What a business function returns: a future that may hold the transaction.
pub type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, Broken>> + Send + 't>>;

/// A service's store with the guard in front of it. Cheap to clone; the axum state of a service.
#[derive(Clone, Debug)]
pub struct Barrier {
    writer: SqlitePool,
    readers: SqlitePool,
    fingerprint: Arc<str>,
    faults: Faults,
    clock: Clock,
    forget_grace: Duration,
}

impl Barrier {
    /// The same store with something going wrong in it.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// With a clock that a test moves.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Read-only connections, for the service's `GET`s.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Judges an action. `work` makes the business change on the open transaction and says what became of it; it runs
    /// at most once for each key that ends well. A body that is not a `B` is a stored refusal.
    pub async fn action<B, W>(&self, call: Call, work: W) -> Response
    where
        B: DeserializeOwned + Send + 'static,
        W: for<'t> FnOnce(&'t mut SqliteConnection, B) -> Work<'t, Verdict> + Send + 'static,
    {
        if let Err(problem) = call.expect_op(Op::Action) {
            return problem.into_response();
        }
        let barrier = self.clone();
        in_task(async move {
            let looked = barrier.look_first(&call).await?;
            barrier.faults.before_begin();
            let (faults, asked) = (barrier.faults.clone(), call.clone());
            let judging = barrier
                .transaction(move |tx| Box::pin(async move { judge::action(tx, &asked, &faults, looked, work).await }));
            Ok(barrier.committed(&call, judging.await?))
        })
        .await
        .map_or_else(IntoResponse::into_response, IntoResponse::into_response)
    }

    /// Judges a compensation. `work` gets what the action replied and takes its change back; it is called only if the
    /// action was done or accepted. A refusal stores nothing and may be asked again.
    pub async fn compensate<W>(&self, call: Call, work: W) -> Response
    where
        W: for<'t> FnOnce(&'t mut SqliteConnection, Reply) -> Work<'t, Verdict> + Send + 'static,
    {
        if let Err(problem) = call.expect_op(Op::Compensate) {
            return problem.into_response();
        }
        let barrier = self.clone();
        in_task(async move {
            barrier.faults.before_begin();
            let (faults, asked) = (barrier.faults.clone(), call.clone());
            let judging = barrier
                .transaction(move |tx| Box::pin(async move { judge::compensation(tx, &asked, &faults, work).await }));
            Ok(barrier.committed(&call, judging.await?))
        })
        .await
        .map_or_else(IntoResponse::into_response, IntoResponse::into_response)
    }

    /// Finishes an action that was accepted with a 202. `work` gets the 202's reply. A refusal takes back what
    /// accepting it changed, so `work` has to undo that itself; it holds for every attempt, also those still to come. What is to
    /// be told the orchestrator of it is [due](Self::due_callbacks) from then on.
    ///
    /// # Errors
    /// [`Broken`]: nothing was done.
    pub async fn complete<W>(&self, action: Place, work: W) -> Result<Completion, Broken>
    where
        W: for<'t> FnOnce(&'t mut SqliteConnection, Reply) -> Work<'t, Verdict> + Send + 'static,
    {
        let barrier = self.clone();
        in_task(async move {
            let faults = barrier.faults.clone();
            barrier
                .transaction(move |tx| Box::pin(async move { judge::completion(tx, &action, &faults, work).await }))
                .await
        })
        .await
    }

    /// Writes that belong to no call: seeding, administration, letting go.
    ///
    /// # Errors
    /// [`Broken`]: nothing was done.
    pub async fn unguarded<T, W>(&self, work: W) -> Result<T, Broken>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut SqliteConnection) -> Work<'t, T> + Send + 'static,
    {
        let barrier = self.clone();
        in_task(async move { barrier.transaction(work).await }).await
    }

    /// Closes the connections; what was committed is in the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn transaction<T, W>(&self, work: W) -> Result<T, Broken>
    where
        W: for<'t> FnOnce(&'t mut SqliteConnection) -> Work<'t, T>,
    {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        match work(&mut tx).await {
            Ok(value) => {
                tx.commit().await?;
                Ok(value)
            }
            Err(broken) => {
                // Best effort: an error here is the lesser one, and dropping the transaction rolls back as well.
                if let Err(error) = tx.rollback().await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "rollback failed");
                }
                Err(broken)
            }
        }
    }

    /// Nothing, unless the insert-as-lock rule is switched off: then whether the row looks free, before the transaction.
    async fn look_first(&self, call: &Call) -> Result<Option<bool>, Broken> {
        if self.faults.holds(Rule::InsertAsLock) {
            return Ok(None);
        }
        let mut reader = self.readers.acquire().await?;
        Ok(Some(rows::find(&mut reader, &call.place(), Op::Action).await?.is_none()))
    }

    fn committed(&self, call: &Call, judged: judge::Judged) -> Answer {
        let headers = call.headers();
        tracing::debug!(
            saga.id = %headers.saga,
            step = headers.step,
            index = headers.index,
            op = headers.op.as_str(),
            attempt = headers.attempt,
            epoch = headers.epoch,
            fresh = judged.fresh,
            answer = judged.answer.word(),
            "answered"
        );
        if judged.fresh {
            self.faults.after_commit(call);
        }
        judged.answer
    }
}

/// Runs to its end even if nobody waits for it any more.
async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, Broken>> + Send + 'static,
) -> Result<T, Broken> {
    tokio::spawn(work).await.map_err(Broken::Panicked)?
}

/// Every write proves how many rows it touched. `query` is the query's name, as in its first line.
///
/// # Errors
/// [`Broken::RowsTouched`].
pub fn touched(result: &SqliteQueryResult, query: &'static str, expected: u64) -> Result<(), Broken> {
    let found = result.rows_affected();
    if found == expected { Ok(()) } else { Err(Broken::RowsTouched { query, expected, found }) }
}
