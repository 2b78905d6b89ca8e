//! The sample service `inventory`: stock on the shelf, and reservations that take from it.
//!
//! Why it exists: it shows a *countable* effect. What is on the shelf plus what is reserved never changes by a saga, and
//! the shelf never holds less than nothing. Who calls it: sagas through the barrier; people seed stock and read.
//!
//! **What it must never know:** what an order is beyond its id, prices, customers.

mod redis;
mod reservation;
mod stock;

use amends_barrier::{
    Broken, Call, Database, Guard, Problem,
    http::{JsonBody, Page, PathId},
    participant,
    reply::ok,
};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde_json::json;

/// What its calls look like, for whoever checks calls before they are made: OpenAPI, YAML.
pub const OPENAPI: &str = include_str!("../openapi.yaml");

/// Opens the service's own store: a SQLite file, or a Redis server, on which all keys begin with `{inventory}:`.
///
/// # Errors
/// [`Broken`]: it cannot be opened or migrated, or is of another kind.
pub async fn open(database: &Database) -> Result<Guard, Broken> {
    Ok(match database {
        Database::Sqlite(path) => {
            amends_barrier::sqlite::open(path, &sqlx::migrate!("../../migrations/inventory/sqlite")).await?.into()
        }
        Database::Redis(url) => amends_barrier::redis::open(url, redis::PREFIX, redis::SHELF).await?.into(),
        other => return Err(other.foreign()),
    })
}

/// All routes of the service.
pub fn router(guard: Guard) -> Router {
    let routes = Router::new()
        .route("/reservations", post(reserve).get(list_reservations))
        .route("/reservations/{order}", delete(release))
        .route("/stock", get(list_stock))
        .route("/stock/{sku}", get(show_stock).put(set_stock));
    participant(guard, routes)
}

async fn reserve(State(guard): State<Guard>, call: Call) -> Response {
    match guard {
        Guard::Sql(barrier) => barrier.action(call, |tx, new| Box::pin(reservation::take(tx, new))).await,
        Guard::Redis(barrier) => barrier.action(call, "take", redis::take).await,
        other => other.foreign().into_response(),
    }
}

async fn release(State(guard): State<Guard>, PathId(order): PathId, call: Call) -> Response {
    match guard {
        Guard::Sql(barrier) => {
            barrier.compensate(call, move |tx, taken| Box::pin(reservation::give_back(tx, order, taken))).await
        }
        Guard::Redis(barrier) => barrier.compensate(call, "give_back", json!({ "order": order })).await,
        other => other.foreign().into_response(),
    }
}

async fn list_reservations(State(guard): State<Guard>, page: Page) -> Result<Response, Broken> {
    let reservations = match guard {
        Guard::Sql(barrier) => reservation::list(barrier.readers(), page).await?,
        Guard::Redis(barrier) => redis::reservations(&barrier.reader(), page).await?,
        other => return Err(other.foreign()),
    };
    page.answer(reservations, "")
}

async fn list_stock(State(guard): State<Guard>, page: Page) -> Result<Response, Broken> {
    let stock = match guard {
        Guard::Sql(barrier) => stock::list(barrier.readers(), page).await?,
        Guard::Redis(barrier) => redis::stock(&barrier.reader(), page).await?,
        other => return Err(other.foreign()),
    };
    page.answer(stock, "")
}

async fn show_stock(State(guard): State<Guard>, PathId(sku): PathId) -> Result<Response, Broken> {
    let stock = match guard {
        Guard::Sql(barrier) => stock::find(barrier.readers(), &sku).await?,
        Guard::Redis(barrier) => redis::find(&barrier.reader(), &sku).await?,
        other => return Err(other.foreign()),
    };
    match stock {
        Some(stock) => ok(&stock),
        None => Ok(Problem::not_found(format!("there is no sku {sku}")).into_response()),
    }
}

async fn set_stock(
    State(guard): State<Guard>,
    PathId(sku): PathId,
    JsonBody(level): JsonBody<stock::Level>,
) -> Result<Response, Broken> {
    if let Err(detail) = level.check() {
        return Ok(Problem::invalid(detail).into_response());
    }
    match guard {
        Guard::Sql(barrier) => ok(&barrier.unguarded(move |tx| Box::pin(stock::set(tx, sku, level))).await?),
        Guard::Redis(barrier) => Ok(redis::set(&barrier, sku, level).await?.into_response()),
        other => Err(other.foreign()),
    }
}
