//! The door to the services.

use std::time::Duration;

use amends_core::{Rendered, Reply};
use amends_protocol::participant::CallHeaders;
use async_trait::async_trait;

/// One attempt, ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub rendered: Rendered,
    pub headers: CallHeaders,
    /// For everything: connecting, sending, and the whole answer.
    pub timeout: Duration,
}

/// Carries attempts to services and says what came back. It judges nothing and never retries.
#[async_trait]
pub trait Participant: Send + Sync + 'static {
    /// At most one request on the wire.
    async fn call(&self, request: Request) -> Reply;
}
