//! The endpoints of `/v1`, each in its file.

mod callbacks;
mod definitions;
mod faults;
mod locks;
mod nodes;
mod sagas;

use amends_engine::Engine;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .merge(sagas::routes())
        .merge(definitions::routes())
        .routes(routes!(callbacks::call_back))
        .routes(routes!(faults::get, faults::set, faults::clear))
        .routes(routes!(locks::queue))
        .routes(routes!(nodes::nodes))
}
