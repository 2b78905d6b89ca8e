//! `POST /v1/definitions`

use amends_engine::Engine;
use amends_protocol::v1::RegisterAnswer;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::diagnostic;
use crate::{
    body::Yaml,
    error::ApiError,
    openapi::{BadRequest, BodyTooLarge, Conflict, NotYaml, Unavailable, Unprocessable},
    query::NoQuery,
};

/// Register a definition.
///
/// Under the name in its text, and the version there or the next one. A registered definition never changes: the same text
/// again is no change, another text under its version is refused.
#[utoipa::path(
    post,
    path = "/v1/definitions",
    operation_id = "register_definition",
    tag = "definitions",
    request_body(content = String, description = "The definition's YAML, at most 256 KiB", content_type = "application/yaml"),
    responses(
        (status = 201, description = "It is new", body = RegisterAnswer, headers(
            ("Location" = String, description = "Where this version is found"),
        )),
        (status = 200, description = "The same text was there already", body = RegisterAnswer, headers(
            ("Location" = String, description = "Where this version is found"),
        )),
        BadRequest, Conflict, BodyTooLarge, NotYaml, Unprocessable, Unavailable,
    ),
)]
pub(crate) async fn register(
    State(engine): State<Engine>,
    NoQuery: NoQuery,
    Yaml(source): Yaml,
) -> Result<Response, ApiError> {
    let registered = engine.register(&source).await?;
    let name = registered.definition.name.to_string();
    let location = format!("/v1/definitions/{name}/versions/{}", registered.version);
    let answer = RegisterAnswer {
        name,
        version: registered.version,
        digest: registered.definition.digest.to_string(),
        created: registered.created,
        warnings: registered.warnings.iter().map(diagnostic).collect(),
    };
    let status = if registered.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(answer)).into_response();
    let location = HeaderValue::from_str(&location).expect("invariant: names are of letters, digits, `-`, `_` and `.`");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
