//! `POST /v1/hooks/{name}`

use amends_engine::{Engine, Start, Watched};
use amends_events::Sources;
use amends_protocol::v1::{HookAnswer, IDEMPOTENT_REPLAYED};
use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Map;

use crate::{
    body::RawBody,
    error::ApiError,
    headers,
    openapi::{
        BadRequest, BodyTooLarge, Conflict, NotFound, NotJson, Overloaded, Unavailable, Unprocessable, Unsigned,
    },
    path::NameInPath,
    query::NoQuery,
};

/// Start a saga by an event.
///
/// The event is a CloudEvent in structured or binary mode, signed as Standard Webhooks wants it with a secret of the source's. Which saga
/// it starts, and with what of it as input, the server's configuration says. The same event again, by its `source` and `id`, is the
/// same saga; with other data it is 422. An event of a type that starts nothing here is 204.
#[utoipa::path(
    post,
    path = "/v1/hooks/{name}",
    operation_id = "receive_event",
    tag = "events",
    params(
        ("name" = String, Path, description = "A source of events of the server's configuration", max_length = 64),
        ("webhook-id" = String, Header, description = "In binary mode the event's id"),
        ("webhook-timestamp" = String, Header, description = "Seconds since 1970, not more than five minutes off"),
        ("webhook-signature" = String, Header, description = "`v1,` and the base64 of an HMAC-SHA-256 over id, time and body; several are separated by spaces"),
    ),
    request_body(content = Object, content_type = "application/cloudevents+json", description = "A CloudEvent, or its data as application/json with its attributes as `ce-` headers"),
    responses(
        (status = 202, description = "Its saga is started, now or before", body = HookAnswer, headers(
            ("Location" = String, description = "Where the saga is found"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: the event had started it before"),
        )),
        (status = 204, description = "It starts nothing here"),
        BadRequest, Unsigned, NotFound, Conflict, BodyTooLarge, NotJson, Unprocessable, Overloaded, Unavailable,
    ),
)]
pub(crate) async fn receive(
    State(engine): State<Engine>,
    Extension(sources): Extension<Sources>,
    NameInPath(name): NameInPath,
    NoQuery: NoQuery,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let Some(received) = sources.receive(&name, &headers, &body, engine.now())? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let start = Start {
        name: received.saga,
        version: received.version,
        input: received.input,
        labels: Map::new(),
        key: Some(received.key),
        traceparent: headers::traceparent(&headers),
        watched: Watched::No,
    };
    let started = engine.start(start).await?;
    let answer = HookAnswer { saga: started.saga.0, created: started.created };
    let mut response = (StatusCode::ACCEPTED, Json(answer)).into_response();
    let answered = response.headers_mut();
    answered.insert(header::LOCATION, headers::saga_location(started.saga));
    if !started.created {
        answered.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
