//! The sample service `inventory`: stock on the shelf, and reservations that take from it.
//!
//! Why it exists: it shows a *countable* effect. What is on the shelf plus what is reserved never changes by a saga, and
//! the shelf never holds less than nothing. Who calls it: sagas through the barrier; people seed stock and read.
//!
//! **What it must never know:** what an order is beyond its id, prices, customers.

mod reservation;
mod stock;

use std::path::Path;

use amends_barrier::{
    Broken, Call, Problem,
    http::{JsonBody, Page, PathId},
    reply::ok,
    sqlite::{self, Barrier, participant},
};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};

/// What its calls look like, for whoever checks calls before they are made: OpenAPI, YAML.
pub const OPENAPI: &str = include_str!("../openapi.yaml");

/// Opens the service's own store.
///
/// # Errors
/// [`Broken`]: the file cannot be opened or migrated.
pub async fn open(database: &Path) -> Result<Barrier, Broken> {
    sqlite::open(database, &sqlx::migrate!("../../migrations/inventory")).await
}

/// All routes of the service.
pub fn router(barrier: Barrier) -> Router {
    let routes = Router::new()
        .route("/reservations", post(reserve).get(list_reservations))
        .route("/reservations/{order}", delete(release))
        .route("/stock", get(list_stock))
        .route("/stock/{sku}", get(show_stock).put(set_stock));
    participant(barrier, routes)
}

async fn reserve(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, new| Box::pin(reservation::take(tx, new))).await
}

async fn release(State(barrier): State<Barrier>, PathId(order): PathId, call: Call) -> Response {
    barrier.compensate(call, move |tx, original| Box::pin(reservation::give_back(tx, order, original))).await
}

async fn list_reservations(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(reservation::list(barrier.readers(), page).await?, "")
}

async fn list_stock(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(stock::list(barrier.readers(), page).await?, "")
}

async fn show_stock(State(barrier): State<Barrier>, PathId(sku): PathId) -> Result<Response, Broken> {
    match stock::find(barrier.readers(), &sku).await? {
        Some(stock) => ok(&stock),
        None => Ok(Problem::not_found(format!("there is no sku {sku}")).into_response()),
    }
}

async fn set_stock(
    State(barrier): State<Barrier>,
    PathId(sku): PathId,
    JsonBody(level): JsonBody<stock::Level>,
) -> Result<Response, Broken> {
    if let Err(detail) = level.check() {
        return Ok(Problem::invalid(detail).into_response());
    }
    ok(&barrier.unguarded(move |tx| Box::pin(stock::set(tx, sku, level))).await?)
}
