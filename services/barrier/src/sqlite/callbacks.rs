//! Telling the orchestrator what came of actions that were accepted: their tokens are kept in the transaction of the 202, their
//! verdicts stand in the barrier's rows, and nothing is forgotten before somebody has heard it.
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

use super::{Barrier, rows};
use crate::{Broken, call::Place};

/// Told one after the other; the next look comes soon.
const TOLD_TOGETHER: u32 = 100;

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

impl Barrier {
    /// Verdicts that are still to be told, at most so many.
    ///
    /// # Errors
    /// [`Broken`]: the store cannot be read.
    pub async fn due_callbacks(&self, limit: u32) -> Result<Vec<Due>, Broken> {
        let rows = sqlx::query_as::<_, Row>(
            "-- barrier_callback_due
            select barrier_callback.saga, barrier_callback.step, barrier_callback.item, token, state, body
            from barrier_callback
                join barrier_call using (saga, step, item)
            where op = 'action' and state in ('done', 'rejected')
            order by barrier_call.at
            limit $1",
        )
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(Row::parse).collect()
    }

    /// It has been heard, and need not be told again.
    ///
    /// # Errors
    /// [`Broken`]: it will be told again, which does no harm.
    pub async fn heard(&self, action: Place) -> Result<(), Broken> {
        self.unguarded(move |tx| Box::pin(async move { rows::drop_token(tx, &action).await })).await
    }

    /// Tells what is due, now and again and again; it may be dropped at any moment. `tell` makes the one request,
    /// `POST {orchestrator}/v1/callbacks`, within a bound.
    ///
    /// # Panics
    /// `every` is zero.
    pub async fn keep_calling_back<F: Future<Output = Told> + Send>(
        &self,
        every: Duration,
        tell: impl Fn(Due) -> F + Sync,
    ) -> Infallible {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.call_back_once(&tell).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "verdicts cannot be told now; trying again");
            }
        }
    }

    async fn call_back_once<F: Future<Output = Told> + Send>(
        &self,
        tell: &(impl Fn(Due) -> F + Sync),
    ) -> Result<(), Broken> {
        for due in self.due_callbacks(TOLD_TOGETHER).await? {
            let action = due.action.clone();
            if tell(due).await == Told::Heard {
                self.heard(action).await?;
            }
        }
        Ok(())
    }
}

#[derive(FromRow)]
struct Row {
    saga: String,
    step: String,
    item: i64,
    token: String,
    state: String,
    body: Vec<u8>,
}

impl Row {
    fn parse(self) -> Result<Due, Broken> {
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
