//! `POST /v1/sagas/{id}/signals/{name}`

use amends_core::{Signal, definition::limits};
use amends_engine::Engine;
use amends_protocol::v1::SagaView;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{
    body::JsonOrNothing,
    error::ApiError,
    headers,
    openapi::{BadRequest, BodyTooLarge, Conflict, Gone, NotFound, NotJson, Unavailable, Unprocessable},
    path::SignalInPath,
    query::NoQuery,
    saga,
};

/// Give a saga a signal.
///
/// Durable once answered. With `Idempotency-Key` it may be repeated: the same key with the same payload is the same signal and gets
/// the same answer, also after the saga's end. One that comes before a step awaits it is kept; each is taken by one step, the oldest
/// first. Any node may be asked. 409 when no step can take it any more, or the key came with another payload; 410 when the saga has
/// ended; 422 when its definition does not know the signal, or could do nothing with the payload.
#[utoipa::path(
    post,
    path = "/v1/sagas/{id}/signals/{name}",
    operation_id = "signal_saga",
    tag = "sagas",
    params(
        ("id" = Uuid, Path, description = "The saga's id"),
        ("name" = String, Path, description = "What a step of the saga awaits", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_-]*$"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, plain or as a quoted string. Per saga and signal: the same key is the same signal.", min_length = 1, max_length = 257, pattern = "^[!-~]+$"),
    ),
    request_body(content = Option<Value>, description = "Any JSON of at most 64 KiB; steps take their output from it. May be left out", content_type = "application/json"),
    responses(
        (status = 202, description = "It is kept or taken, or was before", body = SagaView),
        BadRequest, NotFound, Conflict, Gone, BodyTooLarge, NotJson, Unprocessable, Unavailable,
    ),
)]
pub(crate) async fn signal(
    State(engine): State<Engine>,
    SignalInPath(id, name): SignalInPath,
    NoQuery: NoQuery,
    headers: HeaderMap,
    JsonOrNothing(payload): JsonOrNothing<Value>,
) -> Result<(StatusCode, axum::Json<SagaView>), ApiError> {
    if payload.to_string().len() > limits::SIGNAL_BYTES {
        return Err(ApiError::BodyTooLarge { limit_bytes: limits::SIGNAL_BYTES });
    }
    let key = headers::idempotency_key(&headers)?.map(|key| key.as_str().into());
    engine
        .signal(id, Signal { name, key, payload: payload.into() })
        .await
        .map_err(|error| ApiError::Signal(id, error))?;
    Ok((StatusCode::ACCEPTED, axum::Json(saga::read(&engine, id, None).await?)))
}
