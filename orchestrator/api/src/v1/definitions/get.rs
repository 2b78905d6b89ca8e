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
    params(("name" = String, Path, description = "The definition's name")),
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

pub(super) async fn latest(engine: &Engine, name: &str) -> Result<Json<DefinitionView>, ApiError> {
    let unknown = || ApiError::UnknownDefinition { name: name.to_owned(), version: None };
    let stored = engine.store().definition(name, None).await?.ok_or_else(unknown)?;
    Ok(Json(whole(&stored)))
}
