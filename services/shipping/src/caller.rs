//! Calls the orchestrator back. Where it is, this service's configuration says: an address that came with a call could be anybody's.
//!
//! **What it must never know:** what a verdict is about.

use std::time::Duration;

use amends_barrier::due::{Due, Told};
use reqwest::{Client, redirect::Policy};
use url::Url;

/// For one callback; an orchestrator that is slower is asked again.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Caller {
    http: Client,
    callbacks: Url,
}

impl Caller {
    pub(crate) fn new(orchestrator: &Url) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build()?;
        let below = orchestrator.as_str().trim_end_matches('/');
        Ok(Self { http, callbacks: Url::parse(&format!("{below}/v1/callbacks"))? })
    }

    /// One try. What fails is told again.
    pub(crate) async fn tell(&self, due: &Due) -> Told {
        let (saga, step) = (due.action.saga, due.action.step.as_str());
        let (name, value) = match due.header() {
            Ok(header) => header,
            Err(error) => {
                tracing::error!(saga.id = %saga, step, %error, "this verdict can never be told");
                return Told::Heard;
            }
        };
        match self.http.post(self.callbacks.clone()).header(name, value).json(&due.verdict).send().await {
            Ok(answer) => {
                let (status, told) = (answer.status(), Told::of(answer.status()));
                tracing::debug!(saga.id = %saga, step, status = status.as_u16(), "called back");
                told
            }
            Err(error) => {
                tracing::debug!(saga.id = %saga, step, error = %error.without_url(), "cannot call back now; trying again");
                Told::Perhaps
            }
        }
    }
}
