//! The endpoints of `/v1`, each in its file.

mod callbacks;
mod definitions;
mod events;
mod faults;
mod hooks;
mod locks;
mod nodes;
mod sagas;
mod webhooks;

use amends_engine::Engine;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .merge(sagas::routes())
        .merge(definitions::routes())
        .routes(routes!(callbacks::call_back))
        .routes(routes!(events::events))
        .routes(routes!(faults::get, faults::set, faults::clear))
        .routes(routes!(hooks::receive))
        .routes(routes!(locks::queue))
        .routes(routes!(locks::list))
        .routes(routes!(nodes::nodes))
        .merge(webhooks::routes())
}
