//! `POST /v1/definitions/{name}/versions/{version}/disable` and `/enable`

use amends_engine::Engine;
use amends_protocol::v1::DefinitionView;
use axum::{Json, extract::State};

use super::item;
use crate::{
    error::ApiError,
    openapi::{BadRequest, NotFound, Unavailable},
    path::VersionInPath,
    query::NoQuery,
};

/// Take no new starts with this version.
///
/// Sagas that run go on, and a repeated start under its key still gets its saga. Every node follows within a second. Again is
/// no change.
#[utoipa::path(
    post,
    path = "/v1/definitions/{name}/versions/{version}/disable",
    operation_id = "disable_definition_version",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("version" = u32, Path, description = "Its version", minimum = 1, maximum = 2_147_483_647),
    ),
    responses(
        (status = 200, description = "The definition as it is now", body = DefinitionView),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn disable(
    State(engine): State<Engine>,
    VersionInPath(name, version): VersionInPath,
    NoQuery: NoQuery,
) -> Result<Json<DefinitionView>, ApiError> {
    set(&engine, name, version, true).await
}

/// Take starts with this version again.
///
/// Again is no change.
#[utoipa::path(
    post,
    path = "/v1/definitions/{name}/versions/{version}/enable",
    operation_id = "enable_definition_version",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("version" = u32, Path, description = "Its version", minimum = 1, maximum = 2_147_483_647),
    ),
    responses(
        (status = 200, description = "The definition as it is now", body = DefinitionView),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn enable(
    State(engine): State<Engine>,
    VersionInPath(name, version): VersionInPath,
    NoQuery: NoQuery,
) -> Result<Json<DefinitionView>, ApiError> {
    set(&engine, name, version, false).await
}

async fn set(engine: &Engine, name: String, version: u32, disabled: bool) -> Result<Json<DefinitionView>, ApiError> {
    match engine.set_disabled(&name, version, disabled).await? {
        Some(stored) => Ok(Json(item(&stored))),
        None => Err(ApiError::UnknownDefinition { name, version: Some(version) }),
    }
}
