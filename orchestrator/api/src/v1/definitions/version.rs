//! `GET /v1/definitions/{name}/versions/{version}`

use amends_engine::Engine;
use amends_protocol::v1::DefinitionView;
use axum::{Json, extract::State};

use super::whole;
use crate::{
    error::ApiError,
    openapi::{BadRequest, NotFound, Unavailable},
    path::VersionInPath,
    query::NoQuery,
};

/// A definition in one version, with its text.
#[utoipa::path(
    get,
    path = "/v1/definitions/{name}/versions/{version}",
    operation_id = "get_definition_version",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("version" = u32, Path, description = "Its version", minimum = 1, maximum = 2_147_483_647),
    ),
    responses(
        (status = 200, description = "The definition", body = DefinitionView),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn version(
    State(engine): State<Engine>,
    VersionInPath(name, version): VersionInPath,
    NoQuery: NoQuery,
) -> Result<Json<DefinitionView>, ApiError> {
    match engine.store().definition(&name, Some(version)).await? {
        Some(stored) => Ok(Json(whole(&stored))),
        None => Err(ApiError::UnknownDefinition { name, version: Some(version) }),
    }
}
