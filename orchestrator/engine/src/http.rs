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
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use uuid::Uuid;

use crate::{
    Catalogue, Service,
    participant::{Forgotten, Participant, Request},
};

/// A larger answer is cut off and counts as unknown.
const ANSWER_BYTES: usize = 1024 * 1024;
/// A service that does not accept a connection in this time is not there; nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle connections are given up before common servers close them (nginx 75 s, Node 5 s would still race, and a race is
/// only an unknown).
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("amends/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// Calls the services of a catalogue, over HTTP/1.1. Follows no redirect, knows no proxy and sends nothing twice.
///
/// hyper's own client and not one above it: what those add (URLs parsed anew for each call, layers for redirects and
/// retries) was a third of the time of a call, and all of it is switched off here.
#[derive(Debug)]
pub struct HttpParticipant {
    catalogue: Catalogue,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// TLS cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("TLS towards services cannot be set up: {0}")]
pub struct TlsError(#[from] rustls::Error);

impl HttpParticipant {
    /// # Errors
    /// TLS cannot be set up on this machine.
    pub fn new(catalogue: &Catalogue) -> Result<Self, TlsError> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .try_with_platform_verifier()?
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { catalogue: catalogue.clone(), client })
    }

    /// One request and its whole answer, or why there is none.
    async fn exchange(
        &self,
        (service, path): (&Service, &str),
        method: Method,
        mut headers: HeaderMap,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<Response<Bytes>, Reply> {
        let url = format!("{}{path}", service.url.as_str().trim_end_matches('/'));
        let uri = Uri::try_from(url).map_err(|error| not_sent(format!("its address is none: {error}")))?;
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.entry(header::ACCEPT).or_insert(ANYTHING);
        let mut request = http::Request::new(Full::new(body.map(Bytes::from).unwrap_or_default()));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        let exchange = async {
            match self.client.request(request).await {
                Ok(response) => whole(response).await.map_err(|reason| Reply::Lost { reason }),
                // Connecting is DNS, TCP and TLS: no byte of the request left.
                Err(error) if error.is_connect() => Err(not_sent(innermost(&error))),
                Err(error) => Err(Reply::Lost { reason: lost(&error) }),
            }
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(Reply::Lost { reason: "no whole answer within the timeout".to_owned() }),
        }
    }
}

async fn whole(response: Response<Incoming>) -> Result<Response<Bytes>, String> {
    let (head, body) = response.into_parts();
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(format!("the answer is larger than {ANSWER_BYTES} bytes")),
        Err(error) => Err(format!("the answer broke off: {}", innermost(&*error))),
    }
}

#[async_trait]
impl Participant for HttpParticipant {
    async fn call(&self, request: Request) -> Reply {
        let Some(service) = self.catalogue.get(&request.rendered.service) else {
            return not_sent(format!("the catalogue has no service {}", request.rendered.service));
        };
        let key = request.headers.key();
        let mut headers = HeaderMap::with_capacity(16);
        for (name, value) in &request.rendered.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                return not_sent(format!("header {name} cannot be sent"));
            };
            headers.insert(name, value);
        }
        if let Err(error) = request.headers.write(&mut headers) {
            return not_sent(format!("the call's own headers cannot be sent: {error}"));
        }
        let method =
            Method::from_bytes(request.rendered.method.as_str().as_bytes()).expect("invariant: a known method");
        let to = (service, request.rendered.path.as_str());
        match self.exchange(to, method, headers, request.rendered.body, request.timeout).await {
            Ok(response) => answer(response, &key),
            Err(reply) => reply,
        }
    }

    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        let Some(known) = self.catalogue.get(service) else { return Forgotten::CannotForget };
        let body = serde_json::to_vec(&ForgetRequest { sagas: sagas.to_vec() }).expect("invariant: ids are JSON");
        let to = (known, FORGET_PATH);
        match self.exchange(to, Method::POST, HeaderMap::new(), Some(body), FORGET_TIMEOUT).await {
            Ok(response) if response.status().is_success() => Forgotten::Told,
            Ok(response) if matches!(response.status().as_u16(), 404 | 405 | 501) => Forgotten::CannotForget,
            Ok(response) => Forgotten::NotTold { reason: format!("it answered {}", response.status()) },
            Err(Reply::NotSent { reason } | Reply::Lost { reason }) => Forgotten::NotTold { reason },
            Err(Reply::Answered(answer)) => Forgotten::NotTold { reason: format!("it answered {}", answer.status) },
        }
    }
}

/// For one forget: a participant marks up to a thousand sagas in it.
const FORGET_TIMEOUT: Duration = Duration::from_secs(10);

fn not_sent(reason: String) -> Reply {
    Reply::NotSent { reason }
}

fn answer(response: Response<Bytes>, key: &str) -> Reply {
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
        body: response.body().to_vec(),
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

/// What happened to a request that may have left.
fn lost(error: &legacy::Error) -> String {
    match error.source().and_then(|source| source.downcast_ref::<hyper::Error>()) {
        Some(error) if error.is_incomplete_message() => "the connection was closed before the answer came".to_owned(),
        _ => innermost(error),
    }
}

/// The innermost cause says most: "connection refused" rather than "error sending request".
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
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
