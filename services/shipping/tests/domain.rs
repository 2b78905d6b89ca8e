//! The shipment's rules, through the router.
#![expect(clippy::unwrap_used, reason = "tests")]

use amends_barrier::testing::{Attempt, assert_lets_go, effects, plain};
use axum::Router;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

struct Shipping {
    router: Router,
    _dir: tempfile::TempDir,
}

impl Shipping {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let barrier = amends_shipping::open(&dir.path().join("shipping.db").as_path().into()).await.unwrap();
        Self { router: amends_shipping::router(barrier), _dir: dir }
    }

    async fn shipments(&self) -> Value {
        plain(&self.router, Method::GET, "/shipments", None).await.json()
    }
}

fn book(saga: Uuid, mut body: Value) -> Attempt {
    body["order"] = json!(saga);
    Attempt::action(saga, "ship", "/shipments", &body)
}

fn cancel(saga: Uuid, order: &str) -> Attempt {
    Attempt::compensation(saga, "ship", Method::POST, &format!("/shipments/{order}/cancel"))
}

#[tokio::test]
async fn a_copy_hears_the_same_tracking_number() {
    let (shipping, saga) = (Shipping::new().await, Uuid::now_v7());
    let booked = book(saga, json!({ "address": "12 Rue Ada" })).send(&shipping.router).await;
    assert_eq!(booked.status, StatusCode::CREATED);
    let copy = book(saga, json!({ "address": "12 Rue Ada" })).attempt(2).send(&shipping.router).await;
    assert_eq!(copy, booked);
    let tracking = booked.json()["tracking"].clone();
    let shipment = json!({ "tracking": tracking, "order": saga, "address": "12 Rue Ada", "status": "booked" });
    assert_eq!(shipping.shipments().await, json!([shipment]));
}

#[tokio::test]
async fn a_cancelled_shipment_stays_cancelled() {
    let (shipping, saga) = (Shipping::new().await, Uuid::now_v7());
    book(saga, json!({})).send(&shipping.router).await;
    let wrong = cancel(saga, "other").send(&shipping.router).await;
    assert_eq!((wrong.status, wrong.problem().as_deref()), (StatusCode::CONFLICT, Some("not-booked")));
    assert_eq!(shipping.shipments().await[0]["status"], "booked");
    assert_eq!(cancel(saga, &saga.to_string()).send(&shipping.router).await.status, StatusCode::OK);
    assert_eq!(shipping.shipments().await[0]["status"], "cancelled");
    let late = book(saga, json!({})).attempt(2).send(&shipping.router).await;
    assert_eq!(late.problem().as_deref(), Some("already-compensated"));
    assert_eq!(shipping.shipments().await.as_array().unwrap().len(), 1);
    assert_eq!(effects(&shipping.router, saga).await, ["ship action applied", "ship compensate undone"]);
}

#[tokio::test]
async fn addresses_where_nobody_delivers_are_refused_with_an_ack() {
    let shipping = Shipping::new().await;
    for address in ["", "   ", "unknown", "Unknown", &"x".repeat(1001)] {
        let attempt = book(Uuid::now_v7(), json!({ "address": address }));
        let heard = attempt.send(&shipping.router).await;
        assert_eq!((heard.status, heard.ack), (StatusCode::UNPROCESSABLE_ENTITY, attempt.key()), "{address:?}");
    }
    assert_eq!(shipping.shipments().await, json!([]));
}

#[tokio::test]
async fn an_order_may_have_several_shipments_and_one_is_cancelled() {
    let (shipping, saga) = (Shipping::new().await, Uuid::now_v7());
    for index in 0..2 {
        book(saga, json!({})).index(index).send(&shipping.router).await;
    }
    cancel(saga, &saga.to_string()).index(1).send(&shipping.router).await;
    let shipments = shipping.shipments().await;
    assert_eq!((&shipments[0]["status"], &shipments[1]["status"]), (&json!("booked"), &json!("cancelled")));
}

#[tokio::test]
async fn the_shipment_stays_when_its_saga_is_forgotten() {
    let (dir, saga) = (tempfile::tempdir().unwrap(), Uuid::now_v7());
    let barrier = amends_shipping::open(&dir.path().join("shipping.db").as_path().into()).await.unwrap();
    let router = amends_shipping::router(barrier.with_forget_grace(std::time::Duration::ZERO));
    assert_lets_go(&router, &book(saga, json!({ "address": "12 Rue Ada" })), "/shipments").await;
}

#[tokio::test]
async fn the_service_is_what_its_document_says() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = amends_shipping::open(&dir.path().join("shipping.db").as_path().into()).await.unwrap();
    let document = serde_yaml_ng::from_str(amends_shipping::OPENAPI).unwrap();
    amends_barrier::testing::assert_documented(&amends_shipping::router(barrier), &document).await;
}
