//! Participants over HTTP.

use std::{
    collections::BTreeMap,
    sync::Arc,
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
use http::{HeaderMap, HeaderName, Method, Response, Uri, header, uri::PathAndQuery};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use uuid::Uuid;

use crate::{
    Catalogue,
    headers::{self, request_headers},
    participant::{Forgotten, Participant, Request},
    replicas::{Door, Outcome, Replica},
    wire::{Broken, Connector, IDLE_TIMEOUT, Wire},
};

/// A service that does not accept a connection in this time is not there; nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Calls the services of a catalogue, over HTTP/1.1. Follows no redirect, knows no proxy and sends nothing twice.
pub struct HttpParticipant {
    doors: Arc<BTreeMap<String, Door>>,
    connector: Connector,
}

/// Why calls cannot be made from this machine.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("TLS towards services cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("service {service} cannot be called: {reason}")]
    Service { service: String, reason: String },
}

impl HttpParticipant {
    /// Within a runtime: idle connections are closed beside.
    ///
    /// # Errors
    /// TLS cannot be set up on this machine, or an address cannot be called.
    pub fn new(catalogue: &Catalogue) -> Result<Self, HttpError> {
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
        let doors = catalogue.services.iter().map(|(name, service)| {
            let refused = |reason| HttpError::Service { service: name.clone(), reason };
            Ok::<_, HttpError>((name.clone(), Door::new(name, &service.url).map_err(refused)?))
        });
        let doors = Arc::new(doors.collect::<Result<_, _>>()?);
        tokio::spawn(sweep(Arc::downgrade(&doors)));
        Ok(Self { doors, connector })
    }

    /// One request and its whole answer, or why there is none. A replica that certainly got nothing leaves it to the next one; at most
    /// one of them gets it.
    async fn exchange(
        &self,
        (door, path): (&Door, &str),
        method: Method,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<Response<Bytes>, Reply> {
        let path = format!("{}{path}", door.below);
        let path = PathAndQuery::try_from(path).map_err(|error| not_sent(format!("its path is none: {error}")))?;
        let mut request = http::Request::new(Full::new(body.map(Bytes::from).unwrap_or_default()));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, Uri::from(path), headers);
        let until = tokio::time::Instant::now() + within;
        let mut absent = String::new();
        for replica in door.turns() {
            request.headers_mut().insert(header::HOST, replica.host.clone());
            let sent = tokio::time::timeout_at(until, self.send(replica, request)).await;
            let Ok(sent) = sent else {
                door.tell(replica, Outcome::Failed);
                return Err(Reply::Lost { reason: "no whole answer within the timeout".to_owned() });
            };
            match sent {
                Ok(response) => {
                    let gone = matches!(response.status().as_u16(), 502..=504);
                    door.tell(replica, if gone { Outcome::Failed } else { Outcome::Answered });
                    return Ok(response);
                }
                Err(Unanswered::Lost(reason)) => {
                    door.tell(replica, Outcome::Failed);
                    return Err(Reply::Lost { reason });
                }
                Err(Unanswered::NotSent(back, reason)) => {
                    door.tell(replica, Outcome::Absent);
                    (request, absent) = (*back, reason);
                }
            }
        }
        Err(not_sent(absent))
    }

    async fn send(
        &self,
        replica: &Replica,
        mut request: http::Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Unanswered> {
        while let Some(wire) = replica.idle.take() {
            let (outcome, wire) = wire.exchange(request).await;
            wire.into_iter().for_each(|wire| replica.idle.put(wire));
            match outcome {
                Ok(response) => return Ok(response),
                Err(Broken::Lost(reason)) => return Err(Unanswered::Lost(reason)),
                // The other side had closed it meanwhile.
                Err(Broken::NotSent(back)) => request = *back,
            }
        }
        // Boxed: it is rare, and would make every call's future several times as large.
        let wire = match Box::pin(Wire::connect(&self.connector, replica.address.clone())).await {
            Ok(wire) => wire,
            Err(reason) => return Err(Unanswered::NotSent(Box::new(request), reason)),
        };
        let (outcome, wire) = wire.exchange(request).await;
        wire.into_iter().for_each(|wire| replica.idle.put(wire));
        outcome.map_err(|broken| match broken {
            Broken::Lost(reason) => Unanswered::Lost(reason),
            Broken::NotSent(back) => {
                Unanswered::NotSent(back, "the connection was closed before the request left".to_owned())
            }
        })
    }
}

/// Why a replica gave no answer.
enum Unanswered {
    /// It may have got the request.
    Lost(String),
    /// No byte of the request left; here it is again, and why.
    NotSent(Box<http::Request<Full<Bytes>>>, String),
}

/// Until nobody calls any more.
async fn sweep(doors: std::sync::Weak<BTreeMap<String, Door>>) {
    loop {
        tokio::time::sleep(IDLE_TIMEOUT / 2).await;
        let Some(doors) = doors.upgrade() else { return };
        doors.values().for_each(Door::sweep);
    }
}

#[async_trait]
impl Participant for HttpParticipant {
    async fn call(&self, request: Request) -> Reply {
        let Some(door) = self.doors.get(request.rendered.service.as_str()) else {
            return not_sent(format!("the catalogue has no service {}", request.rendered.service));
        };
        let key = request.headers.key();
        let headers = match request_headers(&request.rendered, &request.headers) {
            Ok(headers) => headers,
            Err(why) => return not_sent(why),
        };
        let method =
            Method::from_bytes(request.rendered.method.as_str().as_bytes()).expect("invariant: a known method");
        let to = (door, request.rendered.path.as_str());
        match self.exchange(to, method, headers, request.rendered.body, request.timeout).await {
            Ok(response) => answer(response, &key),
            Err(reply) => reply,
        }
    }

    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        let Some(door) = self.doors.get(service.as_str()) else { return Forgotten::CannotForget };
        let body = serde_json::to_vec(&ForgetRequest { sagas: sagas.to_vec() }).expect("invariant: ids are JSON");
        let to = (door, FORGET_PATH);
        let mut headers = HeaderMap::new();
        headers::complete(&mut headers, true);
        match self.exchange(to, Method::POST, headers, Some(body), FORGET_TIMEOUT).await {
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

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// `POST /a`.
    async fn called(participant: &HttpParticipant) -> Result<Response<Bytes>, Reply> {
        called_within(participant, Duration::from_secs(5)).await
    }

    pub(super) async fn called_within(
        participant: &HttpParticipant,
        within: Duration,
    ) -> Result<Response<Bytes>, Reply> {
        let door = &participant.doors["town"];
        participant.exchange((door, "/a"), Method::POST, HeaderMap::new(), None, within).await
    }

    pub(super) fn calling(listener: &TcpListener) -> HttpParticipant {
        calling_all(&[listener])
    }

    /// One service with so many replicas.
    fn calling_all(listeners: &[&TcpListener]) -> HttpParticipant {
        let url = |listener: &&TcpListener| format!("http://{}", listener.local_addr().expect("it listens"));
        let urls: Vec<String> = listeners.iter().map(url).collect();
        let catalogue = serde_json::json!({ "town": { "url": urls } });
        HttpParticipant::new(&serde_json::from_value(catalogue).expect("a catalogue")).expect("TLS")
    }

    /// Reads one request on a new connection.
    pub(super) async fn asked(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        next_request(&mut stream).await;
        stream
    }

    /// Its head.
    pub(super) async fn next_request(stream: &mut TcpStream) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).await.expect("a whole request");
            head.extend(byte);
        }
        String::from_utf8(head).expect("heads are ASCII")
    }

    async fn answered(stream: &mut TcpStream) {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.expect("it listens");
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_made_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let participant = calling(&listener);
        let (mut bell, mut heard) = tokio::io::duplex(1);
        let town = async {
            let mut first = asked(&listener).await;
            answered(&mut first).await;
            next_request(&mut first).await;
            answered(&mut first).await;
            // It is closed only when it lies idle.
            bell.read_exact(&mut [0]).await.expect("the answer has come");
            first.shutdown().await.expect("it is open");
            // The end of the connection has been received when its other side has seen it and closed, too; on this machine that
            // is as soon as it was sent, and the reactor tells of it before it tells of what comes later.
            let later = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let (mut one, mut other) = tokio::join!(
                async { TcpStream::connect(later.local_addr().expect("it listens")).await.expect("a connection") },
                async { later.accept().await.expect("a connection").0 }
            );
            one.write_all(b".").await.expect("it is open");
            other.read_exact(&mut [0]).await.expect("a byte");
            bell.write_all(b".").await.expect("somebody listens");
            let mut second = asked(&listener).await;
            answered(&mut second).await;
        };
        let calls = async {
            assert!(called(&participant).await.is_ok());
            assert!(called(&participant).await.is_ok(), "on the same connection");
            heard.write_all(b".").await.expect("somebody listens");
            heard.read_exact(&mut [0]).await.expect("the bell");
            assert!(called(&participant).await.is_ok(), "on another, since nothing had been sent on the first");
        };
        tokio::join!(town, calls);
    }

    #[tokio::test]
    async fn a_request_that_left_is_lost_with_its_connection_and_never_sent_twice() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let participant = calling(&listener);
        let town = async {
            let mut first = asked(&listener).await;
            answered(&mut first).await;
            next_request(&mut first).await;
        };
        let calls = async {
            assert!(called(&participant).await.is_ok());
            called(&participant).await
        };
        let ((), lost) = tokio::join!(town, calls);
        assert!(matches!(&lost, Err(Reply::Lost { reason }) if reason.contains("closed")), "{lost:?}");
        let again = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(again.is_err(), "nobody asks again");
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let participant = calling(&listener);
        drop(listener);
        let refused = called(&participant).await;
        assert!(matches!(&refused, Err(Reply::NotSent { reason }) if reason.contains("refused")), "{refused:?}");
    }

    #[tokio::test]
    async fn what_one_replica_did_not_get_goes_to_the_next_in_the_same_attempt() {
        let [first, second] = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
        let (first, second) = (first.await.expect("a port"), second.await.expect("a port"));
        let participant = calling_all(&[&first, &second]);
        drop(first);
        let town = async {
            let mut stream = asked(&second).await;
            answered(&mut stream).await;
            let head = next_request(&mut stream).await;
            answered(&mut stream).await;
            head
        };
        let calls = async {
            assert!(called(&participant).await.is_ok());
            assert!(called(&participant).await.is_ok(), "the one that is away is not asked first any more");
        };
        let address = second.local_addr().expect("it listens");
        let (head, ()) = tokio::join!(town, calls);
        assert!(head.contains(&format!("host: {address}")), "its own name: {head}");
    }

    #[tokio::test]
    async fn what_one_replica_may_have_got_goes_to_no_other() {
        let [first, second] = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
        let (first, second) = (first.await.expect("a port"), second.await.expect("a port"));
        let participant = calling_all(&[&first, &second]);
        let (stream, lost) = tokio::join!(async { drop(asked(&first).await) }, called(&participant));
        let () = stream;
        assert!(matches!(lost, Err(Reply::Lost { .. })), "{lost:?}");
        let other = tokio::time::timeout(Duration::from_millis(50), second.accept()).await;
        assert!(other.is_err(), "nobody else is asked");
    }

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
