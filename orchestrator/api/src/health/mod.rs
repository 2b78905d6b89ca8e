//! Whether the server is there: for load balancers and people. Outside of `/v1`, because it outlives it.

pub(crate) mod livez;
mod metrics;
mod readyz;
mod version;

use amends_engine::Engine;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(livez::livez))
        .routes(routes!(readyz::readyz))
        .routes(routes!(version::version))
        .routes(routes!(metrics::metrics))
        .routes(routes!(crate::openapi::document))
}
