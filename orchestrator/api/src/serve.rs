//! Connections: accepted, bounded in number, in time and in size, and let go of in good order.
//!
//! Why not `axum::serve`: it installs no timer, so that a client which never ends its headers holds a connection for ever.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What connections may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// At once; the others wait in the listener's queue.
    pub max_connections: usize,
    /// From the moment a request may come until its headers are there; also how long an idle connection is kept.
    pub header_timeout: Duration,
    /// Request line and headers. Not below 8 KiB.
    pub max_header_bytes: usize,
}

impl Default for Connections {
    fn default() -> Self {
        Self { max_connections: 10_000, header_timeout: Duration::from_secs(10), max_header_bytes: 16 * 1024 }
    }
}

/// After an accept that failed for want of something (file descriptors): not in a busy loop.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Serves until `stop`; then takes no more connections, lets requests in flight be answered for at most `drain`, and cuts
/// what is left.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken, drain: Duration) {
    serve_with(listener, app, stop, drain, Connections::default()).await;
}

/// The same with other limits.
pub async fn serve_with(
    listener: TcpListener,
    app: Router,
    stop: CancellationToken,
    drain: Duration,
    limits: Connections,
) {
    let http = http(limits);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let (open, cut) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("invariant: nobody closes the semaphore");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                let connection = connection(http.clone(), socket, app.clone(), stop.clone(), cut.clone());
                open.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(drain, open.wait()).await.is_err() {
        tracing::warn!(connections = open.len(), "requests were still in flight when the time to finish was over");
        cut.cancel();
        open.wait().await;
    }
}

fn http(limits: Connections) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).max_buf_size(limits.max_header_bytes);
    http
}

async fn connection(
    http: http1::Builder,
    socket: TcpStream,
    app: Router,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let service = TowerToHyperService::new(tower::ServiceBuilder::new().map_request(boxed).service(app));
    let mut served = pin!(http.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        () = stop.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served => ended,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        // Mostly callers that went away; what happened to their request is logged with it.
        tracing::debug!(%error, "a connection ended early");
    }
}

fn boxed(request: http::Request<hyper::body::Incoming>) -> http::Request<Body> {
    request.map(Body::new)
}

/// Errors of one connection, which say nothing about the next.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
