//! The order's rules, through the router.
#![expect(clippy::unwrap_used, reason = "tests")]

use amends_barrier::{
    Database,
    testing::{Attempt, Heard, assert_lets_go, effects, plain},
};
use amends_servers::{Options, Postgres};
use axum::Router;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

struct Orders {
    router: Router,
    saga: Uuid,
    _dir: Option<tempfile::TempDir>,
}

impl Orders {
    async fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(dir.path().join("orders.db"));
        Self { _dir: Some(dir), ..Self::on(&database).await }
    }

    async fn on(database: &Database) -> Self {
        let barrier = amends_orders::open(database).await.unwrap();
        Self { router: amends_orders::router(barrier), saga: Uuid::now_v7(), _dir: None }
    }

    async fn open(&self) -> Heard {
        let body = json!({ "id": self.saga, "customer": "ada", "sku": "pen", "quantity": 2, "amount": 500 });
        Attempt::action(self.saga, "open", "/orders", &body).send(&self.router).await
    }

    async fn confirm(&self, step: &str, body: Value) -> Heard {
        let path = format!("/orders/{}/confirm", self.saga);
        Attempt::action(self.saga, step, &path, &body).send(&self.router).await
    }

    async fn reject(&self, step: &str) -> Heard {
        let path = format!("/orders/{}/reject", self.saga);
        Attempt::compensation(self.saga, step, Method::POST, &path).send(&self.router).await
    }

    async fn status(&self) -> String {
        let heard = plain(&self.router, Method::GET, &format!("/orders/{}", self.saga), None).await;
        assert_eq!(heard.status, StatusCode::OK, "{heard:?}");
        heard.json()["status"].as_str().unwrap().to_owned()
    }
}

/// Each on SQLite as a test of its own, and all of them on the engine.
macro_rules! rules {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Orders::on_sqlite().await).await;
                }
            )*
        }

        #[tokio::test]
        async fn every_rule_holds_on_postgresql() {
            let server = tokio::task::spawn_blocking(|| Postgres::start(Options::default())).await.unwrap().unwrap();
            let mut number = 0;
            $({
                number += 1;
                println!("{number}: {}", stringify!($name));
                let database = Database::Postgres(server.create_database(&format!("rules{number}")).unwrap());
                $name(Orders::on(&database).await).await;
            })*
        }
    };
}

rules! {
    an_order_opens_pending_and_is_confirmed_with_its_tracking,
    a_rejected_order_is_never_confirmed,
    a_confirmed_order_is_never_rejected,
    an_order_is_confirmed_once,
    rejecting_what_was_never_opened_makes_no_order_and_closes_the_door,
    orders_that_cannot_be_are_refused_with_an_ack,
    one_id_is_one_order,
    unknown_orders_are_not_found,
}

async fn an_order_opens_pending_and_is_confirmed_with_its_tracking(orders: Orders) {
    let opened = orders.open().await;
    assert_eq!(
        (opened.status, opened.json()),
        (StatusCode::CREATED, json!({ "id": orders.saga, "status": "pending" }))
    );
    assert_eq!(orders.status().await, "pending");
    assert_eq!(orders.confirm("confirm", json!({ "tracking": "T1" })).await.status, StatusCode::OK);
    let list = plain(&orders.router, Method::GET, "/orders", None).await.json();
    let order = json!({
        "id": orders.saga, "customer": "ada", "sku": "pen", "quantity": 2, "amount": 500,
        "status": "confirmed", "tracking": "T1",
    });
    assert_eq!(list, json!([order]));
    assert_eq!(effects(&orders.router, orders.saga).await, ["open action applied", "confirm action applied"]);
}

async fn a_rejected_order_is_never_confirmed(orders: Orders) {
    orders.open().await;
    assert_eq!(orders.reject("open").await.status, StatusCode::OK);
    let confirmed = orders.confirm("confirm", json!({})).await;
    assert_eq!((confirmed.status, confirmed.problem().as_deref()), (StatusCode::CONFLICT, Some("order-ended")));
    assert_eq!(orders.status().await, "rejected");
    assert_eq!(effects(&orders.router, orders.saga).await, ["open action applied", "open compensate undone"]);
}

async fn a_confirmed_order_is_never_rejected(orders: Orders) {
    orders.open().await;
    orders.confirm("confirm", json!({ "tracking": null })).await;
    let rejected = orders.reject("open").await;
    assert_eq!((rejected.status, rejected.problem().as_deref()), (StatusCode::CONFLICT, Some("order-ended")));
    assert!(rejected.ack.is_some(), "a refused compensation is a definite no");
    assert_eq!(orders.status().await, "confirmed");
}

async fn an_order_is_confirmed_once(orders: Orders) {
    orders.open().await;
    orders.confirm("confirm", json!({ "tracking": "T1" })).await;
    assert_eq!(orders.confirm("again", json!({ "tracking": "T2" })).await.status, StatusCode::CONFLICT);
    let order = plain(&orders.router, Method::GET, &format!("/orders/{}", orders.saga), None).await.json();
    assert_eq!(order["tracking"], "T1");
}

async fn rejecting_what_was_never_opened_makes_no_order_and_closes_the_door(orders: Orders) {
    assert_eq!(orders.reject("open").await.status, StatusCode::OK);
    assert_eq!(orders.open().await.problem().as_deref(), Some("already-compensated"));
    let list = plain(&orders.router, Method::GET, "/orders", None).await.json();
    assert_eq!(list, json!([]));
}

async fn orders_that_cannot_be_are_refused_with_an_ack(orders: Orders) {
    let refusals = [
        (json!({ "id": "", "customer": "ada" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "id": "a\u{0}b", "customer": "ada" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "id": "1", "customer": "ada", "quantity": 0 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "id": "1", "customer": "ada", "amount": -1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "id": "1", "customer": "ada", "colour": "red" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "id": "1" }), StatusCode::UNPROCESSABLE_ENTITY),
    ];
    for (number, (body, status)) in (0..).zip(refusals) {
        let open = Attempt::action(orders.saga, "open", "/orders", &body).index(number);
        let heard = open.send(&orders.router).await;
        assert_eq!((heard.status, heard.ack), (status, open.key()), "{body}");
    }
    assert_eq!(plain(&orders.router, Method::GET, "/orders", None).await.json(), json!([]));
}

async fn one_id_is_one_order(orders: Orders) {
    orders.open().await;
    let body = json!({ "id": orders.saga, "customer": "eve" });
    let again = Attempt::action(Uuid::now_v7(), "open", "/orders", &body).send(&orders.router).await;
    assert_eq!((again.status, again.problem().as_deref()), (StatusCode::CONFLICT, Some("order-exists")));
    let order = plain(&orders.router, Method::GET, &format!("/orders/{}", orders.saga), None).await.json();
    assert_eq!(order["customer"], "ada");
}

async fn unknown_orders_are_not_found(orders: Orders) {
    assert_eq!(plain(&orders.router, Method::GET, "/orders/none", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(plain(&orders.router, Method::GET, "/orders/a%00b", None).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(orders.confirm("confirm", json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_order_stays_when_its_saga_is_forgotten() {
    let (dir, saga) = (tempfile::tempdir().unwrap(), Uuid::now_v7());
    let barrier = amends_orders::open(&dir.path().join("orders.db").as_path().into()).await.unwrap();
    let router = amends_orders::router(barrier.with_forget_grace(std::time::Duration::ZERO));
    assert_lets_go(
        &router,
        &Attempt::action(saga, "open", "/orders", &json!({ "id": saga, "customer": "ada" })),
        "/orders",
    )
    .await;
}

#[tokio::test]
async fn the_service_is_what_its_document_says() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = amends_orders::open(&dir.path().join("orders.db").as_path().into()).await.unwrap();
    let document = serde_yaml_ng::from_str(amends_orders::OPENAPI).unwrap();
    amends_barrier::testing::assert_documented(&amends_orders::router(barrier), &document).await;
}
