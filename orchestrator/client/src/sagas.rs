//! `/v1/sagas`.

use std::time::Duration;

use amends_protocol::{
    participant::{IDEMPOTENCY_KEY, TRACEPARENT},
    v1::{
        CancelRequest, HeldLock, HistoryEntry, IDEMPOTENT_REPLAYED, Page, QueuedSaga, SagaItem, SagaStatus, SagaView,
        StartRequest,
    },
};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::{Client, ClientError};

/// A start, with what goes beside its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    pub request: StartRequest,
    /// 1 to 255 visible characters. With it the start may be repeated: it starts one saga.
    pub key: Option<String>,
    /// Hold the answer until the saga has ended or raised attention, at most so long.
    pub wait: Option<Duration>,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// The answer to a start.
#[derive(Clone, Debug, PartialEq)]
pub struct StartAnswer {
    pub saga: SagaView,
    /// An earlier start under the same key made it.
    pub replayed: bool,
}

/// Which sagas a list is about; what is empty means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    pub statuses: Vec<SagaStatus>,
    pub name: Option<String>,
    /// The children of this saga.
    pub parent: Option<Uuid>,
    pub attention: Option<bool>,
    /// RFC 3339, inclusive.
    pub started_from: Option<String>,
    /// RFC 3339, exclusive.
    pub started_before: Option<String>,
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Client {
    /// Starts a saga.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn start(&self, start: &Start) -> Result<StartAnswer, ClientError> {
        let mut request = self.request(Method::POST, &["v1", "sagas"]).json(&start.request).wait(start.wait);
        if let Some(key) = &start.key {
            request = request.header(IDEMPOTENCY_KEY.as_str(), "the key", &quoted(key))?;
        }
        if let Some(traceparent) = &start.traceparent {
            request = request.header(TRACEPARENT.as_str(), "the trace context", traceparent)?;
        }
        let answer = request.answer().await?;
        let replayed = answer.headers.get(IDEMPOTENT_REPLAYED).is_some_and(|value| value == "true");
        Ok(StartAnswer { saga: answer.body, replayed })
    }

    /// A saga as it stands; with `wait`, held until it has ended or raised attention, at most so long.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn saga(&self, id: Uuid, wait: Option<Duration>) -> Result<SagaView, ClientError> {
        self.request(Method::GET, &["v1", "sagas", &id.to_string()]).wait(wait).ask().await
    }

    /// A page of sagas, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sagas(&self, list: &List) -> Result<Page<SagaItem>, ClientError> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(list.statuses.iter().map(|status| ("status", status.to_string())));
        query.extend(list.name.iter().map(|name| ("name", name.clone())));
        query.extend(list.parent.iter().map(|parent| ("parent", parent.to_string())));
        query.extend(list.attention.iter().map(|attention| ("attention", attention.to_string())));
        query.extend(list.started_from.iter().map(|from| ("started_from", from.clone())));
        query.extend(list.started_before.iter().map(|before| ("started_before", before.clone())));
        query.extend(list.limit.iter().map(|limit| ("limit", limit.to_string())));
        query.extend(list.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
        self.query(Method::GET, &["v1", "sagas"], &query).ask().await
    }

    /// A page of a saga's journal, in order, above `after`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn history(
        &self,
        id: Uuid,
        after: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Page<HistoryEntry>, ClientError> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(after.iter().map(|after| ("after", after.to_string())));
        query.extend(limit.iter().map(|limit| ("limit", limit.to_string())));
        self.query(Method::GET, &["v1", "sagas", &id.to_string(), "history"], &query).ask().await
    }

    /// Asks for a saga to be undone; answers with it as it then stands.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel(&self, id: Uuid, reason: Option<String>) -> Result<SagaView, ClientError> {
        self.request(Method::POST, &["v1", "sagas", &id.to_string(), "cancel"])
            .json(&CancelRequest { reason })
            .ask()
            .await
    }
}

impl Client {
    /// A page of the locks that sagas have whose names begin with `prefix`, by name.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn locks(
        &self,
        prefix: Option<&str>,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<HeldLock>, ClientError> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(prefix.iter().map(|prefix| ("prefix", (*prefix).to_owned())));
        query.extend(limit.iter().map(|limit| ("limit", limit.to_string())));
        query.extend(cursor.iter().map(|cursor| ("cursor", (*cursor).to_owned())));
        self.query(Method::GET, &["v1", "locks"], &query).ask().await
    }

    /// A page of the sagas in the queue of a lock; the first of all has it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lock_queue(
        &self,
        lock: &str,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<QueuedSaga>, ClientError> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(limit.iter().map(|limit| ("limit", limit.to_string())));
        query.extend(cursor.iter().map(|cursor| ("cursor", (*cursor).to_owned())));
        self.query(Method::GET, &["v1", "locks", lock], &query).ask().await
    }
}

/// A signal, with what goes beside its payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    /// What a step of the saga awaits.
    pub name: String,
    /// 1 to 255 visible characters. With it the signal may be repeated: it is one signal.
    pub key: Option<String>,
    pub payload: Value,
}

impl Client {
    /// Gives a saga a signal; answers with the saga as it then stands.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn signal(&self, id: Uuid, signal: &Signal) -> Result<SagaView, ClientError> {
        let segments = ["v1", "sagas", &id.to_string(), "signals", &signal.name];
        let mut request = self.request(Method::POST, &segments).json(&signal.payload);
        if let Some(key) = &signal.key {
            request = request.header(IDEMPOTENCY_KEY.as_str(), "the key", &quoted(key))?;
        }
        request.ask().await
    }
}

/// As draft-ietf-httpapi-idempotency-key-header writes it: a quoted string (RFC 9651).
fn quoted(key: &str) -> String {
    format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
}
