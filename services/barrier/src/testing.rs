//! Calls as a test makes them, straight into a router. For the conformance suite and the services' own tests.

mod document;

use std::collections::BTreeMap;

use amends_protocol::{
    forget::{FORGET_PATH, ForgetRequest},
    participant::{CallHeaders, CallbackToken, Op, SAGA_ACK, SAGA_REFUSED},
};
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

pub use document::assert_documented;

/// Far more than any answer here.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// One attempt, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub headers: CallHeaders,
    pub method: Method,
    pub path: String,
    pub body: Bytes,
}

/// An answer, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub status: StatusCode,
    pub ack: Option<String>,
    pub refused: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Attempt {
    /// The first attempt of the first epoch.
    pub fn new(
        saga: Uuid,
        step: &str,
        op: Op,
        method: Method,
        path: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Self {
        let headers = CallHeaders {
            saga,
            name: "tested".into(),
            step: step.into(),
            index: None,
            op,
            attempt: 1,
            epoch: 1,
            deadline: None,
            traceparent: None,
            callback: None,
        };
        Self { headers, method, path: path.into(), body: body.into() }
    }

    /// `POST` with a JSON body.
    pub fn action(saga: Uuid, step: &str, path: &str, body: &Value) -> Self {
        Self::new(saga, step, Op::Action, Method::POST, path, body.to_string())
    }

    /// Without a body.
    pub fn compensation(saga: Uuid, step: &str, method: Method, path: &str) -> Self {
        Self::new(saga, step, Op::Compensate, method, path, "")
    }

    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.headers.attempt = attempt;
        self
    }

    #[must_use]
    pub fn epoch(mut self, epoch: u64) -> Self {
        self.headers.epoch = epoch;
        self
    }

    #[must_use]
    pub fn index(mut self, index: u32) -> Self {
        self.headers.index = Some(index);
        self
    }

    /// It may be accepted and called back with this token.
    #[must_use]
    pub fn later(mut self, token: &str) -> Self {
        self.headers.callback = CallbackToken::new(token);
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks whether it was applied.
    #[must_use]
    pub fn probe(&self) -> Self {
        let mut probe = self.clone();
        probe.headers.op = Op::Probe;
        (probe.method, probe.body) = (Method::GET, Bytes::new());
        probe
    }

    /// What an ack must say.
    pub fn key(&self) -> Option<String> {
        Some(self.headers.key())
    }

    /// As it goes out.
    pub fn request(&self) -> Request<Body> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(self.body.clone()))
            .expect("invariant: a test's request is valid");
        self.headers.write(request.headers_mut()).expect("invariant: a test's names are valid");
        request
    }

    /// Sent, and what came back.
    pub async fn send(&self, router: &Router) -> Heard {
        ask(router, self.request()).await
    }
}

impl Heard {
    /// The body, which is JSON; `null` if there is none.
    pub fn json(&self) -> Value {
        let body: &[u8] = if self.body.is_empty() { b"null" } else { &self.body };
        serde_json::from_slice(body).expect("invariant: a participant answers with JSON")
    }

    /// The problem's word, if it is a problem.
    pub fn problem(&self) -> Option<String> {
        Some(self.json()["type"].as_str()?.rsplit(':').next()?.to_owned())
    }
}

/// Any request at all.
pub async fn ask(router: &Router, request: Request<Body>) -> Heard {
    let Ok(response) = router.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    let text = |value: &HeaderValue| value.to_str().expect("invariant: a participant's headers are text").to_owned();
    // Whether the length is declared is the connection's business.
    let headers = parts.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    Heard {
        status: parts.status,
        ack: parts.headers.get(&SAGA_ACK).map(text),
        refused: parts.headers.get(&SAGA_REFUSED).map(text),
        headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: axum::body::to_bytes(body, ANSWER_LIMIT_BYTES).await.expect("invariant: a participant's answer is whole"),
    }
}

/// A request that belongs to no saga.
pub async fn plain(router: &Router, method: Method, path: &str, body: Option<Value>) -> Heard {
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = Request::builder().method(method).uri(path).body(body);
    ask(router, request.expect("invariant: a test's request is valid")).await
}

/// Names these sagas as ended.
pub async fn forget(router: &Router, sagas: &[Uuid]) -> Heard {
    let body = serde_json::to_value(ForgetRequest { sagas: sagas.to_vec() }).expect("invariant: ids are JSON");
    plain(router, Method::POST, FORGET_PATH, Some(body)).await
}

/// Of a service without grace: after a `forget` the barrier knows no more of this action, and what `list` shows stays.
///
/// # Panics
/// It is not so.
pub async fn assert_lets_go(router: &Router, action: &Attempt, list: &str) {
    assert_eq!(action.send(router).await.status, StatusCode::CREATED);
    assert_eq!(action.probe().send(router).await.status, StatusCode::CREATED);
    let shown = plain(router, Method::GET, list, None).await;
    assert_eq!(shown.json().as_array().map(Vec::len), Some(1), "{shown:?}");
    assert_eq!(forget(router, &[action.headers.saga]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(action.probe().send(router).await.status, StatusCode::NOT_FOUND);
    assert_eq!(plain(router, Method::GET, list, None).await, shown);
    assert_eq!(effects(router, action.headers.saga).await.len(), 1, "the ledger stays");
}

/// What the ledger says about a saga: `reserve action applied`, `reserve[2] compensate null`, in the order of commits.
pub async fn effects(router: &Router, saga: Uuid) -> Vec<String> {
    let ledger = plain(router, Method::GET, &format!("/ledger?saga={saga}"), None).await.json();
    let entries = ledger.as_array().expect("invariant: the ledger is a list").iter();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or("?").to_owned();
    entries
        .map(|entry| {
            let index = entry["index"].as_u64().map_or_else(String::new, |index| format!("[{index}]"));
            format!("{}{index} {} {}", text(entry, "step"), text(entry, "op"), text(entry, "effect"))
        })
        .collect()
}
