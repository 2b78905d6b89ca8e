//! Waiting for a condition, with a bound. Never sleeping for luck.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// Asks `look` until it has a value; after `bound` it fails by saying what it waited for.
pub async fn until<T, F: Future<Output = Result<Option<T>>>>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = look().await? {
            return Ok(value);
        }
        if start.elapsed() > bound {
            bail!("waited {bound:?} in vain for: {what}");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// As [`until`], for a condition that is there or not.
pub async fn until_true(what: &str, bound: Duration, mut look: impl FnMut() -> bool) -> Result<()> {
    until(what, bound, || std::future::ready(Ok(look().then_some(())))).await
}
