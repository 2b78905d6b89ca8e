//! An orchestrator as far as a service that calls back can see one: it takes verdicts, and does not hear the first time.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use amends_protocol::v1::CallbackRequest;
use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

/// Listens as long as it lives.
pub(crate) struct Orchestrator {
    told: Arc<Told>,
    serving: JoinHandle<()>,
}

/// What was said with each token.
#[derive(Default)]
struct Told {
    by_token: Mutex<BTreeMap<String, Vec<Said>>>,
    came: Notify,
}

/// One callback.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Or why it is none.
    pub(crate) verdict: Result<CallbackRequest, String>,
}

impl Orchestrator {
    /// # Errors
    /// The address is taken.
    pub(crate) async fn listen(at: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(at)
            .await
            .with_context(|| format!("async.listen: cannot listen at {at} for callbacks"))?;
        let told = Arc::new(Told::default());
        let router = Router::new().route("/v1/callbacks", post(hear)).with_state(told.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "callbacks cannot be heard any more");
            }
        });
        Ok(Self { told, serving })
    }

    /// What was said with this token so far.
    pub(crate) fn said(&self, token: &str) -> Vec<Said> {
        let told = self.told.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(token).cloned().unwrap_or_default()
    }

    /// The same, once there are so many, or the time is over.
    pub(crate) async fn said_times(&self, token: &str, times: usize, within: Duration) -> Vec<Said> {
        let enough = async {
            loop {
                let came = self.told.came.notified();
                if self.said(token).len() >= times {
                    return;
                }
                came.await;
            }
        };
        // Whether it was in time is seen in what is there.
        let _ = tokio::time::timeout(within, enough).await;
        self.said(token)
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The first time nobody hears; from then on it is durable.
async fn hear(State(told): State<Arc<Told>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(token) = headers.get("saga-callback").and_then(|token| token.to_str().ok()) else {
        return StatusCode::FORBIDDEN;
    };
    let verdict = serde_json::from_slice(&body)
        .map_err(|error| format!("{error}: {}", crate::style::tame(&String::from_utf8_lossy(&body), 300)));
    let mut by_token = told.by_token.lock().unwrap_or_else(PoisonError::into_inner);
    let said = by_token.entry(token.to_owned()).or_default();
    said.push(Said { verdict });
    let times = said.len();
    drop(by_token);
    told.came.notify_waiters();
    if times == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}
