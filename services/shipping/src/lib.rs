//! The sample service `shipping`: books a shipment for an order and names it with a tracking number.
//!
//! Why it exists: its answer is the one other steps need (the tracking number), and it cannot be guessed again, so it
//! shows why replies are stored. Who calls it: sagas through the barrier, people through the reads.
//!
//! **What it must never know:** what is in the parcel, or what it costs.

mod caller;
mod later;
mod shipment;

use std::{convert::Infallible, sync::Arc, time::Duration};

use amends_barrier::{
    Barrier, Broken, Call, Database,
    http::{Page, PathId},
    participant,
};
use axum::{Router, extract::State, response::Response, routing::post};
use url::Url;

use self::caller::Caller;

/// What its calls look like, for whoever checks calls before they are made: OpenAPI, YAML.
pub const OPENAPI: &str = include_str!("../openapi.yaml");

/// Opens the service's own store, a SQLite file.
///
/// # Errors
/// [`Broken`]: the file cannot be opened or migrated, or it is another kind of store.
pub async fn open(database: &Database) -> Result<Barrier, Broken> {
    match database {
        Database::Sqlite(path) => {
            amends_barrier::sqlite::open(path, &sqlx::migrate!("../../migrations/shipping")).await
        }
        other => Err(other.foreign()),
    }
}

/// All routes of the service, which books at once.
pub fn router(barrier: Barrier) -> Router {
    participant(barrier, routes().route("/shipments", post(book).get(list)))
}

/// The same, but who may be called back is accepted and booked later: as long as [`keep_booking`] runs.
pub fn router_for_later(barrier: Barrier) -> Router {
    participant(barrier, routes().route("/shipments", post(accept).get(list)))
}

fn routes() -> Router<Barrier> {
    Router::new().route("/shipments/{order}/cancel", post(cancel))
}

/// Books what was accepted so long ago, and tells the orchestrator at this address. It may be dropped at any moment.
///
/// # Errors
/// No requests can be made from this machine.
pub async fn keep_booking(barrier: Barrier, after: Duration, orchestrator: Url) -> anyhow::Result<Infallible> {
    let caller = Arc::new(Caller::new(&orchestrator)?);
    let tell = |due| {
        let caller = caller.clone();
        async move { caller.tell(&due).await }
    };
    tokio::select! {
        never = later::keep_booking(&barrier, after) => match never {},
        never = barrier.keep_calling_back(CALL_BACK_EVERY, tell) => match never {},
    }
}

/// Verdicts that nobody has heard yet are told again.
const CALL_BACK_EVERY: Duration = Duration::from_millis(200);

async fn book(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, new| Box::pin(shipment::book(tx, new))).await
}

async fn accept(State(barrier): State<Barrier>, call: Call) -> Response {
    if !call.may_be_accepted() {
        return book(State(barrier), call).await;
    }
    let place = call.place();
    barrier.action(call, |tx, new| Box::pin(later::accept(tx, place, new))).await
}

async fn cancel(State(barrier): State<Barrier>, PathId(order): PathId, call: Call) -> Response {
    let place = call.place();
    barrier
        .compensate(call, move |tx, original| {
            Box::pin(async move {
                // Accepting changed nothing but the list of what is still to be booked.
                if later::was_only_accepted(&original) {
                    later::cancel(tx, &place).await
                } else {
                    shipment::cancel(tx, order, original).await
                }
            })
        })
        .await
}

async fn list(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(shipment::list(barrier.readers(), page).await?, "")
}
