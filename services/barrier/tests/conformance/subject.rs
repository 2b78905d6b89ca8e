//! A service under test, as HTTP sees it: a pot of coins behind a barrier.
//!
//! `POST /coins {add}` is an action, `DELETE /coins` its compensation, `PUT /pot` sets what the pot holds, its cap and the
//! mood of its handlers, `GET /pot` reads it, `POST /finish {saga, step, good}` completes an accepted action,
//! `GET /due` lists what is still to be called back, `POST /heard {saga, step}` says that it was heard,
//! `GET /kept/{saga}` counts the rows that the store keeps of a saga, the ledger's apart.

use std::time::Duration;

pub(crate) use amends_barrier::testing::{Attempt, Heard, ask};
use amends_barrier::{clock::Clock, fault::Pause, testing};
use amends_protocol::participant::Op;
use axum::{Router, body::Body};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long ended sagas stay.
pub(crate) const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(crate) struct Subject {
    /// Two programs on one store: `calls` and `beside`. Only the first stops at the pause.
    pub(crate) calls: Router,
    pub(crate) beside: Router,
    pub(crate) pause: Pause,
    /// Of both programs. The grace is [`GRACE`].
    pub(crate) clock: Clock,
    /// Each call is one step of the store, which nothing can stop in the middle: it is stopped between its end and its answer.
    pub(crate) in_one_step: bool,
    /// Kept until the end of the test.
    pub(crate) dir: Option<tempfile::TempDir>,
}

pub(crate) fn saga() -> Uuid {
    Uuid::now_v7()
}

pub(crate) fn action(saga: Uuid, add: i64) -> Attempt {
    Attempt::action(saga, "fill", "/coins", &json!({ "add": add }))
}

pub(crate) fn compensation(saga: Uuid) -> Attempt {
    Attempt::compensation(saga, "fill", Method::DELETE, "/coins")
}

pub(crate) fn probe(saga: Uuid) -> Attempt {
    Attempt::new(saga, "fill", Op::Probe, Method::GET, "/coins", "")
}

impl Subject {
    pub(crate) async fn send(&self, attempt: &Attempt) -> Heard {
        ask(&self.calls, attempt.request()).await
    }

    /// Through the first program, in a task of its own.
    pub(crate) fn spawn(&self, attempt: &Attempt) -> tokio::task::JoinHandle<Heard> {
        spawn(&self.calls, attempt)
    }

    /// Through the second program, in a task of its own.
    pub(crate) fn spawn_beside(&self, attempt: &Attempt) -> tokio::task::JoinHandle<Heard> {
        spawn(&self.beside, attempt)
    }

    pub(crate) async fn set(&self, pot: Value) {
        let request = Request::put("/pot").body(Body::from(pot.to_string())).unwrap();
        assert_eq!(ask(&self.calls, request).await.status, StatusCode::OK);
    }

    pub(crate) async fn coins(&self) -> i64 {
        self.get("/pot").await["coins"].as_i64().unwrap()
    }

    /// `action applied`, `compensate null`, with `[index] ` before it for an item.
    pub(crate) async fn effects(&self, saga: Uuid) -> Vec<String> {
        let effects = testing::effects(&self.calls, saga).await;
        effects.into_iter().map(|effect| effect.trim_start_matches("fill").trim_start().to_owned()).collect()
    }

    pub(crate) async fn finish(&self, saga: Uuid, good: bool) -> String {
        finish(self.calls.clone(), saga, good).await
    }

    /// Through the second program, in a task of its own.
    pub(crate) fn finish_beside(&self, saga: Uuid) -> tokio::task::JoinHandle<String> {
        tokio::spawn(finish(self.beside.clone(), saga, true))
    }

    /// What is still to be called back: the token and the body of each.
    pub(crate) async fn due(&self) -> Vec<(String, Value)> {
        let due = self.get("/due").await;
        let one = |due: &Value| (due["token"].as_str().unwrap().to_owned(), due["verdict"].clone());
        due.as_array().unwrap().iter().map(one).collect()
    }

    pub(crate) async fn heard(&self, saga: Uuid) {
        let body = json!({ "saga": saga, "step": "fill" }).to_string();
        let heard = ask(&self.calls, Request::post("/heard").body(Body::from(body)).unwrap()).await;
        assert_eq!(heard.status, StatusCode::OK);
    }

    pub(crate) async fn forget(&self, sagas: &[Uuid]) -> Heard {
        testing::forget(&self.calls, sagas).await
    }

    /// Time goes by, and somebody else's saga is forgotten: whatever is due goes now.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        assert_eq!(self.forget(&[saga()]).await.status, StatusCode::NO_CONTENT);
    }

    pub(crate) async fn kept(&self, saga: Uuid) -> i64 {
        self.get(&format!("/kept/{saga}")).await["rows"].as_i64().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let heard = ask(&self.calls, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(heard.status, StatusCode::OK, "{heard:?}");
        heard.json()
    }
}

async fn finish(router: Router, saga: Uuid, good: bool) -> String {
    let body = json!({ "saga": saga, "step": "fill", "good": good }).to_string();
    let heard = ask(&router, Request::post("/finish").body(Body::from(body)).unwrap()).await;
    heard.json()["completion"].as_str().unwrap().to_owned()
}

fn spawn(router: &Router, attempt: &Attempt) -> tokio::task::JoinHandle<Heard> {
    let (router, request) = (router.clone(), attempt.request());
    tokio::spawn(async move { ask(&router, request).await })
}
