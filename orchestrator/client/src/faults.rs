//! `/v1/faults`, of a server that was started with `--allow-faults`.

use amends_protocol::v1::FaultsView;
use reqwest::Method;

use crate::{Client, ClientError};

const FAULTS: [&str; 2] = ["v1", "faults"];

impl Client {
    /// The plan that is set in the process that answers, and how often each rule fired.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn faults(&self) -> Result<FaultsView, ClientError> {
        self.request(Method::GET, &FAULTS).ask().await
    }

    /// Sets a plan (YAML) in place of the one before.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_faults(&self, plan: &str) -> Result<FaultsView, ClientError> {
        self.request(Method::PUT, &FAULTS).yaml(plan).ask().await
    }

    /// Clears the plan. Answers what there was.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn clear_faults(&self) -> Result<FaultsView, ClientError> {
        self.request(Method::DELETE, &FAULTS).ask().await
    }
}
