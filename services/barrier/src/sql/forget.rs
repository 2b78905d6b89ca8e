//! Letting go of ended sagas: `forget` marks those that the orchestrator names; what has been marked for longer than the
//! grace is deleted, in batches small enough that no call waits for long.
//!
//! Why it exists: rows must outlive every copy of a call that may still be on its way, and only the orchestrator knows
//! which sagas send none any more. So no row goes by its age alone. Who calls it: the route in `participant`, and the
//! service's program once a minute.
//!
//! **What it must never know:** tables of the service. Nor does it touch the ledger, which is what auditors believe.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use amends_protocol::forget::ForgetRequest;
use uuid::Uuid;

use super::{Barrier, Tx, touched, tx::on_each};
use crate::{
    Broken,
    clock::micros,
    fault::{Faults, Rule},
    let_go::{BATCH_CALLS, BATCH_SAGAS, BATCHES_PER_FORGET, keep_letting_go, let_go_of},
};

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
        let_go_of(BATCHES_PER_FORGET, || self.let_go()).await;
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
        keep_letting_go(every, || self.let_go()).await
    }
}

/// How many were not marked before. A saga is known if it has a fence: every call raises it before all else.
async fn mark(tx: &mut Tx, request: &ForgetRequest, now_us: i64, faults: &Faults) -> Result<u64, Broken> {
    let mut named = request.sagas.iter().map(Uuid::to_string).collect::<Vec<_>>();
    if !faults.holds(Rule::OnlyNamed) {
        named = on_each!(Tx of tx, ended::fences_list)?;
    }
    if !faults.holds(Rule::FirstMark) {
        on_each!(Tx of tx, ended::ended_forget, &named)?;
    }
    // A saga whose first call is not at its end yet is known, too.
    tx.savepoint().await?;
    on_each!(Tx of tx, ended::fences_settle, &named)?;
    tx.back().await?;
    on_each!(Tx of tx, ended::ended_mark, &named, now_us)
}

/// Of how many sagas. A saga goes whole: half of its rows would be a lie.
async fn delete_batch(tx: &mut Tx, marked_until_us: i64, faults: &Faults) -> Result<u64, Broken> {
    let due = on_each!(Tx of tx, ended::ended_due, marked_until_us, BATCH_SAGAS)?;
    if due.is_empty() {
        return Ok(0);
    }
    // From here on no call of theirs is judged until this transaction ends. What is gone already, another program took.
    let locked = on_each!(Tx of tx, ended::fences_lock, &due)?;
    let counts: HashMap<_, _> = on_each!(Tx of tx, ended::calls_count, &locked)?.into_iter().collect();
    let calls = |saga: String| {
        let calls = counts.get(&saga).copied().unwrap_or(0);
        (saga, calls)
    };
    let Batch { sagas, calls } = Batch::of(due.into_iter().filter(|saga| locked.contains(saga)).map(calls));
    if sagas.is_empty() {
        return Ok(0);
    }
    let count = sagas.len() as u64;
    touched(on_each!(Tx of tx, ended::calls_forget, &sagas)?, "barrier_call_forget", calls)?;
    on_each!(Tx of tx, ended::callbacks_forget, &sagas)?;
    if faults.holds(Rule::WholeSaga) {
        touched(on_each!(Tx of tx, ended::fences_forget, &sagas)?, "barrier_fence_forget", count)?;
    }
    touched(on_each!(Tx of tx, ended::ended_forget, &sagas)?, "barrier_ended_forget", count)?;
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
