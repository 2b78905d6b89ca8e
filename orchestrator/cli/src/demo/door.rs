//! A service behind its port, and what may go wrong at the door: a reply that is lost, a reply that is held back.
//!
//! The service itself never notices: it has done its work and committed when the reply gets here.

use std::{
    collections::HashSet,
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
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
    /// Its store, in words.
    pub(super) store: String,
    mischief: Arc<Mischief>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Mischief {
    /// So many replies to come are lost.
    lose: AtomicU32,
    lost: AtomicU32,
    /// Of so many sagas every reply is held, whichever come first.
    hold: Mutex<Hold>,
    held: watch::Sender<usize>,
    /// Held replies go on when it is open.
    open: watch::Sender<bool>,
}

#[derive(Default)]
struct Hold {
    sagas_max: usize,
    sagas: HashSet<String>,
}

impl Door {
    /// Serves on a free port; `close` runs when it is closed.
    pub(super) async fn open(
        name: &'static str,
        store: String,
        router: Router,
        close: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mischief = Arc::new(Mischief {
            lose: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            hold: Mutex::default(),
            held: watch::Sender::new(0),
            open: watch::Sender::new(true),
        });
        let stop = CancellationToken::new();
        let (told, doing) = (stop.clone(), mischief.clone());
        let task = tokio::spawn(async move {
            told.run_until_cancelled(accept(listener, router, doing)).await;
            close.await;
        });
        Ok(Self { name, url, store, mischief, stop, task })
    }

    /// The reply to the next call of a saga is lost: the work is done, the connection dies.
    pub(super) fn lose_next_reply(&self) {
        self.mischief.lose.fetch_add(1, Ordering::SeqCst);
    }

    /// How many replies were lost.
    pub(super) fn lost(&self) -> u32 {
        self.mischief.lost.load(Ordering::SeqCst)
    }

    /// Every reply to the next `sagas` sagas that call is held until [`Door::let_go`], also when they ask again.
    pub(super) fn hold_replies(&self, sagas: usize) {
        self.mischief.open.send_replace(false);
        self.mischief.held.send_replace(0);
        *self.mischief.hold() = Hold { sagas_max: sagas, sagas: HashSet::new() };
    }

    /// Returns when replies to so many sagas are held.
    pub(super) async fn holds(&self, sagas: usize) {
        let mut held = self.mischief.held.subscribe();
        // The sender lives as long as the door.
        let _ = held.wait_for(|held| *held >= sagas).await;
    }

    pub(super) fn let_go(&self) {
        *self.mischief.hold() = Hold::default();
        self.mischief.open.send_replace(true);
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, service = self.name, "a service broke down");
        }
    }
}

impl Mischief {
    fn hold(&self) -> std::sync::MutexGuard<'_, Hold> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the reply to this saga is held, and how many sagas are.
    fn holds(&self, saga: &str) -> Option<usize> {
        let mut hold = self.hold();
        let room = hold.sagas.len() < hold.sagas_max;
        if !hold.sagas.contains(saga) && !room {
            return None;
        }
        hold.sagas.insert(saga.to_owned());
        Some(hold.sagas.len())
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
    let saga = request.headers().get("saga-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let reply = match router.oneshot(request).await {
        Ok(reply) => reply,
        Err(never) => match never {},
    };
    let Some(saga) = saga else { return Ok(reply) };
    if take_one(&mischief.lose) {
        mischief.lost.fetch_add(1, Ordering::SeqCst);
        return Err(ReplyLost);
    }
    if let Some(held) = mischief.holds(&saga) {
        mischief.held.send_replace(held);
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
