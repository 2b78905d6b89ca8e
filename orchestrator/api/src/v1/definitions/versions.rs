//! `GET /v1/definitions/{name}/versions`

use amends_engine::Engine;
use amends_protocol::v1::{DefinitionView, Page};
use axum::{Json, extract::State};

use super::item;
use crate::{
    cursor,
    error::ApiError,
    openapi::{BadRequest, NotFound, Unavailable},
    path::NameInPath,
    query::Query,
};

/// A definition's versions, highest first.
#[utoipa::path(
    get,
    path = "/v1/definitions/{name}/versions",
    operation_id = "list_definition_versions",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("limit" = Option<u32>, Query, description = "Most items of the page; 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", min_length = 1),
    ),
    responses(
        (status = 200, description = "A part of the list", body = Page<DefinitionView>),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn versions(
    State(engine): State<Engine>,
    NameInPath(name): NameInPath,
    mut query: Query,
) -> Result<Json<Page<DefinitionView>>, ApiError> {
    let limit = query.limit()?;
    let cursor = query.one("cursor")?;
    query.end(&["limit", "cursor"])?;
    let scope = format!("versions {name}");
    let below = cursor.map(|cursor| cursor::to_version(&scope, &cursor)).transpose()?;
    let mut stored = engine.store().versions(&name, below, limit + 1).await?;
    if stored.is_empty() && below.is_none() {
        return Err(ApiError::UnknownDefinition { name, version: None });
    }
    let more = stored.len() > limit as usize;
    stored.truncate(limit as usize);
    let next_cursor = stored.last().filter(|_| more).map(|last| cursor::of_version(&scope, last.version));
    Ok(Json(Page { items: stored.iter().map(item).collect(), next_cursor }))
}
