//! The sample service `shipping`: books a shipment for an order and names it with a tracking number.
//!
//! Why it exists: its answer is the one other steps need (the tracking number), and it cannot be guessed again, so it
//! shows why replies are stored. Who calls it: sagas through the barrier, people through the reads.
//!
//! **What it must never know:** what is in the parcel, or what it costs.

mod shipment;

use std::path::Path;

use amends_barrier::{
    Broken, Call,
    http::{Page, PathId},
    sqlite::{self, Barrier, participant},
};
use axum::{Router, extract::State, response::Response, routing::post};

/// Opens the service's own store.
///
/// # Errors
/// [`Broken`]: the file cannot be opened or migrated.
pub async fn open(database: &Path) -> Result<Barrier, Broken> {
    sqlite::open(database, &sqlx::migrate!("../../migrations/shipping")).await
}

/// All routes of the service.
pub fn router(barrier: Barrier) -> Router {
    let routes =
        Router::new().route("/shipments", post(book).get(list)).route("/shipments/{order}/cancel", post(cancel));
    participant(barrier, routes)
}

async fn book(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, new| Box::pin(shipment::book(tx, new))).await
}

async fn cancel(State(barrier): State<Barrier>, PathId(order): PathId, call: Call) -> Response {
    barrier.compensate(call, move |tx, original| Box::pin(shipment::cancel(tx, order, original))).await
}

async fn list(State(barrier): State<Barrier>, page: Page) -> Result<Response, Broken> {
    page.answer(shipment::list(barrier.readers(), page).await?, "")
}
