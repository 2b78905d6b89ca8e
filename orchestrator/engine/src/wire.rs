//! Connections to one service: made when needed, kept between two calls.
//!
//! hyper speaks HTTP/1.1 on them. Who polls them is decided here: the very task that waits for the answer. The pooled client
//! above hyper gives each connection a task of its own and each call two channels to it; under load that was a sixth of the
//! whole process's CPU, and in a lone saga six switches between tasks.
//!
//! **What it must never know:** what is sent, and what an answer means.

#![expect(clippy::vec_box, reason = "a connection is over a thousand bytes, and goes from hand to hand with each call")]

use std::{
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use amends_core::definition::limits::ANSWER_BYTES;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

/// Idle connections are given up before common servers close them (nginx 75 s, Node 5 s would still race, and a race is
/// only an unknown).
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const CLOSED_EARLY: &str = "the connection was closed before the answer came";

pub(crate) type Connector = HttpsConnector<HttpConnector>;

type Sent = Request<Full<Bytes>>;

/// A connection. At most one request is on it. It is large, and handed around in its box.
pub(crate) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    line: Connection<MaybeHttpsStream<TokioIo<TcpStream>>, Full<Bytes>>,
    idle_since: Instant,
}

/// Why there is no answer.
pub(crate) enum Broken {
    /// No byte of the request left; here it is again.
    NotSent(Box<Sent>),
    /// It left, or may have.
    Lost(String),
}

impl Wire {
    /// DNS, TCP and TLS.
    ///
    /// # Errors
    /// The innermost cause; no byte of a request left.
    pub(crate) async fn connect(connector: &Connector, to: Uri) -> Result<Box<Self>, String> {
        let stream = connector.clone().oneshot(to).await.map_err(|error| innermost(&*error))?;
        let (sender, line) = http1::handshake(stream).await.map_err(|error| innermost(&error))?;
        Ok(Box::new(Self { sender, line, idle_since: Instant::now() }))
    }

    /// Whether the other side has kept it open. Nobody is woken by it meanwhile.
    fn is_open(&mut self) -> bool {
        Pin::new(&mut self.line).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// One request and its whole answer; and the connection, if another may follow on it.
    pub(crate) async fn exchange(
        self: Box<Self>,
        request: Sent,
    ) -> (Result<Response<Bytes>, Broken>, Option<Box<Self>>) {
        let mut wire = self;
        let mut closed = false;
        let sending = wire.sender.try_send_request(request);
        let outcome = {
            let mut answer = pin!(async {
                let response = sending.await.map_err(|mut error| match error.take_message() {
                    Some(request) => Broken::NotSent(Box::new(request)),
                    None => Broken::Lost(lost(error.error())),
                })?;
                whole(response).await.map_err(Broken::Lost)
            });
            let mut line = Pin::new(&mut wire.line);
            poll_fn(|cx| {
                // Whatever the answer waits for comes from the line.
                if !closed {
                    closed = line.as_mut().poll(cx).is_ready();
                }
                match answer.as_mut().poll(cx) {
                    Poll::Pending if closed => Poll::Ready(Err(Broken::Lost(CLOSED_EARLY.to_owned()))),
                    polled => polled,
                }
            })
            .await
        };
        wire.idle_since = Instant::now();
        let again = !closed && outcome.is_ok();
        (outcome, again.then_some(wire))
    }
}

/// Connections between two calls, the one used last at the end.
#[derive(Default)]
pub(crate) struct Idle(Mutex<Vec<Box<Wire>>>);

impl Idle {
    fn lock(&self) -> MutexGuard<'_, Vec<Box<Wire>>> {
        // Every section only moves values in and out: after a panic the list is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one used last that is still open.
    pub(crate) fn take(&self) -> Option<Box<Wire>> {
        loop {
            let mut wire = self.lock().pop()?;
            if wire.idle_since.elapsed() < IDLE_TIMEOUT && wire.is_open() {
                return Some(wire);
            }
        }
    }

    pub(crate) fn put(&self, wire: Box<Wire>) {
        self.lock().push(wire);
    }

    /// Closes those that have been idle for too long.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.lock();
        let stale = idle.partition_point(|wire| now.duration_since(wire.idle_since) >= IDLE_TIMEOUT);
        let gone: Vec<Box<Wire>> = idle.drain(..stale).collect();
        drop(idle);
        drop(gone);
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

/// What happened to a request that may have left.
fn lost(error: &hyper::Error) -> String {
    if error.is_incomplete_message() { CLOSED_EARLY.to_owned() } else { innermost(error) }
}

/// The innermost cause says most: "connection refused" rather than "error sending request".
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
