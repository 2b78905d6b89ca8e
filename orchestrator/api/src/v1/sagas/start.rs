//! `POST /v1/sagas`

use amends_engine::{Engine, Start, Watched};
use amends_protocol::v1::{IDEMPOTENT_REPLAYED, PREFERENCE_APPLIED, SagaView, StartRequest};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{
    body::Json,
    error::ApiError,
    headers,
    openapi::{BadRequest, BodyTooLarge, Conflict, NotFound, NotJson, Overloaded, Unavailable, Unprocessable},
    path::{check_name, check_version},
    query::NoQuery,
    saga,
};

/// Start a saga.
///
/// Durable once answered. With `Idempotency-Key` the request may be repeated: it starts one saga, whatever happens in
/// between. The answer is 200 if the saga has ended, otherwise 202 with where to look.
#[utoipa::path(
    post,
    path = "/v1/sagas",
    operation_id = "start_saga",
    tag = "sagas",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, plain or as a quoted string. The same key with the same request is the same saga for ever.", min_length = 1, max_length = 257, pattern = "^[!-~]+$"),
        ("Prefer" = Option<String>, Header, description = "`wait=<seconds>`, at most 60: answer when the saga has ended or raised attention, or the time is over. `return=minimal`: answer with a SagaResult instead of the whole view."),
        ("traceparent" = Option<String>, Header, description = "W3C trace context, passed on to every participant."),
    ),
    request_body = StartRequest,
    responses(
        (status = 200, description = "The saga has ended", body = SagaView, headers(
            ("Location" = String, description = "Where the saga is found"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: an earlier start under the same key made it"),
            ("Preference-Applied" = Option<String>, description = "The wait that was granted"),
        )),
        (status = 202, description = "The saga goes on", body = SagaView, headers(
            ("Location" = String, description = "Where the saga is found"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: an earlier start under the same key made it"),
            ("Preference-Applied" = Option<String>, description = "The wait that was granted"),
        )),
        BadRequest, NotFound, Conflict, BodyTooLarge, NotJson, Unprocessable, Overloaded, Unavailable,
    ),
)]
pub(crate) async fn start(
    State(engine): State<Engine>,
    NoQuery: NoQuery,
    headers: HeaderMap,
    Json(request): Json<StartRequest>,
) -> Result<Response, ApiError> {
    let invalid = |pointer: &str, message: &str| ApiError::InvalidBody {
        pointer: pointer.to_owned(),
        message: message.to_owned(),
    };
    check_name(&request.definition).map_err(|why| invalid("/definition", why))?;
    request.version.map_or(Ok(()), check_version).map_err(|why| invalid("/version", why))?;
    let (wait, minimal) = (headers::wait(&headers), headers::minimal(&headers));
    let start = Start {
        name: request.definition,
        version: request.version,
        input: request.input,
        labels: request.labels.into_iter().collect(),
        key: headers::idempotency_key(&headers)?,
        traceparent: headers::traceparent(&headers),
        watched: match wait {
            Some(_) if minimal => Watched::Result,
            Some(_) => Watched::Whole,
            None => Watched::No,
        },
    };
    let started = engine.start(start).await?;
    let unread = |source| ApiError::StartedUnread { saga: started.saga, source: Box::new(source) };
    let begun = started.begun.as_ref();
    let (ended, body) = if minimal {
        let result = saga::result(&engine, started.saga, wait, begun).await.map_err(unread)?;
        (result.status.is_terminal(), axum::Json(result).into_response())
    } else {
        let view = match begun {
            Some(begun) => saga::of_whole(started.saga, begun),
            None => saga::read(&engine, started.saga, wait).await,
        };
        let view = view.map_err(unread)?;
        (view.status.is_terminal(), axum::Json(view).into_response())
    };
    let mut response = body;
    *response.status_mut() = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    let answered = response.headers_mut();
    answered.insert(header::LOCATION, headers::saga_location(started.saga));
    if !started.created {
        answered.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(applied) = headers::applied(wait, minimal) {
        answered.insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}
