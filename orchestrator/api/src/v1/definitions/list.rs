//! `GET /v1/definitions`

use amends_engine::Engine;
use amends_protocol::v1::{DefinitionView, Page};
use axum::{Json, extract::State};

use super::item;
use crate::{
    cursor,
    error::ApiError,
    openapi::{BadRequest, Unavailable},
    query::Query,
};

const SCOPE: &str = "definitions";

/// Definitions by name, each in its highest version.
#[utoipa::path(
    get,
    path = "/v1/definitions",
    operation_id = "list_definitions",
    tag = "definitions",
    params(
        ("limit" = Option<u32>, Query, description = "Most items of the page; 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", min_length = 1),
    ),
    responses(
        (status = 200, description = "A part of the list", body = Page<DefinitionView>),
        BadRequest, Unavailable,
    ),
)]
pub(crate) async fn list(
    State(engine): State<Engine>,
    mut query: Query,
) -> Result<Json<Page<DefinitionView>>, ApiError> {
    let limit = query.limit()?;
    let cursor = query.one("cursor")?;
    query.end(&["limit", "cursor"])?;
    let after = cursor.map(|cursor| cursor::to_name(SCOPE, &cursor)).transpose()?;
    let mut stored = engine.store().definitions(after.as_deref(), limit + 1).await?;
    let more = stored.len() > limit as usize;
    stored.truncate(limit as usize);
    let next_cursor = stored.last().filter(|_| more).map(|last| cursor::of_name(SCOPE, &last.name));
    Ok(Json(Page { items: stored.iter().map(item).collect(), next_cursor }))
}
