//! The endpoints of `/v1`, each in its file.

mod definitions;
mod sagas;

use amends_engine::Engine;
use axum::Router;
use utoipa_axum::router::OpenApiRouter;

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new().merge(sagas::routes()).merge(definitions::routes())
}

/// Routes that a document would only repeat.
pub(crate) fn undocumented() -> Router<Engine> {
    definitions::undocumented()
}
