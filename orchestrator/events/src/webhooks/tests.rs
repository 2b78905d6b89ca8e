//! How one webhook is told, over a store in memory and a receiver that does what a test tells it.

use std::{
    collections::HashSet,
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use amends_core::{ids::SagaId, time::Time};
use amends_protocol::v1::{WebhookFrom, WebhookRequest, WebhookStatus, WebhookView};
use amends_store::{
    Append, Store,
    conformance::given::{create, end, words},
    memory::MemoryStore,
};
use axum::{Router, body::Bytes, extract::State, routing::post};
use http::StatusCode;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Allowed, WebhookError, WebhookTerms, Webhooks};
use crate::Secrets;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Somebody who is told.
#[derive(Default)]
struct Receiver {
    /// Ids of events it took, in order.
    heard: Mutex<Vec<String>>,
    /// Sagas of which it takes nothing.
    refused: Mutex<HashSet<String>>,
    /// What it answers to everything, if not 200.
    answers: Mutex<Option<StatusCode>>,
}

async fn take(State(receiver): State<Arc<Receiver>>, body: Bytes) -> StatusCode {
    if let Some(status) = *receiver.answers.lock().unwrap() {
        return status;
    }
    let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
    if receiver.refused.lock().unwrap().contains(event["subject"].as_str().unwrap()) {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    receiver.heard.lock().unwrap().push(event["id"].as_str().unwrap().to_owned());
    StatusCode::OK
}

/// A process that tells.
struct Node {
    webhooks: Webhooks,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Node {
    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

struct Place {
    store: Arc<MemoryStore>,
    receiver: Arc<Receiver>,
    url: String,
}

impl Place {
    async fn new(store: MemoryStore) -> Self {
        let (store, receiver) = (Arc::new(store), Arc::new(Receiver::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let router = Router::new().route("/events", post(take)).with_state(receiver.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { store, receiver, url }
    }

    fn webhooks(&self, hold: Duration) -> Webhooks {
        let secrets = Secrets::parse([("hook".to_owned(), SECRET.to_owned())].into()).unwrap();
        let allowed = Allowed::parse(std::slice::from_ref(&self.url)).unwrap();
        let terms = WebhookTerms { allowed, secrets, hold, ..WebhookTerms::default() };
        let clock = self.store.clone();
        Webhooks::new(self.store.clone(), terms, move || clock.now()).unwrap()
    }

    fn node(&self, hold: Duration) -> Node {
        let (webhooks, stop) = (self.webhooks(hold), CancellationToken::new());
        let running = tokio::spawn(webhooks.clone().run(stop.clone()));
        Node { webhooks, stop, running }
    }

    fn request(&self) -> WebhookRequest {
        WebhookRequest {
            url: self.url.clone(),
            secrets: vec!["secret:hook".into()],
            from: WebhookFrom::Beginning,
            ..WebhookRequest::default()
        }
    }

    async fn commit(&self, appends: &[Append]) {
        assert_eq!(words(&self.store.commit(appends.to_vec()).await), vec!["ok"; appends.len()]);
    }

    fn heard(&self) -> Vec<String> {
        self.receiver.heard.lock().unwrap().clone()
    }

    /// What it heard of one saga.
    fn heard_of(&self, saga: SagaId) -> Vec<String> {
        let of_saga = |id: &String| id.strip_prefix(&format!("{saga}:")).map(str::to_owned);
        self.heard().iter().filter_map(of_saga).collect()
    }
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

async fn one(webhooks: &Webhooks) -> WebhookView {
    webhooks.list().await.unwrap().remove(0)
}

#[tokio::test]
async fn an_event_that_cannot_be_told_blocks_its_saga_and_no_other() {
    let place = Place::new(MemoryStore::default()).await;
    let sagas: Vec<Append> = (0..5).map(create).collect();
    let bad = sagas[2].saga;
    place.receiver.refused.lock().unwrap().insert(bad.to_string());
    let node = place.node(WEEK);
    node.webhooks.add(place.request()).await.unwrap();
    place.commit(&sagas).await;
    place.commit(&sagas.iter().map(end).collect::<Vec<_>>()).await;
    until("the others are told", async || place.heard().len() == 8).await;
    until("the view says so", async || one(&node.webhooks).await.blocked_events == 2).await;
    let view = one(&node.webhooks).await;
    assert_eq!((view.status, view.blocked_sagas, view.backlog), (WebhookStatus::Active, 1, 0));
    assert!(view.last_error.as_ref().unwrap().event.starts_with(&bad.to_string()));
    assert!(view.last_error.unwrap().reason.contains("500") && view.failed > 0);
    // Whoever tells it next knows what is left.
    node.stop().await;
    place.receiver.refused.lock().unwrap().clear();
    let node = place.node(WEEK);
    until("all is told", async || place.heard().len() == 10).await;
    assert_eq!(place.heard_of(bad), ["1", "3"]);
    until("and written down", async || one(&node.webhooks).await.blocked_events == 0).await;
    assert_eq!(place.heard().len(), 10, "nothing is told twice where nobody died");
    node.stop().await;
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_stalls_its_webhook_and_then_hears_all_in_order() {
    let place = Place::new(MemoryStore::default()).await;
    *place.receiver.answers.lock().unwrap() = Some(StatusCode::SERVICE_UNAVAILABLE);
    let node = place.node(WEEK);
    node.webhooks.add(place.request()).await.unwrap();
    let sagas: Vec<Append> = (0..200).map(create).collect();
    for some in sagas.chunks(20) {
        place.commit(some).await;
        place.commit(&some.iter().map(end).collect::<Vec<_>>()).await;
    }
    until("it stalls", async || one(&node.webhooks).await.status == WebhookStatus::Stalled).await;
    let view = one(&node.webhooks).await;
    assert!(view.blocked_sagas < 200 && view.backlog > 0, "{view:?}");
    *place.receiver.answers.lock().unwrap() = None;
    until("all is told", async || place.heard().len() >= 400).await;
    for saga in &sagas {
        assert_eq!(place.heard_of(saga.saga), ["1", "3"]);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_nothing_until_somebody_resumes_it() {
    let place = Place::new(MemoryStore::default()).await;
    *place.receiver.answers.lock().unwrap() = Some(StatusCode::GONE);
    let node = place.node(WEEK);
    let id = node.webhooks.add(place.request()).await.unwrap().id;
    place.commit(&[create(1)]).await;
    until("it is paused", async || one(&node.webhooks).await.status == WebhookStatus::Paused).await;
    *place.receiver.answers.lock().unwrap() = None;
    let resumed = node.webhooks.resume(id).await.unwrap();
    assert_eq!(resumed.paused_at, None);
    until("it is told", async || place.heard().len() == 1).await;
    node.stop().await;
}

#[tokio::test]
async fn one_that_is_behind_for_too_long_is_given_up_and_says_so() {
    let place = Place::new(MemoryStore::default()).await;
    place.store.set_now(Time(1_000_000));
    // Told nothing, for nobody runs yet.
    let webhooks = place.webhooks(WEEK);
    let id = webhooks.add(place.request()).await.unwrap().id;
    webhooks.pause(id).await.unwrap();
    place.commit(&[create(1)]).await;
    place.store.set_now(Time(1_000_000) + Duration::from_secs(3));
    let node = place.node(Duration::from_millis(100));
    until("it has expired", async || one(&node.webhooks).await.status == WebhookStatus::Expired).await;
    assert_eq!(node.webhooks.get(id).await.unwrap().backlog, 1);
    // From now on, and not what it missed.
    assert_eq!(node.webhooks.resume(id).await.unwrap().status, WebhookStatus::Active);
    let later = create(2);
    place.commit(std::slice::from_ref(&later)).await;
    until("it is told again", async || !place.heard().is_empty()).await;
    assert_eq!(place.heard(), [format!("{}:1", later.saga)]);
    node.stop().await;
}

#[tokio::test]
async fn of_two_processes_one_tells_a_webhook() {
    let place = Place::new(MemoryStore::shared()).await;
    let (one_node, other) = (place.node(WEEK), place.node(WEEK));
    one_node.webhooks.add(place.request()).await.unwrap();
    let sagas: Vec<Append> = (0..20).map(create).collect();
    for saga in &sagas {
        place.commit(std::slice::from_ref(saga)).await;
    }
    until("all is told", async || place.heard().len() >= 20).await;
    one_node.stop().await;
    other.stop().await;
    assert_eq!(place.heard().len(), 20, "and not twice");
}

#[tokio::test]
async fn what_is_not_allowed_is_not_kept() {
    let place = Place::new(MemoryStore::default()).await;
    let webhooks = place.webhooks(WEEK);
    let refused = |request: WebhookRequest| {
        let webhooks = webhooks.clone();
        async move { webhooks.add(request).await.unwrap_err() }
    };
    let request = || place.request();
    let other = WebhookRequest { url: "http://169.254.169.254/latest".into(), ..request() };
    assert!(matches!(refused(other).await, WebhookError::NotAllowed { .. }));
    for (pointer, broken) in [
        ("/url", WebhookRequest { url: "events".into(), ..request() }),
        ("/url", WebhookRequest { url: format!("{}/{}", place.url, "x".repeat(2000)), ..request() }),
        ("/secrets", WebhookRequest { secrets: vec![], ..request() }),
        ("/secrets", WebhookRequest { secrets: vec!["secret:hook".into(); 3], ..request() }),
        ("/secrets", WebhookRequest { secrets: vec!["secret:other".into()], ..request() }),
        ("/secrets", WebhookRequest { secrets: vec![SECRET.into()], ..request() }),
        ("/names", WebhookRequest { names: vec![String::new()], ..request() }),
    ] {
        match refused(broken).await {
            WebhookError::Invalid { pointer: at, .. } => assert_eq!(at, pointer),
            other => panic!("{other:?}"),
        }
    }
    assert!(webhooks.list().await.unwrap().is_empty());
    let unknown = Uuid::from_u128(1);
    assert!(matches!(webhooks.get(unknown).await, Err(WebhookError::Unknown(_))));
    assert!(matches!(webhooks.delete(unknown).await, Err(WebhookError::Unknown(_))));
    assert!(matches!(webhooks.pause(unknown).await, Err(WebhookError::Unknown(_))));
    assert!(matches!(webhooks.resume(unknown).await, Err(WebhookError::Unknown(_))));
}
