//! Shipments that are accepted now and booked later, and what the orchestrator is told of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use amends_barrier::{
    Barrier,
    testing::{Attempt, effects, plain},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use http::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

/// What came of a callback, and how it is answered.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

struct Shipping {
    router: Router,
    barrier: Barrier,
    dir: tempfile::TempDir,
}

impl Shipping {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let barrier = amends_shipping::open(&dir.path().join("shipping.db").as_path().into()).await.unwrap();
        Self { router: amends_shipping::router_for_later(barrier.clone()), barrier, dir }
    }

    /// Books what was accepted so long ago, and tells this orchestrator.
    fn books(&self, after: Duration, orchestrator: &str) -> JoinHandle<()> {
        let (barrier, orchestrator) = (self.barrier.clone(), orchestrator.parse().unwrap());
        tokio::spawn(async move {
            match amends_shipping::keep_booking(barrier, after, orchestrator).await {
                Ok(never) => match never {},
                Err(error) => panic!("{error}"),
            }
        })
    }

    async fn shipments(&self) -> Vec<Value> {
        plain(&self.router, Method::GET, "/shipments", None).await.json().as_array().unwrap().clone()
    }
}

/// An orchestrator that is away for the first callback, and takes the others.
async fn orchestrator() -> (String, Heard) {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/callbacks", post(take)).with_state(heard.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, heard)
}

async fn take(State(heard): State<Heard>, headers: HeaderMap, body: String) -> StatusCode {
    let token = headers["saga-callback"].to_str().unwrap().to_owned();
    let mut heard = heard.lock().unwrap();
    heard.push((token, serde_json::from_str(&body).unwrap()));
    if heard.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}

fn book(saga: Uuid, address: &str) -> Attempt {
    Attempt::action(saga, "ship", "/shipments", &json!({ "order": saga, "address": address })).later("call.proof")
}

fn cancel(saga: Uuid) -> Attempt {
    Attempt::compensation(saga, "ship", Method::POST, &format!("/shipments/{saga}/cancel"))
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}

#[tokio::test]
async fn what_is_accepted_is_booked_later_and_told_until_it_is_heard() {
    let (shipping, saga) = (Shipping::new().await, Uuid::now_v7());
    let (address, heard) = orchestrator().await;
    let accepted = book(saga, "12 Rue Ada").send(&shipping.router).await;
    assert_eq!((accepted.status, &accepted.ack), (StatusCode::ACCEPTED, &book(saga, "12 Rue Ada").key()));
    assert_eq!(book(saga, "12 Rue Ada").attempt(2).send(&shipping.router).await, accepted);
    assert_eq!(shipping.shipments().await, Vec::<Value>::new());
    let books = shipping.books(Duration::ZERO, &address);
    until("it was told twice", async || heard.lock().unwrap().len() == 2).await;
    until("it is not told again", async || shipping.barrier.due_callbacks(10).await.unwrap().is_empty()).await;
    let shipments = shipping.shipments().await;
    assert_eq!((shipments.len(), &shipments[0]["status"]), (1, &json!("booked")));
    let verdict = json!({ "outcome": "succeeded", "body": { "tracking": shipments[0]["tracking"] } });
    assert_eq!(
        *heard.lock().unwrap(),
        [("call.proof".to_owned(), verdict.clone()), ("call.proof".to_owned(), verdict)]
    );
    assert_eq!(effects(&shipping.router, saga).await, ["ship action applied"]);
    // From now on it is undone as if it had been booked at once.
    assert_eq!(cancel(saga).send(&shipping.router).await.status, StatusCode::OK);
    assert_eq!(shipping.shipments().await[0]["status"], "cancelled");
    books.abort();
}

#[tokio::test]
async fn where_nobody_delivers_is_found_out_later_and_told_as_a_no() {
    let (shipping, saga) = (Shipping::new().await, Uuid::now_v7());
    let (address, heard) = orchestrator().await;
    assert_eq!(book(saga, "unknown").send(&shipping.router).await.status, StatusCode::ACCEPTED);
    let books = shipping.books(Duration::ZERO, &address);
    until("it was told", async || heard.lock().unwrap().len() == 2).await;
    let verdict = json!({ "outcome": "rejected", "reason": "address: nobody delivers there" });
    assert_eq!(heard.lock().unwrap()[1].1, verdict);
    assert_eq!(shipping.shipments().await, Vec::<Value>::new());
    assert_eq!(effects(&shipping.router, saga).await, ["ship action applied", "ship action undone"]);
    books.abort();
}

#[tokio::test]
async fn what_is_cancelled_before_it_is_booked_is_neither_booked_nor_told() {
    let (shipping, saga) = (Shipping::new().await, Uuid::now_v7());
    let (address, heard) = orchestrator().await;
    book(saga, "12 Rue Ada").send(&shipping.router).await;
    let cancelled = cancel(saga).send(&shipping.router).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (StatusCode::OK, &json!("never booked")));
    let late = book(saga, "12 Rue Ada").attempt(2).send(&shipping.router).await;
    assert_eq!(late.problem().as_deref(), Some("already-compensated"));
    let other = Uuid::now_v7();
    book(other, "12 Rue Ada").send(&shipping.router).await;
    let books = shipping.books(Duration::ZERO, &address);
    until("the other one was told", async || heard.lock().unwrap().len() == 2).await;
    let shipments = shipping.shipments().await;
    assert_eq!((shipments.len(), &shipments[0]["order"]), (1, &json!(other)));
    assert_eq!(effects(&shipping.router, saga).await, ["ship action applied", "ship compensate undone"]);
    books.abort();
}

#[tokio::test]
async fn who_cannot_be_called_back_is_served_at_once() {
    let (shipping, saga) = (Shipping::new().await, Uuid::now_v7());
    let mut unasked = book(saga, "12 Rue Ada");
    unasked.headers.callback = None;
    assert_eq!(unasked.send(&shipping.router).await.status, StatusCode::CREATED);
    assert_eq!(shipping.shipments().await.len(), 1);
    assert!(shipping.dir.path().exists());
}
