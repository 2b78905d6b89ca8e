//! `GET /v1/definitions/{name}/versions/{version}/graph`

use amends_core::graph::{self, Format};
use amends_engine::Engine;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;

use crate::{
    error::ApiError,
    openapi::{BadRequest, NotFound, Unavailable},
    path::VersionInPath,
    query::Query,
};

/// A browser that is sent to an SVG runs nothing of it and fetches nothing for it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// A definition as a picture: its steps, what undoes them, and the pivot.
#[utoipa::path(
    get,
    path = "/v1/definitions/{name}/versions/{version}/graph",
    operation_id = "get_definition_graph",
    tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition\'s name", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("version" = u32, Path, description = "Its version", minimum = 1, maximum = 2_147_483_647),
        ("format" = Option<String>, Query, description = "`mermaid`, `dot` or `svg`; `svg` by default", pattern = "^(mermaid|dot|svg)$"),
    ),
    responses(
        (status = 200, description = "The picture", content(
            (String = "image/svg+xml"), (String = "text/vnd.mermaid"), (String = "text/vnd.graphviz"),
        )),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn graph(
    State(engine): State<Engine>,
    VersionInPath(name, version): VersionInPath,
    mut query: Query,
) -> Result<Response, ApiError> {
    let format = match query.one("format")? {
        None => Format::Svg,
        Some(word) => Format::parse(&word)
            .ok_or_else(|| ApiError::InvalidQuery("`format` is `mermaid`, `dot` or `svg`".to_owned()))?,
    };
    query.end(&["format"])?;
    match engine.definition(&name, Some(version)).await? {
        Some(definition) => {
            let headers = [
                (header::CONTENT_TYPE, format.media_type()),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            Ok((headers, graph::draw(&definition, format)).into_response())
        }
        None => Err(ApiError::UnknownDefinition { name, version: Some(version) }),
    }
}
