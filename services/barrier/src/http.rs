//! Request parts a participant parses at its door, each of which refuses with problem+json.
//!
//! **What it must never know:** sagas. Bodies of calls go through the barrier, which stores their refusal.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header, request::Parts};
use http_body_util::LengthLimitError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Broken,
    call::speaks_json,
    reply::{Problem, ok},
};

/// A participant's bodies are a few hundred bytes; this is what an orchestrator may send at most.
pub const BODY_LIMIT_BYTES: usize = 1024 * 1024;
/// Longer ids are mistakes.
pub const ID_LIMIT_BYTES: usize = 255;
/// Rows in one page of a list when the request does not say.
pub const PAGE_LIMIT_DEFAULT: u32 = 10_000;
/// Rows in one page at most.
pub const PAGE_LIMIT_MAX: u32 = 100_000;

pub(crate) async fn read_body(body: Body, limit_bytes: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, limit_bytes).await.map_err(|error| {
        let too_long = std::error::Error::source(&error).is_some_and(|source| source.is::<LengthLimitError>());
        if too_long {
            let detail = format!("a body has at most {limit_bytes} bytes here");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "truncated", "the body ended before its end")
        }
    })
}

pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Problem::invalid(error.to_string())
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "no-json", error.to_string())
        }
    })
}

/// A JSON body of a request that belongs to no saga.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T, const LIMIT_BYTES: usize = BODY_LIMIT_BYTES>(pub T);

impl<S: Send + Sync, T: DeserializeOwned, const LIMIT_BYTES: usize> FromRequest<S> for JsonBody<T, LIMIT_BYTES> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !speaks_json(request.headers()) {
            return Err(Problem::media_type());
        }
        parse_json(&read_body(request.into_body(), LIMIT_BYTES).await?).map(Self)
    }
}

/// The one id in a path, percent-decoded.
#[derive(Clone, Debug)]
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "bad-path", detail);
        let Path(id) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|rejection| bad(rejection.body_text()))?;
        check_id("the id in the path", &id).map_err(bad)?;
        Ok(Self(id))
    }
}

/// Ids are somebody else's text: short, without control characters.
///
/// # Errors
/// What is wrong, for a problem's detail.
pub fn check_id(what: &str, id: &str) -> Result<(), String> {
    if id.is_empty() || id.len() > ID_LIMIT_BYTES || id.chars().any(char::is_control) {
        return Err(format!("{what}: expected 1 to {ID_LIMIT_BYTES} bytes without control characters"));
    }
    Ok(())
}

/// A query string. Unknown parameters are refused if `T` refuses unknown fields.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, "bad-query", rejection.body_text()))
    }
}

/// `?after=<seq>&limit=<n>`: which rows of a list, in the order of their seq.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    after: i64,
    limit: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    after: Option<i64>,
    limit: Option<u32>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::<PageQuery>::from_request_parts(parts, state).await?;
        Self::new(query.after, query.limit)
    }
}

impl Page {
    /// # Errors
    /// 400: a limit of nothing or of too much.
    pub fn new(after: Option<i64>, limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(PAGE_LIMIT_DEFAULT);
        if !(1..=PAGE_LIMIT_MAX).contains(&limit) {
            let detail = format!("limit: expected 1 to {PAGE_LIMIT_MAX}");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "bad-query", detail));
        }
        Ok(Self { after: after.unwrap_or(0), limit })
    }

    /// The query takes rows above this seq.
    pub fn after(self) -> i64 {
        self.after
    }

    /// The query takes this many rows: one more than are shown, to know whether there are more.
    pub fn fetch(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// A JSON array; if there are more rows, a `Link` header with `rel="next"`. `filter` is what the link repeats, as in
    /// `saga=…&`.
    ///
    /// # Errors
    /// [`Broken`] if a row has no JSON.
    pub fn answer<T: Serialize>(self, mut rows: Vec<(i64, T)>, filter: &str) -> Result<Response, Broken> {
        let limit = self.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map_or(self.after, |(seq, _)| *seq);
        let mut response = ok(&rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())?;
        if more {
            let link = format!("<?{filter}after={last}&limit={limit}>; rel=\"next\"");
            let link = HeaderValue::from_str(&link).map_err(|error| Broken::Corrupt(error.to_string()))?;
            response.headers_mut().insert(header::LINK, link);
        }
        Ok(response)
    }
}

pub(crate) async fn no_route() -> Response {
    Problem::not_found("there is no such route").into_response()
}

pub(crate) async fn method_not_allowed() -> Response {
    let detail = "this route has other methods, see Allow";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response()
}
