//! A service under test, as HTTP sees it: a pot of coins behind a barrier.
//!
//! `POST /coins {add}` is an action, `DELETE /coins` its compensation, `PUT /pot` sets what the pot holds, its cap and the
//! mood of its handlers, `GET /pot` reads it, `POST /finish {saga, step, good}` completes an accepted action.

use std::collections::BTreeMap;

use amends_barrier::fault::Pause;
use amends_protocol::participant::{CallHeaders, Op, SAGA_ACK, SAGA_REFUSED};
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

pub struct Subject {
    /// Two programs on one store: `calls` and `beside`. Only the first stops at the pause.
    pub calls: Router,
    pub beside: Router,
    pub pause: Pause,
    /// Kept until the end of the test.
    pub dir: tempfile::TempDir,
}

/// One attempt, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub headers: CallHeaders,
    pub method: Method,
    pub path: &'static str,
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

pub fn saga() -> Uuid {
    Uuid::now_v7()
}

pub fn action(saga: Uuid, add: i64) -> Attempt {
    Attempt {
        headers: CallHeaders {
            saga,
            name: "fill-the-pot".into(),
            step: "fill".into(),
            index: None,
            op: Op::Action,
            attempt: 1,
            epoch: 1,
            deadline: None,
            traceparent: None,
        },
        method: Method::POST,
        path: "/coins",
        body: json!({ "add": add }).to_string().into(),
    }
}

pub fn compensation(saga: Uuid) -> Attempt {
    let mut attempt = action(saga, 0);
    attempt.headers.op = Op::Compensate;
    attempt.method = Method::DELETE;
    attempt.body = Bytes::new();
    attempt
}

pub fn probe(saga: Uuid) -> Attempt {
    let mut attempt = compensation(saga);
    attempt.headers.op = Op::Probe;
    attempt.method = Method::GET;
    attempt
}

impl Attempt {
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.headers.attempt = attempt;
        self
    }

    pub fn epoch(mut self, epoch: u64) -> Self {
        self.headers.epoch = epoch;
        self
    }

    pub fn index(mut self, index: u32) -> Self {
        self.headers.index = Some(index);
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn key(&self) -> Option<String> {
        Some(self.headers.key())
    }

    pub fn request(&self) -> Request<Body> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(self.body.clone()))
            .unwrap();
        self.headers.write(request.headers_mut()).unwrap();
        request
    }
}

pub async fn ask(router: &Router, request: Request<Body>) -> Heard {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    Heard {
        status: parts.status,
        ack: parts.headers.get(&SAGA_ACK).map(text),
        refused: parts.headers.get(&SAGA_REFUSED).map(text),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: axum::body::to_bytes(body, 16 << 20).await.unwrap(),
    }
}

impl Subject {
    pub async fn send(&self, attempt: &Attempt) -> Heard {
        ask(&self.calls, attempt.request()).await
    }

    /// Through the first program, in a task of its own.
    pub fn spawn(&self, attempt: &Attempt) -> tokio::task::JoinHandle<Heard> {
        spawn(&self.calls, attempt)
    }

    /// Through the second program, in a task of its own.
    pub fn spawn_beside(&self, attempt: &Attempt) -> tokio::task::JoinHandle<Heard> {
        spawn(&self.beside, attempt)
    }

    pub async fn set(&self, pot: Value) {
        let request = Request::put("/pot").body(Body::from(pot.to_string())).unwrap();
        assert_eq!(ask(&self.calls, request).await.status, StatusCode::OK);
    }

    pub async fn coins(&self) -> i64 {
        self.get("/pot").await["coins"].as_i64().unwrap()
    }

    /// What the ledger says about a saga: `action applied`, `compensate[2] null`, in the order of commits.
    pub async fn effects(&self, saga: Uuid) -> Vec<String> {
        let ledger = self.get(&format!("/ledger?saga={saga}")).await;
        let entries = ledger.as_array().unwrap().iter();
        entries
            .map(|entry| {
                let text = |field: &str| entry[field].as_str().unwrap().to_owned();
                let index = entry["index"].as_u64().map_or_else(String::new, |index| format!("[{index}]"));
                format!("{}{index} {}", text("op"), text("effect"))
            })
            .collect()
    }

    pub async fn finish(&self, saga: Uuid, good: bool) -> String {
        let body = json!({ "saga": saga, "step": "fill", "good": good }).to_string();
        let heard = ask(&self.calls, Request::post("/finish").body(Body::from(body)).unwrap()).await;
        heard.json()["completion"].as_str().unwrap().to_owned()
    }

    pub async fn get(&self, path: &str) -> Value {
        let heard = ask(&self.calls, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(heard.status, StatusCode::OK, "{heard:?}");
        heard.json()
    }
}

fn spawn(router: &Router, attempt: &Attempt) -> tokio::task::JoinHandle<Heard> {
    let (router, request) = (router.clone(), attempt.request());
    tokio::spawn(async move { ask(&router, request).await })
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem's word, if it is a problem.
    pub fn problem(&self) -> Option<String> {
        Some(self.json()["type"].as_str()?.rsplit(':').next()?.to_owned())
    }
}
