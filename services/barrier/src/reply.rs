//! What a handler says, and how it becomes bytes. A reply is stored as these bytes and replayed as these bytes.

use amends_protocol::participant::{Refused, SAGA_ACK, SAGA_REFUSED};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::Broken;

/// Status and body. 2xx is `application/json`, everything else `application/problem+json`; no body, no type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Reply {
    /// A JSON body.
    pub fn new(status: StatusCode, body: &Value) -> Self {
        Self { status, body: Bytes::from(body.to_string()) }
    }

    /// Status and body as they were stored.
    pub(crate) fn stored(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, body: Bytes::from(body) }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// A compensation reads what its action replied: the id of what to undo.
    ///
    /// # Errors
    /// [`Broken::Corrupt`]: it is not what this service once stored.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Broken> {
        serde_json::from_slice(&self.body).map_err(|error| Broken::Corrupt(format!("a stored reply: {error}")))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let content_type = if self.status.is_success() { "application/json" } else { "application/problem+json" };
        if self.body.is_empty() {
            return self.status.into_response();
        }
        (self.status, [(header::CONTENT_TYPE, content_type)], self.body).into_response()
    }
}

/// What a handler decided. The status must fit: the orchestrator reads nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It happened. 2xx, not 202. The business change is committed with the reply.
    Done(Reply),
    /// A definite no. 4xx, not 408, 425 or 429. The business change is rolled back.
    Refused(Reply),
    /// 202: taken on, to be finished by `complete`. Only for actions.
    Accepted(Reply),
}

impl Verdict {
    /// 200.
    pub fn ok(body: &Value) -> Self {
        Self::Done(Reply::new(StatusCode::OK, body))
    }

    /// 201.
    pub fn created(body: &Value) -> Self {
        Self::Done(Reply::new(StatusCode::CREATED, body))
    }

    /// 202.
    pub fn accepted(body: &Value) -> Self {
        Self::Accepted(Reply::new(StatusCode::ACCEPTED, body))
    }

    /// How a store spells it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "rejected",
            Self::Accepted(_) => "accepted",
        }
    }

    pub(crate) fn reply(&self) -> &Reply {
        let (Self::Done(reply) | Self::Refused(reply) | Self::Accepted(reply)) = self;
        reply
    }

    /// # Errors
    /// [`Broken::Verdict`]: the status would tell the orchestrator something else than the verdict.
    pub(crate) fn check(self) -> Result<Self, Broken> {
        let status = self.reply().status();
        let fits = match &self {
            Self::Done(_) => status.is_success() && status != StatusCode::ACCEPTED,
            Self::Refused(_) => status.is_client_error() && ![408, 425, 429].contains(&status.as_u16()),
            Self::Accepted(_) => status == StatusCode::ACCEPTED,
        };
        if fits { Ok(self) } else { Err(Broken::Verdict(format!("{self:?}"))) }
    }
}

/// An error answer, RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    word: &'static str,
    detail: String,
}

impl Problem {
    /// `word` is the problem's frozen name, in kebab case; `detail` is for people.
    pub fn new(status: StatusCode, word: &'static str, detail: impl Into<String>) -> Self {
        Self { status, word, detail: detail.into() }
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 409.
    pub fn conflict(word: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, word, detail)
    }

    /// 422.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    pub(crate) fn media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "the body must be application/json")
    }

    /// As a handler's refusal.
    pub fn refuse(self) -> Verdict {
        Verdict::Refused(self.into())
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::new(
            problem.status,
            &json!({
                "type": format!("urn:amends:problem:{}", problem.word),
                "title": problem.word.replace('-', " "),
                "status": problem.status.as_u16(),
                "detail": problem.detail,
            }),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Reply::from(self).into_response()
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        tracing::error!(error = &self as &dyn std::error::Error, "nothing was done");
        let detail = "nothing was done; ask again with the same key";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", detail).into_response()
    }
}

/// What the barrier answers to one attempt.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Stands for the call with this key, now and at every repetition.
    Definite { key: String, reply: Reply },
    /// Not an outcome: says nothing about whether the call happened.
    Refused(Refused),
}

impl Answer {
    /// For the log, which holds no bodies.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Definite { reply, .. } => reply.status().as_str().to_owned(),
            Self::Refused(refused) => refused.as_str().to_owned(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Definite { key, reply } => {
                let mut response = reply.into_response();
                let key = HeaderValue::from_str(&key).expect("invariant: the key was read from a header");
                response.headers_mut().insert(SAGA_ACK, key);
                response
            }
            Self::Refused(refused) => {
                let problem = match refused {
                    Refused::StaleEpoch => {
                        Problem::conflict("stale-epoch", "a higher epoch has been seen for this saga")
                    }
                    Refused::OtherBody => Problem::new(
                        StatusCode::UNPROCESSABLE_ENTITY,
                        "other-body",
                        "this key came with another method, path or body before",
                    ),
                };
                ([(SAGA_REFUSED, HeaderValue::from_static(refused.as_str()))], problem).into_response()
            }
        }
    }
}

/// 200 with a JSON body, for reads.
pub fn ok(body: &impl Serialize) -> Result<Response, Broken> {
    let body = serde_json::to_vec(body).map_err(|error| Broken::Corrupt(error.to_string()))?;
    Ok(Reply::stored(StatusCode::OK, body).into_response())
}
