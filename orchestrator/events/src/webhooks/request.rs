//! One event told once: a signed request, and what came of it.

use std::time::Duration;

use amends_core::time::Time;
use amends_protocol::v1::EventView;
use http::{StatusCode, header};
use reqwest::redirect;

use super::Kept;
use crate::{
    Secrets,
    signature::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP},
};

/// For a connection, and for the whole answer. Whoever has more to do says so first and does it later.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A CloudEvent in structured mode.
pub(super) const CLOUD_EVENT: &str = "application/cloudevents+json";

pub(super) struct Sender(reqwest::Client);

/// Why an event counts as not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// The receiver wants to be asked again then.
    pub(super) again_after: Option<Duration>,
    /// The receiver wants to be told nothing any more.
    pub(super) gone: bool,
}

impl Sender {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        reqwest::Client::builder()
            // Where it leads is written down in the configuration, and not in an answer.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .user_agent(concat!("amends/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
    }

    pub(super) async fn tell(
        &self,
        webhook: &Kept,
        secrets: &Secrets,
        event: &EventView,
        now: Time,
    ) -> Result<(), Failure> {
        let failure = |reason: String| Failure { reason, again_after: None, gone: false };
        let body = serde_json::to_vec(event).expect("invariant: an event can be written");
        let timestamp_s = now.0.div_euclid(1_000_000);
        let signature = secrets
            .sign(&webhook.secrets, &event.id, timestamp_s, &body)
            .ok_or_else(|| failure("the configuration of this node lacks one of its secrets".to_owned()))?;
        let sent = self
            .0
            .post(&webhook.url)
            .header(header::CONTENT_TYPE, CLOUD_EVENT)
            .header(WEBHOOK_ID, &event.id)
            .header(WEBHOOK_TIMESTAMP, timestamp_s)
            .header(WEBHOOK_SIGNATURE, signature)
            .body(body)
            .send()
            .await;
        let answer = sent.map_err(|error| failure(words(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let again_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Err(Failure {
            reason: format!("it answered {status}"),
            again_after: again_after.map(Duration::from_secs),
            gone: status == StatusCode::GONE,
        })
    }
}

/// Without the URL, which may have something in it that is not for everybody.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "nobody answers there".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}
