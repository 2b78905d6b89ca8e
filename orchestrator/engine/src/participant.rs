//! The door to the services.

use std::{sync::Arc, time::Duration};

use amends_core::{Rendered, Reply, event::Started, ids::ServiceName};
use amends_protocol::participant::CallHeaders;
use async_trait::async_trait;
use uuid::Uuid;

/// One attempt, ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub rendered: Rendered,
    pub headers: CallHeaders,
    /// How its saga began.
    pub started: Arc<Started>,
    /// For everything: connecting, sending, and the whole answer.
    pub timeout: Duration,
}

/// What a participant said to a forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// It is durable there.
    Told,
    /// It has no such thing, and never lets go.
    CannotForget,
    /// It could not be told; to be tried again.
    NotTold { reason: String },
}

/// Carries attempts to services and says what came back. It judges nothing and never retries.
#[async_trait]
pub trait Participant: Send + Sync + 'static {
    /// At most one request on the wire.
    async fn call(&self, request: Request) -> Reply;

    /// Names sagas as ended, from 1 to [`amends_protocol::forget::FORGET_SAGAS_MAX`]. May be repeated.
    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten;
}
