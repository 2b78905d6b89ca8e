//! The barrier in a service's own SQL database: one judge, and twins of statements for SQLite, PostgreSQL and MariaDB.
//!
//! A row is claimed by inserting it: on SQLite there is one writer anyway, elsewhere the insert of a key that somebody else
//! has inserted waits for his end. What a row says is read under its lock. A transaction that the database takes back, because
//! two waited for each other, is run again. Every transaction runs in a task of its own: axum drops a handler whose client
//! hung up, and a transaction must never be dropped half way.
//!
//! **What it must never know:** tables of the service.

mod callbacks;
mod forget;
mod judge;
pub(crate) mod rows;
mod tx;

use std::{pin::Pin, sync::Arc, time::Duration};

use amends_protocol::participant::Op;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

pub(crate) use self::tx::Pools;
use self::tx::on_each;
pub use self::tx::{Readers, Tx};
use crate::{
    Broken,
    call::{Call, Place},
    clock::Clock,
    due::Completion,
    fault::{Faults, Rule},
    http::Page,
    in_task,
    let_go::FORGET_GRACE_DEFAULT,
    participant::LedgerEntry,
    reply::{Answer, Reply, Verdict},
};

/// Whole transactions that one call makes at most, when the database takes them back for the sake of others. Two that wait for
/// each other are one too many; it takes a crowd to lose five times.
const TRIES: u32 = 5;

/// What a business function returns: a future that may hold the transaction.
pub type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, Broken>> + Send + 't>>;

/// A service's store with the guard in front of it. Cheap to clone; the axum state of a service.
#[derive(Clone, Debug)]
pub struct Barrier {
    pools: Pools,
    fingerprint: Arc<str>,
    faults: Faults,
    clock: Clock,
    forget_grace: Duration,
}

impl Barrier {
    pub(crate) fn new(pools: Pools, fingerprint: &str) -> Self {
        Self {
            pools,
            fingerprint: fingerprint.into(),
            faults: Faults::default(),
            clock: Clock::default(),
            forget_grace: FORGET_GRACE_DEFAULT,
        }
    }

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
    pub fn readers(&self) -> Readers<'_> {
        self.pools.readers()
    }

    /// `sqlite`, `postgres` or `mysql`.
    pub(crate) fn kind(&self) -> &'static str {
        self.pools.kind()
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Judges an action. `work` makes the business change on the open transaction and says what became of it; it runs
    /// at most once for each key that ends well. A body that is not a `B` is a stored refusal.
    pub async fn action<B, W>(&self, call: Call, work: W) -> Response
    where
        B: DeserializeOwned + Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx, B) -> Work<'t, Verdict> + Clone + Send + 'static,
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
        W: for<'t> FnOnce(&'t mut Tx, Reply) -> Work<'t, Verdict> + Clone + Send + 'static,
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
        W: for<'t> FnOnce(&'t mut Tx, Reply) -> Work<'t, Verdict> + Clone + Send + 'static,
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
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Clone + Send + 'static,
    {
        let barrier = self.clone();
        in_task(async move { barrier.transaction(work).await }).await
    }

    /// What is to be said of this action to whoever asks; it waits for whatever is being decided about it.
    pub(crate) async fn probe(&self, action: Place) -> Result<Reply, Broken> {
        let barrier = self.clone();
        in_task(async move {
            barrier.run(move |tx| Box::pin(async move { judge::probe(tx, &action).await }), End::Rollback).await
        })
        .await
    }

    /// A page of the ledger, of one saga or of all.
    pub(crate) async fn ledger(&self, saga: Option<uuid::Uuid>, page: Page) -> Result<Vec<LedgerEntry>, Broken> {
        let rows = match saga {
            Some(saga) => on_each!(Readers of self.readers(), reads::ledger_of_saga, saga, page)?,
            None => on_each!(Readers of self.readers(), reads::ledger_list, page)?,
        };
        rows.into_iter().map(rows::LedgerRow::parse).collect()
    }

    /// Closes the connections; what was committed is in the store.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    async fn transaction<T, W>(&self, work: W) -> Result<T, Broken>
    where
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Clone,
    {
        self.run(work, End::Commit).await
    }

    async fn run<T, W>(&self, work: W, end: End) -> Result<T, Broken>
    where
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Clone,
    {
        for tried in 1..TRIES {
            match self.once(work.clone(), end).await {
                Err(broken) if broken.lost_to_another() => tracing::debug!(tried, %broken, "taken back; running again"),
                ended => return ended,
            }
        }
        self.once(work, end).await
    }

    async fn once<T, W>(&self, work: W, end: End) -> Result<T, Broken>
    where
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T>,
    {
        let mut tx = self.pools.begin().await?;
        let done = work(&mut tx).await;
        if done.is_ok() && matches!(end, End::Commit) {
            tx.commit().await?;
        } else if let Err(error) = tx.rollback().await {
            // Best effort: an error here is the lesser one, and dropping the transaction rolls back as well.
            tracing::warn!(error = &error as &dyn std::error::Error, "rollback failed");
        }
        done
    }

    /// Nothing, unless the insert-as-lock rule is switched off: then whether the row looks free, before the transaction.
    async fn look_first(&self, call: &Call) -> Result<Option<bool>, Broken> {
        if self.faults.holds(Rule::InsertAsLock) {
            return Ok(None);
        }
        let key = rows::key(&call.place(), Op::Action);
        Ok(Some(!on_each!(Readers of self.readers(), reads::call_is_there, &key)?))
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

/// What becomes of a transaction whose work went well.
#[derive(Clone, Copy)]
enum End {
    Commit,
    /// It only looked.
    Rollback,
}

/// Every write proves how many rows it touched. `query` is the query's name, as in its first line.
///
/// # Errors
/// [`Broken::RowsTouched`].
pub fn touched(found: u64, query: &'static str, expected: u64) -> Result<(), Broken> {
    if found == expected { Ok(()) } else { Err(Broken::RowsTouched { query, expected, found }) }
}
