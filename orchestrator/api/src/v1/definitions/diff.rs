//! `GET /v1/definitions/{name}/diff`

use amends_core::diff;
use amends_engine::Engine;
use amends_protocol::v1::{DefinitionChange, DiffAnswer, StartChange};
use axum::{Json, extract::State};

use crate::{
    error::ApiError,
    openapi::{BadRequest, NotFound, Unavailable},
    path::{NameInPath, check_version},
    query::Query,
};

/// What two versions differ in.
///
/// A saga finishes as it started: what is `withheld` does not reach those that run on `from`.
#[utoipa::path(
    get,
    path = "/v1/definitions/{name}/diff",
    operation_id = "diff_definition_versions",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("from" = u32, Query, description = "The earlier version", minimum = 1, maximum = 2_147_483_647),
        ("to" = u32, Query, description = "The later version", minimum = 1, maximum = 2_147_483_647),
    ),
    responses(
        (status = 200, description = "The differences", body = DiffAnswer),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn diff(
    State(engine): State<Engine>,
    NameInPath(name): NameInPath,
    mut query: Query,
) -> Result<Json<DiffAnswer>, ApiError> {
    let (from, to) = (version(&mut query, "from")?, version(&mut query, "to")?);
    query.end(&["from", "to"])?;
    let found = async |version| {
        let unknown = || ApiError::UnknownDefinition { name: name.clone(), version: Some(version) };
        engine.definition(&name, Some(version)).await?.ok_or_else(unknown)
    };
    let diff = diff::diff(&*found(from).await?, &*found(to).await?);
    let same = diff.is_empty();
    let changes = diff.changes.into_iter().map(|change| {
        let diff::Change { at, from, to, withheld } = change;
        DefinitionChange { at, from, to, withheld }
    });
    let starts = diff.starts.into_iter().map(|start| {
        let diff::StartChange { pointer, message, certain } = start;
        StartChange { pointer, message, certain }
    });
    Ok(Json(DiffAnswer { name, from, to, same, changes: changes.collect(), starts: starts.collect() }))
}

fn version(query: &mut Query, which: &str) -> Result<u32, ApiError> {
    let version = query.parsed(which, "a version")?;
    let version = version.ok_or_else(|| ApiError::InvalidQuery(format!("`{which}` is missing: a version")))?;
    check_version(version).map_err(|why| ApiError::InvalidQuery(format!("`{which}`: {why}")))?;
    Ok(version)
}
