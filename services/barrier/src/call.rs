//! One attempt as it arrived: headers, digest, body. Parsed once at the door, trusted afterwards.

use amends_protocol::participant::{CallHeaders, Op, SAGA_ATTEMPT, SAGA_EPOCH, SAGA_STEP};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    http::{BODY_LIMIT_BYTES, ID_LIMIT_BYTES, read_body},
    reply::Problem,
};

/// SHA-256 over method, path with query, and body: what makes two attempts the same call.
pub type Digest = [u8; 32];

/// Where a call stands in its saga. With an [`Op`] it is the key of the barrier's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub saga: Uuid,
    pub step: String,
    /// The item of a `for_each`.
    pub index: Option<u32>,
}

/// A call of a saga, as an axum extractor. Headers that do not follow the contract get 400 and nothing is done.
#[derive(Clone, Debug)]
pub struct Call {
    headers: CallHeaders,
    digest: Digest,
    body: Bytes,
    speaks_json: bool,
}

impl Call {
    /// The parsed headers.
    pub fn headers(&self) -> &CallHeaders {
        &self.headers
    }

    /// The idempotency key; what `Saga-Ack` says.
    pub fn key(&self) -> String {
        self.headers.key()
    }

    /// Whether it may be accepted with a 202 and finished later. Without that a 202 is taken for a success.
    pub fn may_be_accepted(&self) -> bool {
        self.headers.callback.is_some()
    }

    /// Saga, step and index.
    pub fn place(&self) -> Place {
        Place { saga: self.headers.saga, step: self.headers.step.clone(), index: self.headers.index }
    }

    /// The raw body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// The body as a `T`. No body at all is read as `null`, so `()` and `Option` stand for "none needed".
    ///
    /// # Errors
    /// The problem to refuse the call with: 415, 400 (no JSON) or 422 (JSON of another shape).
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if !self.speaks_json && !self.body.is_empty() {
            return Err(Problem::media_type());
        }
        crate::http::parse_json(if self.body.is_empty() { b"null" } else { &self.body })
    }

    /// 400 unless the call is for `op`: a route is an action or a compensation, never both.
    pub(crate) fn expect_op(&self, op: Op) -> Result<(), Problem> {
        if self.headers.op == op {
            return Ok(());
        }
        let detail =
            format!("header saga-op: expected {} at this route, not {}", op.as_str(), self.headers.op.as_str());
        Err(Problem::new(StatusCode::BAD_REQUEST, "bad-headers", detail))
    }
}

/// The contract's headers, within what a store can keep.
///
/// # Errors
/// 400 that names the header.
pub(crate) fn read_headers(headers: &HeaderMap) -> Result<CallHeaders, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "bad-headers", detail);
    let call = CallHeaders::read(headers).map_err(|missing| bad(missing.to_string()))?;
    if call.epoch == 0 || i64::try_from(call.epoch).is_err() {
        return Err(bad(format!("header {SAGA_EPOCH}: expected a number from 1 to 2^63 - 1")));
    }
    if call.step.len() > ID_LIMIT_BYTES {
        return Err(bad(format!("header {SAGA_STEP}: expected {ID_LIMIT_BYTES} bytes at most")));
    }
    if call.attempt == 0 {
        return Err(bad(format!("header {SAGA_ATTEMPT}: expected a number from 1")));
    }
    Ok(call)
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = read_headers(request.headers())?;
        let speaks_json = speaks_json(request.headers());
        let mut hash = Sha256::new();
        hash.update(request.method().as_str());
        hash.update(b"\n");
        hash.update(request.uri().path_and_query().map_or("/", |path| path.as_str()));
        hash.update(b"\n");
        let body = read_body(request.into_body(), BODY_LIMIT_BYTES).await?;
        hash.update(&body);
        Ok(Self { headers, digest: hash.finalize().into(), body, speaks_json })
    }
}

/// Whether the body is declared as JSON, or not declared at all.
pub(crate) fn speaks_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}
