//! `GET /v1/definitions/{name}`

use amends_engine::Engine;
use amends_protocol::v1::DefinitionView;
use axum::{Json, extract::State};

use super::whole;
use crate::{
    error::ApiError,
    openapi::{BadRequest, NotFound, Unavailable},
    path::NameInPath,
    query::NoQuery,
};

/// A definition in its highest version, with its text.
#[utoipa::path(
    get,
    path = "/v1/definitions/{name}",
    operation_id = "get_definition",
    tag = "definitions",
    params(("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$")),
    responses(
        (status = 200, description = "The definition", body = DefinitionView),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn get(
    State(engine): State<Engine>,
    NameInPath(name): NameInPath,
    NoQuery: NoQuery,
) -> Result<Json<DefinitionView>, ApiError> {
    latest(&engine, &name).await
}

/// The definition named `check`, if there is one.
///
/// As any other; this path has words of its own only because a definition is checked here too.
#[utoipa::path(
    get,
    path = "/v1/definitions/check",
    operation_id = "get_definition_named_check",
    tag = "definitions",
    responses(
        (status = 200, description = "The definition", body = DefinitionView),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn named_check(
    State(engine): State<Engine>,
    NoQuery: NoQuery,
) -> Result<Json<DefinitionView>, ApiError> {
    latest(&engine, "check").await
}

async fn latest(engine: &Engine, name: &str) -> Result<Json<DefinitionView>, ApiError> {
    let unknown = || ApiError::UnknownDefinition { name: name.to_owned(), version: None };
    let stored = engine.store().definition(name, None).await?.ok_or_else(unknown)?;
    Ok(Json(whole(&stored)))
}
