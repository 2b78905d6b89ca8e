//! `DELETE /v1/definitions/{name}/versions/{version}`

use amends_engine::Engine;
use amends_protocol::v1::DefinitionView;
use amends_store::Deleted;
use axum::{Json, extract::State};

use super::whole;
use crate::{
    error::ApiError,
    openapi::{BadRequest, Conflict, NotFound, Unavailable},
    path::VersionInPath,
    query::NoQuery,
};

/// Delete a version that no kept saga was started with.
///
/// Its number stays taken: the same number never means another text, and the same text registered again gets the next one.
/// A version is in use as long as a saga that was started with it is kept, running or ended; retention ends that. From its
/// deletion on no node starts a saga with it.
#[utoipa::path(
    delete,
    path = "/v1/definitions/{name}/versions/{version}",
    operation_id = "delete_definition_version",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("version" = u32, Path, description = "Its version", minimum = 1, maximum = 2_147_483_647),
    ),
    responses(
        (status = 200, description = "The definition as it was", body = DefinitionView),
        BadRequest, NotFound, Conflict, Unavailable,
    ),
)]
pub(crate) async fn delete(
    State(engine): State<Engine>,
    VersionInPath(name, version): VersionInPath,
    NoQuery: NoQuery,
) -> Result<Json<DefinitionView>, ApiError> {
    let was = engine.store().definition(&name, Some(version)).await?;
    match (was, engine.delete_definition(&name, version).await?) {
        (Some(was), Deleted::Gone) => Ok(Json(whole(&was))),
        (_, Deleted::InUse { sagas, example }) => Err(ApiError::DefinitionInUse { name, version, sagas, example }),
        (_, Deleted::Unknown | Deleted::Gone) => Err(ApiError::UnknownDefinition { name, version: Some(version) }),
    }
}
