//! The pace at which ended sagas are let go, on every kind of store.

use std::{convert::Infallible, time::Duration};

use tokio::time::MissedTickBehavior;

use crate::Broken;

/// How long rows stay after their saga was named as ended, unless the service says otherwise.
pub(crate) const FORGET_GRACE_DEFAULT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Sagas let go in one transaction at most: calls wait for its write lock.
pub(crate) const BATCH_SAGAS: i64 = 500;
/// Calls in one transaction, for sagas with many: the one that brings the batch over it waits for the next.
pub(crate) const BATCH_CALLS: u64 = 5_000;
/// More sagas than one request names, so that a store whose program has no timer keeps up all the same.
pub(crate) const BATCHES_PER_FORGET: u32 = 3;
/// What a forget left behind is caught up with at this pace.
const BATCHES_PER_TICK: u32 = 20;

/// Lets go of what is due, now and again and again; it may be dropped at any moment.
///
/// # Panics
/// `every` is zero.
pub(crate) async fn keep_letting_go<F: Future<Output = Result<u64, Broken>>>(
    every: Duration,
    let_go: impl Fn() -> F,
) -> Infallible {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let_go_of(BATCHES_PER_TICK, &let_go).await;
    }
}

/// Nothing depends on a deletion, so one that fails is left to the next time.
pub(crate) async fn let_go_of<F: Future<Output = Result<u64, Broken>>>(batches: u32, let_go: impl Fn() -> F) {
    let mut sagas = 0;
    for _ in 0..batches {
        match let_go().await {
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
