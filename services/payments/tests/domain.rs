//! The money's rules, through the router.
#![expect(clippy::unwrap_used, reason = "tests")]

use amends_barrier::{
    Database,
    testing::{Attempt, Heard, assert_lets_go, effects, plain},
};
use amends_servers::Mariadb;
use axum::Router;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

struct Payments {
    router: Router,
    _dir: Option<tempfile::TempDir>,
}

impl Payments {
    /// Ada has 1000, Bob 0.
    async fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(dir.path().join("payments.db"));
        Self { _dir: Some(dir), ..Self::on(&database).await }
    }

    async fn on(database: &Database) -> Self {
        let barrier = amends_payments::open(database).await.unwrap();
        let payments = Self { router: amends_payments::router(barrier), _dir: None };
        payments.seed("ada", json!({ "balance": 1000 })).await;
        payments.seed("bob", json!({ "balance": 0 })).await;
        payments
    }

    async fn seed(&self, account: &str, body: Value) {
        let heard = plain(&self.router, Method::PUT, &format!("/accounts/{account}"), Some(body)).await;
        assert_eq!(heard.status, StatusCode::OK, "{heard:?}");
    }

    async fn send(&self, attempt: &Attempt) -> Heard {
        attempt.send(&self.router).await
    }

    async fn balance(&self, account: &str) -> i64 {
        let heard = plain(&self.router, Method::GET, &format!("/accounts/{account}"), None).await;
        heard.json()["balance"].as_i64().unwrap()
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        plain(&self.router, Method::GET, path, None).await.json().as_array().unwrap().clone()
    }
}

fn charge(saga: Uuid, customer: &str, amount: i64) -> Attempt {
    let body = json!({ "order": saga, "customer": customer, "amount": amount });
    Attempt::action(saga, "charge", "/charges", &body)
}

fn movement(saga: Uuid, step: &str, account: &str, amount: i64) -> Attempt {
    let body = json!({ "transfer": saga, "account": account, "amount": amount });
    Attempt::action(saga, step, &format!("/{step}s"), &body)
}

fn undo(saga: Uuid, step: &str, path: &str) -> Attempt {
    Attempt::compensation(saga, step, Method::POST, path)
}

/// Each on SQLite as a test of its own, and all of them on the engine.
macro_rules! rules {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Payments::on_sqlite().await).await;
                }
            )*
        }

        #[tokio::test]
        async fn every_rule_holds_on_mariadb() {
            let server = tokio::task::spawn_blocking(Mariadb::start).await.unwrap().unwrap();
            let mut number = 0;
            $({
                number += 1;
                println!("{number}: {}", stringify!($name));
                let database = Database::Mysql(server.create_database(&format!("rules{number}")).unwrap());
                $name(Payments::on(&database).await).await;
            })*
        }
    };
}

rules! {
    a_charge_takes_money_and_its_refund_gives_it_back,
    a_refused_charge_leaves_no_trace_but_its_rejection,
    a_balance_never_falls_below_nothing,
    a_transfer_moves_money_and_both_halves_can_be_reversed,
    a_deposit_that_was_spent_cannot_be_reversed_until_the_money_is_back,
    a_frozen_account_takes_part_in_nothing_new_but_its_past_can_be_undone,
    a_reversal_of_another_kind_or_reference_is_refused,
    amounts_and_accounts_that_cannot_be_are_refused_with_an_ack,
}

async fn a_charge_takes_money_and_its_refund_gives_it_back(payments: Payments) {
    let saga = Uuid::now_v7();
    let charged = payments.send(&charge(saga, "ada", 300)).await;
    assert_eq!(charged.status, StatusCode::CREATED);
    let body = charged.json();
    assert_eq!((&body["amount"], &body["balance"], &body["customer"]), (&json!(300), &json!(700), &json!("ada")));
    assert_eq!(payments.balance("ada").await, 700);
    assert_eq!(payments.list("/charges").await[0]["status"], "applied");
    let refunded = payments.send(&undo(saga, "charge", &format!("/charges/{saga}/refund"))).await;
    assert_eq!((refunded.status, &refunded.json()["balance"]), (StatusCode::OK, &json!(1000)));
    assert_eq!(payments.balance("ada").await, 1000);
    assert_eq!(payments.list("/charges").await[0]["status"], "reversed");
}

async fn a_refused_charge_leaves_no_trace_but_its_rejection(payments: Payments) {
    let saga = Uuid::now_v7();
    let refused = payments.send(&charge(saga, "ada", 1001)).await;
    assert_eq!(
        (refused.status, refused.problem().as_deref()),
        (StatusCode::PAYMENT_REQUIRED, Some("insufficient-funds"))
    );
    assert_eq!(payments.balance("ada").await, 1000);
    assert_eq!(payments.list("/entries").await, [Value::Null; 0]);
    assert_eq!(effects(&payments.router, saga).await, [""; 0]);
    payments.seed("ada", json!({ "balance": 2000 })).await;
    assert_eq!(payments.send(&charge(saga, "ada", 1001)).await, refused, "the copy gets the stored rejection");
    assert_eq!(payments.balance("ada").await, 2000);
}

async fn a_balance_never_falls_below_nothing(payments: Payments) {
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let router = payments.router.clone();
            tokio::spawn(async move { charge(Uuid::now_v7(), "ada", 130).send(&router).await.status })
        })
        .collect();
    let mut charged = 0;
    for call in calls {
        match call.await.unwrap() {
            StatusCode::CREATED => charged += 1,
            status => assert_eq!(status, StatusCode::PAYMENT_REQUIRED),
        }
    }
    assert_eq!((charged, payments.balance("ada").await), (7, 1000 - 7 * 130));
    let refused = payments.send(&movement(Uuid::now_v7(), "withdrawal", "ada", 91)).await;
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
}

async fn a_transfer_moves_money_and_both_halves_can_be_reversed(payments: Payments) {
    let saga = Uuid::now_v7();
    assert_eq!(payments.send(&movement(saga, "withdrawal", "ada", 400)).await.status, StatusCode::CREATED);
    assert_eq!(payments.send(&movement(saga, "deposit", "bob", 400)).await.status, StatusCode::CREATED);
    assert_eq!((payments.balance("ada").await, payments.balance("bob").await), (600, 400));
    for step in ["deposit", "withdrawal"] {
        let path = format!("/{step}s/{saga}/reverse");
        assert_eq!(payments.send(&undo(saga, step, &path)).await.status, StatusCode::OK);
    }
    assert_eq!((payments.balance("ada").await, payments.balance("bob").await), (1000, 0));
    assert_eq!(
        effects(&payments.router, saga).await,
        [
            "withdrawal action applied",
            "deposit action applied",
            "deposit compensate undone",
            "withdrawal compensate undone"
        ]
    );
    assert_eq!(payments.list("/charges").await, [Value::Null; 0]);
    assert_eq!(payments.list("/entries").await.len(), 2);
}

async fn a_deposit_that_was_spent_cannot_be_reversed_until_the_money_is_back(payments: Payments) {
    let saga = Uuid::now_v7();
    payments.send(&movement(saga, "deposit", "bob", 400)).await;
    payments.send(&charge(Uuid::now_v7(), "bob", 1)).await;
    let reverse = undo(saga, "deposit", &format!("/deposits/{saga}/reverse"));
    let refused = payments.send(&reverse).await;
    assert_eq!((refused.status, refused.problem().as_deref()), (StatusCode::CONFLICT, Some("insufficient-funds")));
    assert_eq!(payments.balance("bob").await, 399);
    assert_eq!(payments.list("/entries").await[0]["status"], "applied");
    payments.seed("bob", json!({ "balance": 400 })).await;
    assert_eq!(payments.send(&reverse).await.status, StatusCode::OK);
    assert_eq!(payments.balance("bob").await, 0);
}

async fn a_frozen_account_takes_part_in_nothing_new_but_its_past_can_be_undone(payments: Payments) {
    let saga = Uuid::now_v7();
    payments.send(&movement(saga, "withdrawal", "ada", 400)).await;
    for account in ["ada", "bob"] {
        payments.seed(account, json!({ "balance": 600, "frozen": true })).await;
    }
    for refused in [
        movement(saga, "deposit", "bob", 400),
        movement(Uuid::now_v7(), "withdrawal", "ada", 1),
        charge(saga, "ada", 1),
    ] {
        let heard = payments.send(&refused).await;
        assert_eq!((heard.status, heard.problem().as_deref()), (StatusCode::CONFLICT, Some("account-frozen")));
    }
    let reverse = undo(saga, "withdrawal", &format!("/withdrawals/{saga}/reverse"));
    assert_eq!(payments.send(&reverse).await.status, StatusCode::OK);
    assert_eq!((payments.balance("ada").await, payments.balance("bob").await), (1000, 600));
}

async fn a_reversal_of_another_kind_or_reference_is_refused(payments: Payments) {
    let saga = Uuid::now_v7();
    payments.send(&movement(saga, "withdrawal", "ada", 400)).await;
    for path in [format!("/charges/{saga}/refund"), "/withdrawals/other/reverse".to_owned()] {
        let heard = payments.send(&undo(saga, "withdrawal", &path)).await;
        assert_eq!((heard.status, heard.problem().as_deref()), (StatusCode::CONFLICT, Some("not-applied")), "{path}");
    }
    assert_eq!(payments.balance("ada").await, 600);
}

async fn amounts_and_accounts_that_cannot_be_are_refused_with_an_ack(payments: Payments) {
    for (account, amount, status) in [
        ("ada", 0, StatusCode::UNPROCESSABLE_ENTITY),
        ("ada", -5, StatusCode::UNPROCESSABLE_ENTITY),
        ("ada", i64::MAX, StatusCode::UNPROCESSABLE_ENTITY),
        ("", 5, StatusCode::UNPROCESSABLE_ENTITY),
        ("eve", 5, StatusCode::NOT_FOUND),
    ] {
        let saga = Uuid::now_v7();
        for attempt in [
            charge(saga, account, amount),
            movement(saga, "withdrawal", account, amount),
            movement(saga, "deposit", account, amount),
        ] {
            let heard = payments.send(&attempt).await;
            assert_eq!((heard.status, heard.ack), (status, attempt.key()), "{account} {amount}");
        }
    }
    let full = payments.send(&movement(Uuid::now_v7(), "deposit", "ada", 1_000_000_000_000_000)).await;
    assert_eq!((full.status, full.problem().as_deref()), (StatusCode::CONFLICT, Some("account-full")));
    assert_eq!(payments.balance("ada").await, 1000);
    for bad in [json!({ "balance": -1 }), json!({ "balance": "1" }), json!({})] {
        let heard = plain(&payments.router, Method::PUT, "/accounts/ada", Some(bad)).await;
        assert_eq!(heard.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(plain(&payments.router, Method::GET, "/accounts/eve", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(payments.list("/accounts").await[1], json!({ "id": "bob", "balance": 0, "frozen": false }));
}

#[tokio::test]
async fn the_charge_stays_when_its_saga_is_forgotten() {
    let (dir, saga) = (tempfile::tempdir().unwrap(), Uuid::now_v7());
    let barrier = amends_payments::open(&dir.path().join("payments.db").as_path().into()).await.unwrap();
    let router = amends_payments::router(barrier.with_forget_grace(std::time::Duration::ZERO));
    plain(&router, Method::PUT, "/accounts/ada", Some(json!({ "balance": 1000 }))).await;
    assert_lets_go(&router, &charge(saga, "ada", 300), "/charges").await;
}

#[tokio::test]
async fn the_service_is_what_its_document_says() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = amends_payments::open(&dir.path().join("payments.db").as_path().into()).await.unwrap();
    let document = serde_yaml_ng::from_str(amends_payments::OPENAPI).unwrap();
    amends_barrier::testing::assert_documented(&amends_payments::router(barrier), &document).await;
}
