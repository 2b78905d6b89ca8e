//! `GET /livez`

use amends_protocol::v1::Live;
use axum::Json;

/// Whether the process runs. It asks nobody: a store that is away is no reason to restart.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "health",
    responses((status = 200, description = "It runs", body = Live)),
)]
pub(crate) async fn livez() -> Json<Live> {
    Json(Live { live: true })
}
