//! A server in this process and one way to ask it.

mod log;
mod services;

use std::{sync::Arc, time::Duration};

use amends_engine::{Catalogue, Engine, Faults, LeaseTerms, Limits, Retention, Setup, SystemClock};
use amends_store::memory::MemoryStore;
use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) use amends_store::memory::Reads;
pub(crate) use log::Log;
pub(crate) use services::{NO_FUNDS, NO_SHIPMENT, SLOW_CHARGE, SLOW_SHIPMENT, Services};

/// What only the operator may read.
pub(crate) const SECRET: &str = "connection to postgres://amends:hunter2@db/amends refused";

/// Three steps with a pivot. What the services do is in the amount; see [`Services`].
pub(crate) const ORDER: &str = r#"
saga: place-order
input:
  type: object
  required: [amount]
  properties: { amount: { type: integer, minimum: 1 }, note: { type: string } }
defaults: { timeout: 10s, retry: { attempts: 2, backoff: 1ms, max_backoff: 1ms } }
steps:
  reserve:
    call: inventory POST /reservations
    body: { amount: "${{ input.amount }}" }
    compensate: { call: "inventory DELETE /reservations/${{ saga.id }}" }
  charge:
    call: payments POST /charges
    body: { amount: "${{ input.amount }}" }
    compensate: { call: "payments POST /charges/${{ saga.id }}/refund" }
  ship:
    pivot: true
    call: shipping POST /shipments
    body: { amount: "${{ input.amount }}" }
output: { order: "${{ saga.id }}" }
"#;

/// A server that is asked in memory.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) engine: Engine,
    pub(crate) services: Arc<Services>,
    pub(crate) store: Arc<MemoryStore>,
}

impl Server {
    /// One that knows [`ORDER`] as version 1.
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let server = Self::empty(limits).await;
        let answer = server.post_yaml("/v1/definitions", ORDER).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        server
    }

    /// One that was started to inject faults.
    pub(crate) async fn with_faults() -> Self {
        let server = Self::open(Limits::default(), Some(Arc::default())).await;
        let answer = server.post_yaml("/v1/definitions", ORDER).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        server
    }

    pub(crate) async fn empty(limits: Limits) -> Self {
        Self::open(limits, None).await
    }

    async fn open(limits: Limits, faults: Option<Arc<Faults>>) -> Self {
        Log::of_this_process();
        let (services, store) = (Arc::new(Services::default()), Arc::new(MemoryStore::default()));
        let catalogue: Catalogue = serde_json::from_value(json!({
            "inventory": { "url": "http://inventory.test" },
            "payments": { "url": "http://payments.test" },
            "shipping": { "url": "http://shipping.test" },
        }))
        .unwrap();
        let clock = Arc::new(SystemClock::anchored(None));
        let (name, lease, retention) = ("kit".into(), LeaseTerms::default(), Retention::default());
        let setup = Setup {
            store: store.clone(),
            participant: services.clone(),
            clock,
            catalogue,
            limits,
            name,
            lease,
            retention,
            faults,
        };
        let engine = Engine::open(setup).await.unwrap();
        Self { router: amends_api::router(engine.clone()), engine, services, store }
    }

    /// Starts an order, which must be taken.
    pub(crate) async fn start(&self, amount: u32) -> Value {
        let answer = self.post("/v1/sagas", &order(amount)).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer.body
    }

    /// Starts an order and waits until it has settled.
    pub(crate) async fn run(&self, amount: u32) -> Value {
        let request = Request::post("/v1/sagas").header("prefer", "wait=20");
        let answer = self.ask(json_body(request, &order(amount))).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        answer.body
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(json_body(Request::post(path), body)).await
    }

    pub(crate) async fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.ask(json_body(Request::post(path).header("idempotency-key", key), body)).await
    }

    pub(crate) async fn post_yaml(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/yaml");
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/") || kind == "image/svg+xml");
        let body = match &bytes[..] {
            [] => Value::Null,
            text_bytes if text => String::from_utf8(text_bytes.to_vec()).unwrap().into(),
            json => serde_json::from_slice(json).unwrap(),
        };
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// It is a problem of this type with this status, and written as one.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, kind: &str) -> &Self {
        let what = format!("{} {}", self.status, self.body);
        assert_eq!(self.status.as_u16(), status, "{what}");
        assert_eq!(self.body["type"], format!("urn:amends:problem:{kind}"), "{what}");
        assert_eq!(self.body["status"], status, "{what}");
        assert!(self.body["title"].is_string(), "{what}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{what}");
        let id = self.header("x-request-id").expect("a request id");
        assert_eq!(self.body["instance"], format!("urn:amends:request:{id}"), "{what}");
        self
    }

    /// The JSON pointers of its errors.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        self.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    }
}

pub(crate) fn order(amount: u32) -> Value {
    json!({ "definition": "place-order", "input": { "amount": amount } })
}

pub(crate) fn json_body(request: http::request::Builder, body: &Value) -> Request<Body> {
    request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap()
}

pub(crate) fn id(saga: &Value) -> String {
    saga["id"].as_str().unwrap().to_owned()
}

/// Waits for a condition, with a bound.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}
