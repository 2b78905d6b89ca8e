//! The shelf's rules, through the router.
#![expect(clippy::unwrap_used, reason = "tests")]

use amends_barrier::{
    Database,
    testing::{Attempt, Heard, assert_lets_go, effects, plain},
};
use amends_servers::Redis;
use axum::Router;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

struct Inventory {
    router: Router,
    _dir: Option<tempfile::TempDir>,
}

impl Inventory {
    /// With ten pens on the shelf.
    async fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(dir.path().join("inventory.db"));
        Self { _dir: Some(dir), ..Self::on(&database).await }
    }

    async fn on(database: &Database) -> Self {
        let guard = amends_inventory::open(database).await.unwrap();
        let inventory = Self { router: amends_inventory::router(guard), _dir: None };
        let set = plain(&inventory.router, Method::PUT, "/stock/pen", Some(json!({ "quantity": 10 }))).await;
        assert_eq!((set.status, set.json()), (StatusCode::OK, json!({ "sku": "pen", "quantity": 10 })));
        inventory
    }

    async fn reserve(&self, saga: Uuid, quantity: i64) -> Heard {
        reserve(saga, "pen", quantity).send(&self.router).await
    }

    async fn release(&self, saga: Uuid) -> Heard {
        release(saga).send(&self.router).await
    }

    async fn pens(&self) -> i64 {
        plain(&self.router, Method::GET, "/stock/pen", None).await.json()["quantity"].as_i64().unwrap()
    }

    async fn reservations(&self) -> Vec<Value> {
        plain(&self.router, Method::GET, "/reservations", None).await.json().as_array().unwrap().clone()
    }
}

fn reserve(saga: Uuid, sku: &str, quantity: i64) -> Attempt {
    let body = json!({ "order": saga, "sku": sku, "quantity": quantity });
    Attempt::action(saga, "reserve", "/reservations", &body)
}

fn release(saga: Uuid) -> Attempt {
    Attempt::compensation(saga, "reserve", Method::DELETE, &format!("/reservations/{saga}"))
}

/// Each on SQLite as a test of its own, and all of them on the engine.
macro_rules! rules {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Inventory::on_sqlite().await).await;
                }
            )*
        }

        #[tokio::test]
        async fn every_rule_holds_on_redis() {
            let server = tokio::task::spawn_blocking(|| Redis::start(&[])).await.unwrap().unwrap();
            $({
                println!("{}", stringify!($name));
                server.say(&["flushall"]).unwrap();
                let database = Database::Redis(server.url());
                $name(Inventory::on(&database).await).await;
            })*
        }
    };
}

rules! {
    a_reservation_takes_from_the_shelf_and_its_compensation_gives_back,
    the_shelf_never_holds_less_than_nothing,
    twenty_sagas_at_once_share_ten_pens,
    items_of_one_order_are_given_back_one_by_one,
    a_release_at_another_orders_path_is_refused,
    unknown_skus_and_bad_quantities_are_refused_with_an_ack,
}

async fn a_reservation_takes_from_the_shelf_and_its_compensation_gives_back(inventory: Inventory) {
    let saga = Uuid::now_v7();
    let reserved = inventory.reserve(saga, 3).await;
    assert_eq!(reserved.status, StatusCode::CREATED);
    let body = reserved.json();
    assert_eq!((&body["sku"], &body["quantity"], &body["remaining"]), (&json!("pen"), &json!(3), &json!(7)));
    assert_eq!(inventory.pens().await, 7);
    assert_eq!(inventory.reservations().await[0]["status"], "reserved");
    assert_eq!(inventory.release(saga).await.status, StatusCode::OK);
    assert_eq!(inventory.pens().await, 10);
    let released = json!({ "id": body["id"], "order": saga, "sku": "pen", "quantity": 3, "status": "released" });
    assert_eq!(inventory.reservations().await, [released]);
}

async fn the_shelf_never_holds_less_than_nothing(inventory: Inventory) {
    assert_eq!(inventory.reserve(Uuid::now_v7(), 10).await.status, StatusCode::CREATED);
    let saga = Uuid::now_v7();
    let refused = inventory.reserve(saga, 1).await;
    assert_eq!((refused.status, refused.problem().as_deref()), (StatusCode::CONFLICT, Some("out-of-stock")));
    assert!(refused.json()["detail"].as_str().unwrap().starts_with("out of stock"));
    assert_eq!(inventory.pens().await, 0);
    assert_eq!(inventory.reservations().await.len(), 1);
    assert_eq!(effects(&inventory.router, saga).await, [""; 0]);
}

async fn twenty_sagas_at_once_share_ten_pens(inventory: Inventory) {
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let router = inventory.router.clone();
            tokio::spawn(async move { reserve(Uuid::now_v7(), "pen", 1).send(&router).await.status })
        })
        .collect();
    let mut reserved = 0;
    for call in calls {
        match call.await.unwrap() {
            StatusCode::CREATED => reserved += 1,
            status => assert_eq!(status, StatusCode::CONFLICT),
        }
    }
    assert_eq!((reserved, inventory.pens().await), (10, 0));
}

async fn items_of_one_order_are_given_back_one_by_one(inventory: Inventory) {
    let saga = Uuid::now_v7();
    reserve(saga, "pen", 1).index(0).send(&inventory.router).await;
    reserve(saga, "pen", 4).index(1).send(&inventory.router).await;
    assert_eq!(release(saga).index(0).send(&inventory.router).await.status, StatusCode::OK);
    assert_eq!(inventory.pens().await, 6);
}

async fn a_release_at_another_orders_path_is_refused(inventory: Inventory) {
    let saga = Uuid::now_v7();
    inventory.reserve(saga, 3).await;
    let wrong = Attempt::compensation(saga, "reserve", Method::DELETE, "/reservations/other");
    let heard = wrong.send(&inventory.router).await;
    assert_eq!((heard.status, heard.problem().as_deref()), (StatusCode::CONFLICT, Some("not-reserved")));
    assert_eq!(inventory.pens().await, 7);
}

async fn unknown_skus_and_bad_quantities_are_refused_with_an_ack(inventory: Inventory) {
    for (sku, quantity, status) in [
        ("ink", 1, StatusCode::NOT_FOUND),
        ("pen", 0, StatusCode::UNPROCESSABLE_ENTITY),
        ("pen", -3, StatusCode::UNPROCESSABLE_ENTITY),
        ("", 1, StatusCode::UNPROCESSABLE_ENTITY),
        ("pen", i64::MAX, StatusCode::CONFLICT),
    ] {
        let attempt = reserve(Uuid::now_v7(), sku, quantity);
        let heard = attempt.send(&inventory.router).await;
        assert_eq!((heard.status, heard.ack), (status, attempt.key()), "{sku} {quantity}");
    }
    assert_eq!(inventory.pens().await, 10);
    for bad in [json!({ "quantity": -1 }), json!({ "quantity": 1_000_000_001 }), json!({ "quantity": 1, "x": 1 })] {
        let heard = plain(&inventory.router, Method::PUT, "/stock/pen", Some(bad)).await;
        assert_eq!(heard.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(plain(&inventory.router, Method::GET, "/stock/ink", None).await.status, StatusCode::NOT_FOUND);
    let stock = plain(&inventory.router, Method::GET, "/stock", None).await.json();
    assert_eq!(stock, json!([{ "sku": "pen", "quantity": 10 }]));
}

#[tokio::test]
async fn the_reservation_stays_when_its_saga_is_forgotten() {
    let (dir, saga) = (tempfile::tempdir().unwrap(), Uuid::now_v7());
    let barrier = amends_inventory::open(&dir.path().join("inventory.db").as_path().into()).await.unwrap();
    let router = amends_inventory::router(barrier.with_forget_grace(std::time::Duration::ZERO));
    plain(&router, Method::PUT, "/stock/pen", Some(json!({ "quantity": 10 }))).await;
    assert_lets_go(&router, &reserve(saga, "pen", 3), "/reservations").await;
}

#[tokio::test]
async fn the_service_is_what_its_document_says() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = amends_inventory::open(&dir.path().join("inventory.db").as_path().into()).await.unwrap();
    let document = serde_yaml_ng::from_str(amends_inventory::OPENAPI).unwrap();
    amends_barrier::testing::assert_documented(&amends_inventory::router(barrier), &document).await;
}
