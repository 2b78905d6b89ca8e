//! The endpoints of `/v1`, each in its file.

mod definitions;
mod sagas;

use amends_engine::Engine;
use utoipa_axum::router::OpenApiRouter;

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new().merge(sagas::routes()).merge(definitions::routes())
}
