//! On what terms events are streamed, and what else the world outside is told by.

use std::{sync::Arc, time::Duration};

use amends_engine::Engine;
use amends_events::{Sources, WebhookTerms, Webhooks};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How the world outside hears of sagas, and starts them.
#[derive(Clone, Debug)]
pub struct Outside {
    pub streams: Streams,
    pub webhooks: Webhooks,
    /// Whose events start sagas.
    pub sources: Sources,
}

impl Outside {
    /// On the terms of a configuration that says nothing: no webhook is allowed.
    pub(crate) fn of(engine: &Engine) -> Self {
        let clock = engine.clone();
        let webhooks = Webhooks::new(engine.store().clone(), WebhookTerms::default(), move || clock.now());
        Self {
            streams: Streams::default(),
            webhooks: webhooks.expect("invariant: there is TLS to be had"),
            sources: Sources::default(),
        }
    }
}

/// The streams of a server. Clones are the same.
#[derive(Clone, Debug)]
pub struct Streams {
    /// What events say of who tells them.
    pub source: Arc<str>,
    /// At once; one more is refused.
    max: usize,
    /// Between two messages on a quiet stream: so that both sides notice when the other is gone.
    pub heartbeat_every: Duration,
    /// A reader that has taken nothing for so long is let go.
    pub slow_after: Duration,
    places: Arc<Semaphore>,
}

impl Streams {
    /// At most `max` at once.
    pub fn new(source: Arc<str>, max: usize) -> Self {
        Self {
            source,
            max,
            heartbeat_every: Duration::from_secs(15),
            slow_after: Duration::from_secs(30),
            places: Arc::new(Semaphore::new(max)),
        }
    }

    /// A place for one more, as long as it is kept.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, usize> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| self.max)
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.max - self.places.available_permits()
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self::new("/amends".into(), 64)
    }
}
