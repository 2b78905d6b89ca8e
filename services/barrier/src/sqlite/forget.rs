//! Letting go of ended sagas: `forget` marks those that the orchestrator names; what has been marked for longer than the
//! grace is deleted, in batches small enough that no call waits for long.
//!
//! Why it exists: rows must outlive every copy of a call that may still be on its way, and only the orchestrator knows
//! which sagas send none any more. So no row goes by its age alone. Who calls it: the route in `participant`, and the
//! service's program once a minute.
//!
//! **What it must never know:** tables of the service. Nor does it touch the ledger, which is what auditors believe.

use std::{convert::Infallible, time::Duration};

use amends_protocol::forget::ForgetRequest;
use sqlx::SqliteConnection;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{Barrier, touched};
use crate::{
    Broken,
    clock::micros,
    fault::{Faults, Rule},
};

/// How long rows stay after their saga was named as ended, unless the service says otherwise.
pub const FORGET_GRACE_DEFAULT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Sagas let go in one transaction at most: calls wait for its write lock.
const BATCH_SAGAS: i64 = 500;
/// Calls in one transaction, for sagas with many: the one that brings the batch over it waits for the next.
const BATCH_CALLS: u64 = 5_000;
/// More sagas than one request names, so that a store whose program has no timer keeps up all the same.
const BATCHES_PER_FORGET: u32 = 3;
/// What a forget left behind is caught up with at this pace.
const BATCHES_PER_TICK: u32 = 20;

impl Barrier {
    /// How long rows stay after their saga was named as ended. It is counted from the stored mark, so it may change.
    #[must_use]
    pub fn with_forget_grace(self, forget_grace: Duration) -> Self {
        Self { forget_grace, ..self }
    }

    /// Marks these sagas as ended, as far as they are known here; a mark that stands stays. Then lets go of some that
    /// are due.
    ///
    /// # Errors
    /// [`Broken`]: nothing was marked.
    pub async fn forget(&self, request: ForgetRequest) -> Result<(), Broken> {
        let (faults, now_us) = (self.faults.clone(), self.clock.now_us());
        let marked =
            self.unguarded(move |tx| Box::pin(async move { mark(tx, &request, now_us, &faults).await })).await?;
        tracing::debug!(marked, "sagas were named as ended");
        self.let_go_of(BATCHES_PER_FORGET).await;
        Ok(())
    }

    /// Deletes one batch of what is due; of how many sagas.
    ///
    /// # Errors
    /// [`Broken`]: nothing was deleted.
    pub async fn let_go(&self) -> Result<u64, Broken> {
        let faults = self.faults.clone();
        let grace_us = if faults.holds(Rule::Grace) { micros(self.forget_grace) } else { 0 };
        let marked_until_us = self.clock.now_us().saturating_sub(grace_us);
        self.unguarded(move |tx| Box::pin(async move { delete_batch(tx, marked_until_us, &faults).await })).await
    }

    /// Lets go of what is due, now and again and again. For a program of its own; it may be dropped at any moment.
    ///
    /// # Panics
    /// `every` is zero.
    pub async fn keep_letting_go(&self, every: Duration) -> Infallible {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.let_go_of(BATCHES_PER_TICK).await;
        }
    }

    /// Nothing depends on a deletion, so one that fails is left to the next time.
    async fn let_go_of(&self, batches: u32) {
        let mut sagas = 0;
        for _ in 0..batches {
            match self.let_go().await {
                Ok(0) => break,
                Ok(more) => sagas += more,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "ended sagas could not be let go");
                    break;
                }
            }
        }
        if sagas > 0 {
            tracing::info!(sagas, "let go of ended sagas");
        }
    }
}

/// How many were not marked before. A saga is known if it has a fence: every call raises it before all else.
async fn mark(tx: &mut SqliteConnection, request: &ForgetRequest, now_us: i64, faults: &Faults) -> Result<u64, Broken> {
    let mut named = request.sagas.iter().map(Uuid::to_string).collect::<Vec<_>>();
    if !faults.holds(Rule::OnlyNamed) {
        named = sqlx::query_scalar("-- barrier_fence_list\nselect saga from barrier_fence").fetch_all(&mut *tx).await?;
    }
    if !faults.holds(Rule::FirstMark) {
        let unmark =
            "-- barrier_ended_unmark\ndelete from barrier_ended where saga in (select value from json_each($1))";
        sqlx::query(unmark).bind(list(&named)?).execute(&mut *tx).await?;
    }
    let result = sqlx::query(
        "-- barrier_ended_mark
        insert into barrier_ended (saga, at)
        select saga, $2
        from barrier_fence
        where saga in (select value from json_each($1))
        on conflict (saga) do nothing",
    )
    .bind(list(&named)?)
    .bind(now_us)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

/// Of how many sagas. A saga goes whole: half of its rows would be a lie.
async fn delete_batch(tx: &mut SqliteConnection, marked_until_us: i64, faults: &Faults) -> Result<u64, Broken> {
    let due = sqlx::query_as::<_, (String, i64)>(
        "-- barrier_ended_due
        select saga, (select count(*) from barrier_call where barrier_call.saga = barrier_ended.saga)
        from barrier_ended
        where at <= $1
        order by at, saga
        limit $2",
    )
    .bind(marked_until_us)
    .bind(BATCH_SAGAS)
    .fetch_all(&mut *tx)
    .await?;
    let Batch { sagas, calls } = Batch::of(due);
    if sagas.is_empty() {
        return Ok(0);
    }
    let (count, sagas) = (sagas.len() as u64, list(&sagas)?);
    let result = sqlx::query(
        "-- barrier_call_forget
        delete from barrier_call
        where saga in (select value from json_each($1))",
    )
    .bind(&sagas)
    .execute(&mut *tx)
    .await?;
    touched(&result, "barrier_call_forget", calls)?;
    sqlx::query(
        "-- barrier_callback_forget
        delete from barrier_callback
        where saga in (select value from json_each($1))",
    )
    .bind(&sagas)
    .execute(&mut *tx)
    .await?;
    if faults.holds(Rule::WholeSaga) {
        let result = sqlx::query(
            "-- barrier_fence_forget
            delete from barrier_fence
            where saga in (select value from json_each($1))",
        )
        .bind(&sagas)
        .execute(&mut *tx)
        .await?;
        touched(&result, "barrier_fence_forget", count)?;
    }
    let result = sqlx::query(
        "-- barrier_ended_forget
        delete from barrier_ended
        where saga in (select value from json_each($1))",
    )
    .bind(&sagas)
    .execute(tx)
    .await?;
    touched(&result, "barrier_ended_forget", count)?;
    Ok(count)
}

/// What one transaction deletes.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    sagas: Vec<String>,
    calls: u64,
}

impl Batch {
    /// As many as fit, the first always: the largest saga must go too.
    fn of(due: impl IntoIterator<Item = (String, i64)>) -> Self {
        let mut batch = Self { sagas: vec![], calls: 0 };
        for (saga, calls) in due {
            let calls = batch.calls + calls.unsigned_abs();
            if calls > BATCH_CALLS && !batch.sagas.is_empty() {
                break;
            }
            batch.calls = calls;
            batch.sagas.push(saga);
        }
        batch
    }
}

/// SQLite binds no lists; `json_each` reads one from a text.
fn list(sagas: &[String]) -> Result<String, Broken> {
    serde_json::to_string(sagas).map_err(|error| Broken::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_before_the_saga_that_has_too_many_calls_unless_it_is_the_first() {
        let due = |calls: &[i64]| calls.iter().map(|calls| (calls.to_string(), *calls)).collect::<Vec<_>>();
        let batch = |sagas: &[&str], calls| Batch { sagas: sagas.iter().map(|saga| (*saga).into()).collect(), calls };
        assert_eq!(Batch::of(due(&[])), batch(&[], 0));
        assert_eq!(Batch::of(due(&[4_999, 1, 0, 1])), batch(&["4999", "1", "0"], 5_000));
        assert_eq!(Batch::of(due(&[90_000, 1])), batch(&["90000"], 90_000));
    }
}
