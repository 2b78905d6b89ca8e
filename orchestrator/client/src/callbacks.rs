//! `/v1/callbacks`: for participants that accept calls and finish them later.

use amends_protocol::{
    participant::{CallbackToken, SAGA_CALLBACK},
    v1::CallbackRequest,
};
use reqwest::Method;

use crate::{Client, ClientError};

impl Client {
    /// Says what came of a call that was accepted, with the token that it brought. `Ok` once that is durable; to be repeated until
    /// it is, or until the answer is a definite no (403, 409, 410).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call_back(&self, token: &CallbackToken, verdict: &CallbackRequest) -> Result<(), ClientError> {
        self.request(Method::POST, &["v1", "callbacks"])
            .secret(SAGA_CALLBACK.as_str(), "the token", token.expose())?
            .json(verdict)
            .done()
            .await
    }
}
