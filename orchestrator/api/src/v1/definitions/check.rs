//! `POST /v1/definitions/check`

use amends_core::definition::Severity;
use amends_engine::Engine;
use amends_protocol::v1::CheckAnswer;
use axum::{Json, extract::State};

use super::diagnostic;
use crate::{
    body::Yaml,
    error::ApiError,
    openapi::{BadRequest, BodyTooLarge, NotYaml, Unavailable},
    query::NoQuery,
};

/// Check a definition against the catalogue, and register nothing.
///
/// What is wrong with it is the answer, not an error.
#[utoipa::path(
    post,
    path = "/v1/definitions/check",
    operation_id = "check_definition",
    tag = "definitions",
    request_body(content = String, description = "The definition's YAML, at most 256 KiB", content_type = "application/yaml"),
    responses(
        (status = 200, description = "What is to be said of it", body = CheckAnswer),
        BadRequest, BodyTooLarge, NotYaml, Unavailable,
    ),
)]
pub(crate) async fn check(
    State(engine): State<Engine>,
    NoQuery: NoQuery,
    Yaml(source): Yaml,
) -> Result<Json<CheckAnswer>, ApiError> {
    let found = engine.check(&source).await?;
    let ok = found.iter().all(|found| found.severity != Severity::Error);
    Ok(Json(CheckAnswer { ok, diagnostics: found.iter().map(diagnostic).collect() }))
}
