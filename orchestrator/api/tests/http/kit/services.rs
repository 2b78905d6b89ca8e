//! Services that do what the amount in a call's body says.

use std::sync::Mutex;

use amends_core::{Answer, Reply, ids::ServiceName};
use amends_engine::{Forgotten, Participant, Request};
use amends_protocol::participant::CallbackToken;
use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

/// Payments refuses this amount: the saga is compensated.
pub(crate) const NO_FUNDS: u32 = 402;
/// Payments answers this amount only once it is [`Services::release`]d.
pub(crate) const SLOW_CHARGE: u32 = 7;
/// Shipping, the pivot, answers this amount only once it is released.
pub(crate) const SLOW_SHIPMENT: u32 = 8;
/// Shipping answers 503 for ever: attention.
pub(crate) const NO_SHIPMENT: u32 = 503;

pub(crate) struct Services {
    released: watch::Sender<bool>,
    /// Of calls that may be called back, which are all accepted.
    tokens: Mutex<Vec<CallbackToken>>,
}

impl Default for Services {
    fn default() -> Self {
        Self { released: watch::Sender::new(false), tokens: Mutex::default() }
    }
}

impl Services {
    /// Lets go of every slow call, and of those to come.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    /// The tokens that calls brought so far.
    pub(crate) fn tokens(&self) -> Vec<CallbackToken> {
        self.tokens.lock().unwrap().clone()
    }

    async fn until_released(&self) {
        self.released.subscribe().wait_for(|released| *released).await.expect("the sender lives as long");
    }
}

#[async_trait]
impl Participant for Services {
    async fn call(&self, request: Request) -> Reply {
        let body: Value = request.rendered.body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let amount = body["amount"].as_u64().and_then(|amount| u32::try_from(amount).ok()).unwrap_or_default();
        if let Some(token) = request.headers.callback {
            self.tokens.lock().unwrap().push(token);
            return Reply::Answered(Answer { status: 202, ..Answer::default() });
        }
        let (status, said) = match (request.rendered.service.as_str(), amount) {
            ("payments", NO_FUNDS) => (402, r#"{"detail":"insufficient funds"}"#),
            ("shipping", NO_SHIPMENT) => (503, ""),
            ("payments", SLOW_CHARGE) | ("shipping", SLOW_SHIPMENT) => {
                self.until_released().await;
                (200, "{}")
            }
            _ => (200, "{}"),
        };
        Reply::Answered(Answer { status, body: said.into(), ..Answer::default() })
    }

    async fn forget(&self, _: &ServiceName, _: &[Uuid]) -> Forgotten {
        Forgotten::Told
    }
}
