//! The sample service `orders`: an order is opened pending, and its saga confirms or rejects it.
//!
//! Why it exists: it shows a *semantic lock*. Nobody else may rely on an order while it is pending, and its two ends
//! exclude each other: a rejected order is never confirmed, a confirmed one never rejected. Who calls it: sagas through
//! the barrier, people through the reads.
//!
//! **What it must never know:** stock, money, shipments, or that a saga has other steps.

mod order;
mod postgres;
mod sqlite;

use amends_barrier::{
    Barrier, Broken, Call, Database, Problem,
    http::{Page, PathId},
    participant,
    reply::ok,
};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};

/// What its calls look like, for whoever checks calls before they are made: OpenAPI, YAML.
pub const OPENAPI: &str = include_str!("../openapi.yaml");

/// Opens the service's own store: a SQLite file or a PostgreSQL database.
///
/// # Errors
/// [`Broken`]: it cannot be opened or migrated, or is of another kind.
pub async fn open(database: &Database) -> Result<Barrier, Broken> {
    match database {
        Database::Sqlite(path) => {
            amends_barrier::sqlite::open(path, &sqlx::migrate!("../../migrations/orders/sqlite")).await
        }
        Database::Postgres(url) => {
            amends_barrier::postgres::open(url, &sqlx::migrate!("../../migrations/orders/postgres")).await
        }
        other => Err(other.foreign()),
    }
}

/// All routes of the service.
pub fn router(barrier: Barrier) -> Router {
    let routes = Router::new()
        .route("/orders", post(open_order).get(list))
        .route("/orders/{id}", get(show))
        .route("/orders/{id}/confirm", post(confirm))
        .route("/orders/{id}/reject", post(reject));
    participant(barrier, routes)
}

async fn open_order(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, new| Box::pin(order::open(tx, new))).await
}

async fn confirm(State(barrier): State<Barrier>, PathId(id): PathId, call: Call) -> Response {
    barrier.action(call, move |tx, confirmation| Box::pin(order::confirm(tx, id, confirmation))).await
}

async fn reject(State(barrier): State<Barrier>, PathId(id): PathId, call: Call) -> Response {
    barrier.compensate(call, move |tx, _| Box::pin(order::reject(tx, id))).await
}

async fn show(State(barrier): State<Barrier>, PathId(id): PathId) -> Result<Response, Broken> {
    match order::find(barrier.readers(), &id).await? {
        Some(order) => ok(&order),
        None => Ok(Problem::not_found(format!("there is no order {id}")).into_response()),
    }
}

async fn list(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(order::list(barrier.readers(), page).await?, "")
}
