//! A service behind its port, and what may go wrong at the door: a reply that is lost, a reply that is held back.
//!
//! The service itself never notices: it has done its work and committed when the reply gets here.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{Router, body::Body};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A running service.
pub(super) struct Door {
    pub(super) name: &'static str,
    pub(super) url: String,
    mischief: Arc<Mischief>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Mischief {
    /// So many replies to come are lost.
    lose: AtomicU32,
    lost: AtomicU32,
    /// So many replies to come are held.
    hold: AtomicU32,
    held: watch::Sender<u32>,
    /// Held replies go on when it is open.
    open: watch::Sender<bool>,
}

impl Door {
    /// Serves on a free port; `close` runs when it is closed.
    pub(super) async fn open(
        name: &'static str,
        router: Router,
        close: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mischief = Arc::new(Mischief {
            lose: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            hold: AtomicU32::new(0),
            held: watch::Sender::new(0),
            open: watch::Sender::new(true),
        });
        let stop = CancellationToken::new();
        let (told, doing) = (stop.clone(), mischief.clone());
        let task = tokio::spawn(async move {
            told.run_until_cancelled(accept(listener, router, doing)).await;
            close.await;
        });
        Ok(Self { name, url, mischief, stop, task })
    }

    /// The reply to the next call of a saga is lost: the work is done, the connection dies.
    pub(super) fn lose_next_reply(&self) {
        self.mischief.lose.fetch_add(1, Ordering::SeqCst);
    }

    /// How many replies were lost.
    pub(super) fn lost(&self) -> u32 {
        self.mischief.lost.load(Ordering::SeqCst)
    }

    /// The replies to the next `count` calls of sagas are held until [`Door::let_go`].
    pub(super) fn hold_replies(&self, count: u32) {
        self.mischief.open.send_replace(false);
        self.mischief.held.send_replace(0);
        self.mischief.hold.store(count, Ordering::SeqCst);
    }

    /// Returns when `count` replies are held.
    pub(super) async fn holds(&self, count: u32) {
        let mut held = self.mischief.held.subscribe();
        // The sender lives as long as the door.
        let _ = held.wait_for(|held| *held >= count).await;
    }

    pub(super) fn let_go(&self) {
        self.mischief.hold.store(0, Ordering::SeqCst);
        self.mischief.open.send_replace(true);
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, service = self.name, "a service broke down");
        }
    }
}

async fn accept(listener: TcpListener, router: Router, mischief: Arc<Mischief>) -> Infallible {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting failed");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        // Without it small answers wait for the next packet; with an error the connection is gone anyway.
        let _ = stream.set_nodelay(true);
        let (router, mischief) = (router.clone(), mischief.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(router.clone(), mischief.clone(), request));
            let served =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}

async fn answer(
    router: Router,
    mischief: Arc<Mischief>,
    request: Request<Incoming>,
) -> Result<Response<Body>, ReplyLost> {
    let of_saga = request.headers().contains_key("saga-id");
    let reply = match router.oneshot(request).await {
        Ok(reply) => reply,
        Err(never) => match never {},
    };
    if of_saga && take_one(&mischief.lose) {
        mischief.lost.fetch_add(1, Ordering::SeqCst);
        return Err(ReplyLost);
    }
    if of_saga && take_one(&mischief.hold) {
        mischief.held.send_modify(|held| *held += 1);
        let mut open = mischief.open.subscribe();
        // The sender lives as long as the door.
        let _ = open.wait_for(|open| *open).await;
    }
    Ok(reply)
}

fn take_one(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// hyper closes a connection whose service fails, without an answer.
#[derive(Debug)]
struct ReplyLost;

impl fmt::Display for ReplyLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply is lost on purpose")
    }
}

impl std::error::Error for ReplyLost {}
