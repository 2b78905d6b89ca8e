//! What frames every request: its id, its span in the log, and the body of its problem if it ends in one.
//!
//! Nothing of a body and no query is logged: they may carry what nobody should read there.

use std::time::Instant;

use amends_protocol::{
    problem::{PROBLEM_JSON, Problem},
    v1::REQUEST_ID,
};
use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use tracing::Instrument;
use uuid::Uuid;

/// The longest id that is taken over from a caller.
const REQUEST_ID_CHARS: usize = 128;

/// The outermost layer.
pub(crate) async fn frame(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let span = tracing::info_span!("request", request.id = id, http.method = %request.method(), http.route = route);
    let began = Instant::now();
    async {
        let response = next.run(request).await;
        let mut response = written(response, &id);
        tracing::debug!(status = response.status().as_u16(), elapsed_us = began.elapsed().as_micros(), "answered");
        let value = HeaderValue::from_str(&id).expect("invariant: an id is of letters, digits and marks");
        response.headers_mut().insert(REQUEST_ID, value);
        response
    }
    .instrument(span)
    .await
}

fn request_id(request: &Request) -> String {
    let fits = |id: &&str| {
        (1..=REQUEST_ID_CHARS).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(fits);
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Every error answer becomes a problem, whoever made it; what headers it has stay (`Allow`, `Retry-After`).
fn written(mut response: Response, id: &str) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let mut problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None => {
            let mut made = crate::error::bare(response.status()).into_response();
            made.extensions_mut().remove::<Problem>().expect("invariant: an error carries its problem")
        }
    };
    problem.instance = Some(format!("urn:amends:request:{id}"));
    let body = serde_json::to_vec(&problem).expect("invariant: a problem can be written");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
    response
}
