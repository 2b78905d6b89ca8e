//! One request and its answer. Every body is bounded; every error answer is read as a problem.

use std::time::Duration;

use amends_protocol::{
    problem::{PROBLEM_JSON, Problem},
    v1::PREFER,
};
use reqwest::{
    Method, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Client, ClientError};

/// The largest answer that is read: a page of histories with full inputs and outputs stays below.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A request in the making.
pub(crate) struct Request {
    builder: reqwest::RequestBuilder,
    timeout: Duration,
}

/// A whole answer that is no error.
pub(crate) struct Answer<T> {
    pub(crate) headers: HeaderMap,
    pub(crate) body: T,
}

impl Client {
    /// Each segment is encoded: a name with a slash stays one segment.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Request {
        self.query(method, segments, &[])
    }

    pub(crate) fn query(&self, method: Method, segments: &[&str], pairs: &[(&str, String)]) -> Request {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("invariant: http URLs have a path").pop_if_empty().extend(segments);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Request { builder: self.http.request(method, url), timeout: self.timeouts.answer }
    }
}

impl Request {
    pub(crate) fn header(mut self, name: &str, what: &'static str, value: &str) -> Result<Self, ClientError> {
        let value =
            HeaderValue::from_str(value).map_err(|error| ClientError::Unsendable { what, why: error.to_string() })?;
        self.builder = self.builder.header(name, value);
        Ok(self)
    }

    /// A header that no log shows.
    pub(crate) fn secret(mut self, name: &str, what: &'static str, value: &str) -> Result<Self, ClientError> {
        let mut value =
            HeaderValue::from_str(value).map_err(|error| ClientError::Unsendable { what, why: error.to_string() })?;
        value.set_sensitive(true);
        self.builder = self.builder.header(name, value);
        Ok(self)
    }

    /// `Prefer: wait`; the client's own patience grows by as much.
    pub(crate) fn wait(mut self, wait: Option<Duration>) -> Self {
        if let Some(wait) = wait {
            let seconds = wait.as_millis().div_ceil(1000);
            self.builder = self.builder.header(PREFER, format!("wait={seconds}"));
            self.timeout += wait;
        }
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.builder = self.builder.json(body);
        self
    }

    pub(crate) fn yaml(mut self, source: &str) -> Self {
        self.builder = self.builder.header(CONTENT_TYPE, "application/yaml").body(source.to_owned());
        self
    }

    pub(crate) async fn ask<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        self.answer().await.map(|answer| answer.body)
    }

    /// An answer without a body.
    pub(crate) async fn done(self) -> Result<(), ClientError> {
        let response = self.builder.timeout(self.timeout).send().await.map_err(ClientError::Transport)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = read(response).await?;
        if status.is_success() { Ok(()) } else { Err(refusal(status.as_u16(), &headers, &bytes)) }
    }

    /// An answer whose body is read as it comes.
    pub(crate) async fn open(self) -> Result<Response, ClientError> {
        let sent = tokio::time::timeout(self.timeout, self.builder.send()).await;
        let response = match sent {
            Ok(response) => response.map_err(ClientError::Transport)?,
            Err(_) => return Err(ClientError::Foreign { status: 0, why: "there was none in time".to_owned() }),
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = read(response).await?;
        Err(refusal(status.as_u16(), &headers, &bytes))
    }

    pub(crate) async fn answer<T: DeserializeOwned>(self) -> Result<Answer<T>, ClientError> {
        let response = self.builder.timeout(self.timeout).send().await.map_err(ClientError::Transport)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = read(response).await?;
        if !status.is_success() {
            return Err(refusal(status.as_u16(), &headers, &bytes));
        }
        let body = serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Foreign { status: status.as_u16(), why: error.to_string() })?;
        Ok(Answer { headers, body })
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ClientError::Transport)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES {
            let why = format!("it is larger than {ANSWER_BYTES} bytes");
            return Err(ClientError::Foreign { status: response.status().as_u16(), why });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> ClientError {
    let is_problem = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().map(str::trim) == Some(PROBLEM_JSON));
    if !is_problem {
        return ClientError::Foreign { status, why: format!("an error without {PROBLEM_JSON}") };
    }
    let retry_after =
        headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => ClientError::Problem { problem: Box::new(problem), retry_after },
        Err(error) => ClientError::Foreign { status, why: error.to_string() },
    }
}
