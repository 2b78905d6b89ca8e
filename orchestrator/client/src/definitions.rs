//! `/v1/definitions`.

use amends_protocol::v1::{CheckAnswer, DefinitionView, DiffAnswer, Page, RegisterAnswer};
use reqwest::Method;

use crate::{Client, ClientError};

impl Client {
    /// Registers a definition under the name it has in its text.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn register(&self, source: &str) -> Result<RegisterAnswer, ClientError> {
        self.request(Method::POST, &["v1", "definitions"]).yaml(source).ask().await
    }

    /// Checks a definition against the server's catalogue, and registers nothing.
    ///
    /// # Errors
    /// See [`ClientError`]; what is wrong with the definition is no error but the answer.
    pub async fn check(&self, source: &str) -> Result<CheckAnswer, ClientError> {
        self.request(Method::POST, &["v1", "definitions", "check"]).yaml(source).ask().await
    }

    /// A page of definitions, each in its highest version, by name.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn definitions(
        &self,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<DefinitionView>, ClientError> {
        self.query(Method::GET, &["v1", "definitions"], &paging(limit, cursor)).ask().await
    }

    /// A definition with its text; without a version the highest.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn definition(&self, name: &str, version: Option<u32>) -> Result<DefinitionView, ClientError> {
        let version = version.map(|version| version.to_string());
        let mut segments = vec!["v1", "definitions", name];
        if let Some(version) = &version {
            segments.extend(["versions", version.as_str()]);
        }
        self.request(Method::GET, &segments).ask().await
    }

    /// Says whether a version takes new starts.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_disabled(&self, name: &str, version: u32, disabled: bool) -> Result<DefinitionView, ClientError> {
        let (version, word) = (version.to_string(), if disabled { "disable" } else { "enable" });
        self.request(Method::POST, &["v1", "definitions", name, "versions", &version, word]).ask().await
    }

    /// Deletes a version with which no saga was started that is still kept. Answers with what it was.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_definition(&self, name: &str, version: u32) -> Result<DefinitionView, ClientError> {
        self.request(Method::DELETE, &["v1", "definitions", name, "versions", &version.to_string()]).ask().await
    }

    /// What two versions of a definition differ in.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn diff(&self, name: &str, from: u32, to: u32) -> Result<DiffAnswer, ClientError> {
        let versions = [("from", from.to_string()), ("to", to.to_string())];
        self.query(Method::GET, &["v1", "definitions", name, "diff"], &versions).ask().await
    }

    /// A page of a definition's versions, highest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn versions(
        &self,
        name: &str,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<DefinitionView>, ClientError> {
        self.query(Method::GET, &["v1", "definitions", name, "versions"], &paging(limit, cursor)).ask().await
    }
}

fn paging(limit: Option<u32>, cursor: Option<&str>) -> Vec<(&'static str, String)> {
    let limit = limit.map(|limit| ("limit", limit.to_string()));
    let cursor = cursor.map(|cursor| ("cursor", cursor.to_owned()));
    limit.into_iter().chain(cursor).collect()
}
