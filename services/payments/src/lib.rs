//! The sample service `payments`: accounts, charges for orders, and the two halves of a transfer.
//!
//! Why it exists: it shows effects that *add up*. Balances plus applied charges and withdrawals minus applied deposits
//! are what was seeded, at any moment. Who calls it: sagas through the barrier; people seed accounts and read.
//!
//! **What it must never know:** what was bought, or that a withdrawal has a deposit somewhere.

mod account;
mod entry;
mod mysql;
mod sqlite;

use amends_barrier::{
    Barrier, Broken, Call, Database, Problem,
    http::{JsonBody, Page, PathId},
    participant,
    reply::ok,
};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::entry::{Kind, NewCharge, NewMovement};

/// What its calls look like, for whoever checks calls before they are made: OpenAPI, YAML.
pub const OPENAPI: &str = include_str!("../openapi.yaml");

/// Opens the service's own store: a SQLite file or a MariaDB database.
///
/// # Errors
/// [`Broken`]: it cannot be opened or migrated, or is of another kind.
pub async fn open(database: &Database) -> Result<Barrier, Broken> {
    match database {
        Database::Sqlite(path) => {
            amends_barrier::sqlite::open(path, &sqlx::migrate!("../../migrations/payments/sqlite")).await
        }
        Database::Mysql(url) => {
            amends_barrier::mysql::open(url, &sqlx::migrate!("../../migrations/payments/mysql")).await
        }
        other => Err(other.foreign()),
    }
}

/// All routes of the service.
pub fn router(barrier: Barrier) -> Router {
    let routes = Router::new()
        .route("/accounts", get(list_accounts))
        .route("/accounts/{id}", get(show_account).put(set_account))
        .route("/charges", post(charge).get(list_charges))
        .route("/charges/{order}/refund", post(refund))
        .route("/withdrawals", post(withdraw))
        .route("/withdrawals/{transfer}/reverse", post(reverse_withdrawal))
        .route("/deposits", post(deposit))
        .route("/deposits/{transfer}/reverse", post(reverse_deposit))
        .route("/entries", get(list_entries));
    participant(barrier, routes)
}

async fn charge(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, new: NewCharge| Box::pin(entry::make(tx, Kind::Charge, new.into()))).await
}

async fn refund(State(barrier): State<Barrier>, PathId(order): PathId, call: Call) -> Response {
    reverse(barrier, Kind::Charge, order, call).await
}

async fn withdraw(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, new: NewMovement| Box::pin(entry::make(tx, Kind::Withdrawal, new.into()))).await
}

async fn reverse_withdrawal(State(barrier): State<Barrier>, PathId(transfer): PathId, call: Call) -> Response {
    reverse(barrier, Kind::Withdrawal, transfer, call).await
}

async fn deposit(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, new: NewMovement| Box::pin(entry::make(tx, Kind::Deposit, new.into()))).await
}

async fn reverse_deposit(State(barrier): State<Barrier>, PathId(transfer): PathId, call: Call) -> Response {
    reverse(barrier, Kind::Deposit, transfer, call).await
}

async fn reverse(barrier: Barrier, kind: Kind, reference: String, call: Call) -> Response {
    barrier.compensate(call, move |tx, original| Box::pin(entry::reverse(tx, kind, reference, original))).await
}

async fn list_accounts(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(account::list(barrier.readers(), page).await?, "")
}

async fn show_account(State(barrier): State<Barrier>, PathId(id): PathId) -> Result<Response, Broken> {
    match account::find(barrier.readers(), &id).await? {
        Some(account) => ok(&account),
        None => Ok(Problem::not_found(format!("there is no account {id}")).into_response()),
    }
}

async fn set_account(
    State(barrier): State<Barrier>,
    PathId(id): PathId,
    JsonBody(wanted): JsonBody<account::Wanted>,
) -> Result<Response, Broken> {
    if let Err(detail) = wanted.check() {
        return Ok(Problem::invalid(detail).into_response());
    }
    ok(&barrier.unguarded(move |tx| Box::pin(account::set(tx, id, wanted))).await?)
}

async fn list_charges(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(entry::list(barrier.readers(), Some(Kind::Charge), page).await?, "")
}

async fn list_entries(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(entry::list(barrier.readers(), None, page).await?, "")
}
