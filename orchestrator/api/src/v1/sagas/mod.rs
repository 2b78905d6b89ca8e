//! `/v1/sagas`

mod cancel;
mod get;
mod history;
mod list;
mod signal;
mod start;

use amends_engine::Engine;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list::list, start::start))
        .routes(routes!(get::get))
        .routes(routes!(history::history))
        .routes(routes!(cancel::cancel))
        .routes(routes!(signal::signal))
}
