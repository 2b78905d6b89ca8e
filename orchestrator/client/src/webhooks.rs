//! `/v1/webhooks`

use amends_protocol::v1::{WebhookList, WebhookRequest, WebhookView};
use reqwest::Method;
use uuid::Uuid;

use crate::{Client, ClientError};

impl Client {
    /// Has events told to a URL.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_webhook(&self, webhook: &WebhookRequest) -> Result<WebhookView, ClientError> {
        self.request(Method::POST, &["v1", "webhooks"]).json(webhook).ask().await
    }

    /// All webhooks.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn webhooks(&self) -> Result<Vec<WebhookView>, ClientError> {
        let list: WebhookList = self.request(Method::GET, &["v1", "webhooks"]).ask().await?;
        Ok(list.items)
    }

    /// One webhook.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn webhook(&self, id: Uuid) -> Result<WebhookView, ClientError> {
        self.request(Method::GET, &["v1", "webhooks", &id.to_string()]).ask().await
    }

    /// Deletes a webhook.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_webhook(&self, id: Uuid) -> Result<(), ClientError> {
        self.request(Method::DELETE, &["v1", "webhooks", &id.to_string()]).done().await
    }

    /// Tells it nothing until it is resumed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause_webhook(&self, id: Uuid) -> Result<WebhookView, ClientError> {
        self.request(Method::POST, &["v1", "webhooks", &id.to_string(), "pause"]).ask().await
    }

    /// Goes on telling it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume_webhook(&self, id: Uuid) -> Result<WebhookView, ClientError> {
        self.request(Method::POST, &["v1", "webhooks", &id.to_string(), "resume"]).ask().await
    }
}
