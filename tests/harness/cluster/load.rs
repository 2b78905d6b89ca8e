//! Clients that know every node: each start has a key, and is repeated elsewhere until somebody acknowledges it. They put up
//! with nothing but "not now" and silence.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use amends_client::{Client, ClientError, Start};
use anyhow::{Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Cluster;

/// Starts under way at once.
const STARTERS: usize = 8;
/// A start is repeated as long as nodes or their database are away.
const START_BOUND: Duration = Duration::from_secs(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Knows every node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(super) clients: Vec<Client>,
    pub(super) start: Start,
}

/// Why a node did not take a start. There are no other reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 503 with this `Retry-After`.
    Unavailable {
        retry_after: Duration,
    },
    NoAnswer {
        why: String,
    },
}

/// A start that was acknowledged.
#[derive(Clone, Debug)]
pub struct Begun {
    pub saga: Uuid,
    /// It was there already.
    pub replayed: bool,
    /// Tries that came to nothing before, with the node that was asked.
    pub refusals: Vec<(usize, Refusal)>,
}

impl Caller {
    /// Starts a saga at this node first.
    ///
    /// # Errors
    /// A node says no and not just "not now", or nobody takes it within the bound.
    pub async fn start(&self, first: usize, key: &str, input: Value) -> Result<Begun> {
        let mut start = Start { key: Some(key.to_owned()), ..self.start.clone() };
        start.request.input = input;
        let began = Instant::now();
        let mut refusals = Vec::new();
        loop {
            let node = (first + refusals.len()) % self.clients.len();
            match self.clients[node].start(&start).await {
                Ok(answer) => return Ok(Begun { saga: answer.saga.id, replayed: answer.replayed, refusals }),
                Err(error) if began.elapsed() > START_BOUND => bail!("start {key} never came through: {error}"),
                Err(error) => refusals.push((node, refusal(key, error)?)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn refusal(key: &str, error: ClientError) -> Result<Refusal> {
    match error {
        ClientError::Problem { problem, retry_after: Some(retry_after) } if problem.status == 503 => {
            Ok(Refusal::Unavailable { retry_after })
        }
        ClientError::Transport(error) => Ok(Refusal::NoAnswer { why: format!("{error:?}") }),
        other => bail!("start {key} was answered by {other:?}"),
    }
}

/// Starts on their way.
#[derive(Debug)]
pub struct Load {
    begun: Arc<Mutex<Vec<Begun>>>,
    enough: CancellationToken,
    tasks: JoinSet<Result<()>>,
}

impl Load {
    /// Starts at least so many sagas at all nodes in turn, and goes on until it is waited for; each starter one after the other
    /// with `pace` between them. `order` says what the input of each is; `name` tells its keys from those of another load.
    ///
    /// # Errors
    /// There is no TLS to be had.
    pub fn begin(
        cluster: &Cluster,
        name: &'static str,
        sagas: usize,
        pace: Duration,
        order: fn(usize) -> Value,
    ) -> Result<Self> {
        let (next, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (mut tasks, enough) = (JoinSet::new(), CancellationToken::new());
        for _ in 0..STARTERS {
            let (caller, next, begun, enough) = (cluster.caller()?, next.clone(), begun.clone(), enough.clone());
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= sagas && enough.is_cancelled() {
                        return Ok(());
                    }
                    let one = caller.start(number, &format!("{name}-{number}"), order(number)).await?;
                    begun.lock().expect("nobody panics under it").push(one);
                    tokio::time::sleep(pace).await;
                }
            });
        }
        Ok(Self { begun, enough, tasks })
    }

    /// How many have been acknowledged.
    ///
    /// # Panics
    /// Never.
    pub fn acknowledged(&self) -> usize {
        self.begun.lock().expect("nobody panics under it").len()
    }

    /// Waits for the last.
    ///
    /// # Errors
    /// One of them was answered as it must not be.
    ///
    /// # Panics
    /// Never.
    pub async fn all(mut self) -> Result<Vec<Begun>> {
        self.enough.cancel();
        while let Some(starter) = self.tasks.join_next().await {
            starter??;
        }
        Ok(std::mem::take(&mut *self.begun.lock().expect("nobody panics under it")))
    }
}
