//! What is still to be told the orchestrator of actions that were accepted, and how it took it.
//!
//! **What it must never know:** where the orchestrator is, and how it is reached. The service says so by its own configuration; an
//! address that came with a call could be anybody's.

use std::{convert::Infallible, time::Duration};

use amends_protocol::{
    participant::{CallbackToken, SAGA_CALLBACK},
    v1::CallbackRequest,
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use sqlx::FromRow;
use tokio::time::MissedTickBehavior;

use crate::{Broken, call::Place, reply::Reply};

/// What became of a `complete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The verdict was stored and its change committed.
    Completed(Reply),
    /// It was completed before, with this reply. Nothing was done.
    AlreadyCompleted(Reply),
    /// The compensation came first. Nothing was done.
    Compensated,
    /// No such action was accepted here. Nothing was done.
    NeverAccepted,
}

/// The verdict on an accepted action, which is still to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    pub action: Place,
    /// What came with the call, to be given back in the header `Saga-Callback`.
    pub token: CallbackToken,
    /// The body of the callback.
    pub verdict: CallbackRequest,
}

impl Due {
    /// What proves that this participant was asked; no log shows it.
    ///
    /// # Errors
    /// [`Broken`]: it is none.
    pub fn header(&self) -> Result<(HeaderName, HeaderValue), Broken> {
        let value = self.token.header().map_err(|error| Broken::Corrupt(format!("a token: {error}")))?;
        Ok((SAGA_CALLBACK, value))
    }
}

/// How the orchestrator took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// 2xx, or a definite no (403, 409, 410): it need not hear it again.
    Heard,
    /// Anything else: to be told again.
    Perhaps,
}

impl Told {
    /// What an answer means.
    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 | 403 | 409 | 410 => Self::Heard,
            _ => Self::Perhaps,
        }
    }
}

/// A verdict that is still to be told, as it is read.
#[derive(FromRow)]
pub(crate) struct DueRow {
    pub(crate) saga: String,
    pub(crate) step: String,
    pub(crate) item: i64,
    pub(crate) token: String,
    pub(crate) state: String,
    pub(crate) body: Vec<u8>,
}

impl DueRow {
    pub(crate) fn parse(self) -> Result<Due, Broken> {
        let corrupt = |what: &str| Broken::Corrupt(format!("a callback of saga {}: {what}", self.saga));
        let body = |bytes: &[u8]| if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(bytes) };
        let body = body(&self.body).map_err(|error| corrupt(&error.to_string()))?;
        let verdict = match self.state.as_str() {
            "done" => CallbackRequest::Succeeded { body },
            _ => CallbackRequest::Rejected { reason: body["detail"].as_str().map(str::to_owned) },
        };
        let token = CallbackToken::new(self.token.as_str()).ok_or_else(|| corrupt("its token"))?;
        let saga = self.saga.parse().map_err(|_| corrupt("its saga"))?;
        Ok(Due { action: Place { saga, step: self.step, index: u32::try_from(self.item).ok() }, token, verdict })
    }
}

/// Told one after the other; the next look comes soon.
const TOLD_TOGETHER: u32 = 100;

/// Tells what is due, now and again and again; it may be dropped at any moment.
///
/// # Panics
/// `every` is zero.
pub(crate) async fn keep_calling_back<T, D, H>(
    every: Duration,
    tell: impl Fn(Due) -> T,
    due: impl Fn(u32) -> D,
    heard: impl Fn(Place) -> H,
) -> Infallible
where
    T: Future<Output = Told>,
    D: Future<Output = Result<Vec<Due>, Broken>>,
    H: Future<Output = Result<(), Broken>>,
{
    let once = async || {
        for due in due(TOLD_TOGETHER).await? {
            let action = due.action.clone();
            if tell(due).await == Told::Heard {
                heard(action).await?;
            }
        }
        Ok::<_, Broken>(())
    };
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = once().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "verdicts cannot be told now; trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definite_no_is_heard_and_everything_that_may_pass_is_told_again() {
        let told = |status| Told::of(StatusCode::from_u16(status).expect("a status"));
        assert!([200, 202, 204, 403, 409, 410].into_iter().all(|status| told(status) == Told::Heard));
        assert!([302, 400, 404, 408, 413, 429, 500, 503].into_iter().all(|status| told(status) == Told::Perhaps));
    }
}
