//! `GET /version`

use amends_protocol::v1::Version;
use axum::Json;

/// Which server it is.
#[utoipa::path(
    get,
    path = "/version",
    operation_id = "version",
    tag = "health",
    responses((status = 200, description = "Its version", body = Version)),
)]
pub(crate) async fn version() -> Json<Version> {
    Json(Version { version: env!("CARGO_PKG_VERSION").to_owned(), api: vec!["v1".to_owned()] })
}
