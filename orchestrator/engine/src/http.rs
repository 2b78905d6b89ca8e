//! Participants over HTTP.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use amends_core::{Answer, RefusedThere, Reply, ids::ServiceName};
use amends_protocol::{
    forget::{FORGET_PATH, ForgetRequest},
    participant::{Refused, SAGA_ACK, SAGA_REFUSED},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::{Client, Method, Response, redirect, retry};
use uuid::Uuid;

use crate::{
    Catalogue,
    participant::{Forgotten, Participant, Request},
};

/// A larger answer is cut off and counts as unknown.
const ANSWER_BYTES: usize = 1024 * 1024;
/// A service that does not accept a connection in this time is not there; nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle connections are given up before common servers close them (nginx 75 s, Node 5 s would still race, and a race is
/// only an unknown).
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls the services of a catalogue.
#[derive(Debug)]
pub struct HttpParticipant {
    catalogue: Catalogue,
    client: Client,
}

impl HttpParticipant {
    /// # Errors
    /// TLS cannot be set up on this machine.
    pub fn new(catalogue: &Catalogue) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("amends/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { catalogue: catalogue.clone(), client })
    }
}

#[async_trait]
impl Participant for HttpParticipant {
    async fn call(&self, request: Request) -> Reply {
        let Some(service) = self.catalogue.get(&request.rendered.service) else {
            return not_sent(format!("the catalogue has no service {}", request.rendered.service));
        };
        let key = request.headers.key();
        let mut headers = HeaderMap::new();
        for (name, value) in &request.rendered.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                return not_sent(format!("header {name} cannot be sent"));
            };
            headers.insert(name, value);
        }
        if let Err(error) = request.headers.write(&mut headers) {
            return not_sent(format!("the call's own headers cannot be sent: {error}"));
        }
        let url = format!("{}{}", service.url.as_str().trim_end_matches('/'), request.rendered.path);
        let method =
            Method::from_bytes(request.rendered.method.as_str().as_bytes()).expect("invariant: a known method");
        let mut call = self.client.request(method, url).headers(headers).timeout(request.timeout);
        if let Some(body) = request.rendered.body {
            call = call.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        match call.send().await {
            Ok(response) => answer(response, &key).await,
            // Connecting is DNS, TCP and TLS: no byte of the request left.
            Err(error) if error.is_connect() || error.is_builder() => not_sent(reason(&error)),
            Err(error) => Reply::Lost { reason: reason(&error) },
        }
    }

    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        let not_told = |reason: String| Forgotten::NotTold { reason };
        let Some(known) = self.catalogue.get(service) else { return Forgotten::CannotForget };
        let url = format!("{}{FORGET_PATH}", known.url.as_str().trim_end_matches('/'));
        let body = ForgetRequest { sagas: sagas.to_vec() };
        match self.client.post(url).json(&body).timeout(FORGET_TIMEOUT).send().await {
            Ok(response) if response.status().is_success() => Forgotten::Told,
            Ok(response) if matches!(response.status().as_u16(), 404 | 405 | 501) => Forgotten::CannotForget,
            Ok(response) => not_told(format!("it answered {}", response.status())),
            Err(error) => not_told(reason(&error)),
        }
    }
}

/// For one forget: a participant marks up to a thousand sagas in it.
const FORGET_TIMEOUT: Duration = Duration::from_secs(10);

fn not_sent(reason: String) -> Reply {
    Reply::NotSent { reason }
}

async fn answer(mut response: Response, key: &str) -> Reply {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES => {
                return Reply::Lost { reason: format!("the answer is larger than {ANSWER_BYTES} bytes") };
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Reply::Lost { reason: format!("the answer broke off: {}", reason(&error)) },
        }
    }
    let headers = response.headers();
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    Reply::Answered(Answer {
        status: response.status().as_u16(),
        acked: text(&SAGA_ACK).is_some_and(|ack| ack.trim_matches('"') == key),
        refused: text(&SAGA_REFUSED).and_then(Refused::parse).map(|refused| match refused {
            Refused::StaleEpoch => RefusedThere::StaleEpoch,
            Refused::OtherBody => RefusedThere::OtherBody,
        }),
        retry_after: text(&header::RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now().into())),
        headers: headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect(),
        body,
    })
}

/// Seconds or an HTTP date (RFC 9110 §10.2.3); anything else is as if it were not there.
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

/// The innermost cause says most: "connection refused" rather than "error sending request".
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return "no whole answer within the timeout".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date_and_garbage_is_ignored() {
        let now = DateTime::parse_from_rfc3339("2026-11-24T17:00:00Z").expect("a date").to_utc();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 17:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Tue, 24 Nov 2026 16:00:30 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-3", now), None);
    }
}
