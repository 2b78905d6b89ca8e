//! `POST /v1/callbacks`

use std::sync::Arc;

use amends_core::{Said, definition::limits};
use amends_engine::{CalledBack, Engine};
use amends_protocol::{participant::CallbackToken, v1::CallbackRequest};
use axum::extract::State;
use http::{HeaderMap, StatusCode};

use crate::{
    body::Json,
    error::ApiError,
    openapi::{BadRequest, BodyTooLarge, Conflict, Forbidden, Gone, NotJson, Unavailable, Unprocessable},
    query::NoQuery,
};

/// It is kept in the journal and shown to people.
const REASON_CHARS: usize = 1000;

/// Say what came of a call that was accepted.
///
/// For participants that answered a call of an `async` step with 202: with the token that the call brought, in the header and never
/// in a URL. Durable once answered with 2xx, and may be repeated. The first verdict on a call wins; the same one again is answered
/// alike. It may come before the 202 has. Any node may be asked. 403: the token was not given out here. 409: the call has ended with
/// another verdict. 410: it is over without one, or its saga has ended; what was not finished must not be. The answer has no body: a
/// participant learns nothing of the saga here.
#[utoipa::path(
    post,
    path = "/v1/callbacks",
    operation_id = "call_back",
    tag = "callbacks",
    params(("Saga-Callback" = String, Header, description = "The token that the call brought under this name", min_length = 1, max_length = 512)),
    request_body(content = CallbackRequest, description = "What came of it; a `body` of at most 256 KiB"),
    responses(
        (status = 204, description = "The call has ended with this verdict"),
        (status = 202, description = "The verdict is written down for the saga's owner"),
        BadRequest, Forbidden, Conflict, Gone, BodyTooLarge, NotJson, Unprocessable, Unavailable,
    ),
)]
pub(crate) async fn call_back(
    State(engine): State<Engine>,
    NoQuery: NoQuery,
    headers: HeaderMap,
    Json(request): Json<CallbackRequest>,
) -> Result<StatusCode, ApiError> {
    let refuse = |why| ApiError::InvalidHeader { name: "Saga-Callback", why };
    let token = CallbackToken::read(&headers).map_err(|_| refuse("it is no token of a callback"))?;
    let token = token.ok_or_else(|| refuse(MISSING))?;
    let said = match request {
        CallbackRequest::Succeeded { body } if body.to_string().len() > limits::CALLBACK_BYTES => {
            return Err(ApiError::BodyTooLarge { limit_bytes: limits::CALLBACK_BYTES });
        }
        CallbackRequest::Succeeded { body } => Said::Succeeded { body: Arc::new(body) },
        CallbackRequest::Rejected { reason } => {
            let reason = reason.unwrap_or_default();
            if reason.chars().count() > REASON_CHARS {
                let message = format!("a reason has at most {REASON_CHARS} characters");
                return Err(ApiError::InvalidBody { pointer: "/reason".to_owned(), message });
            }
            Said::Rejected { reason }
        }
    };
    match engine.call_back(&token, said).await {
        Ok(CalledBack::Decided) => Ok(StatusCode::NO_CONTENT),
        Ok(CalledBack::Noted) => Ok(StatusCode::ACCEPTED),
        Err(error) => Err(error.into()),
    }
}

const MISSING: &str = "it is missing: give back the token that the call brought";
