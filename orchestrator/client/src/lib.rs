//! A typed client of `/v1`.
//!
//! Why it exists: the CLI, the tests and anybody's Rust program ask the same questions; here they are functions. Who
//! calls it: `cli`, `tests`.
//!
//! **What it must never know:** what a saga decides, how it is stored, or any other crate of the orchestrator than
//! `protocol`. It repeats nothing by itself: whether a request may be repeated is the caller's to know (a start with a key
//! may, one without may not).

mod callbacks;
mod definitions;
mod error;
mod events;
mod faults;
mod http;
mod sagas;
mod webhooks;

use std::time::Duration;

use amends_protocol::v1::{Live, Ready, Version};
use reqwest::{Method, Url, redirect};

pub use error::ClientError;
pub use events::{EventStream, Events, Message};
pub use sagas::{List, Signal, Start, StartAnswer};

/// How long the client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For a whole answer; what a request asks the server to wait comes on top.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), answer: Duration::from_secs(30) }
    }
}

/// Asks one server. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    timeouts: Timeouts,
}

impl Client {
    /// A client of the server at `base`, e.g. `http://127.0.0.1:7070`.
    ///
    /// # Errors
    /// `base` is no `http://` or `https://` URL, or there is no TLS to be had.
    pub fn new(base: &str) -> Result<Self, ClientError> {
        Self::with_timeouts(base, Timeouts::default())
    }

    /// The same, with other patience.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_timeouts(base: &str, timeouts: Timeouts) -> Result<Self, ClientError> {
        let refuse = |why: &str| ClientError::BaseUrl { url: base.to_owned(), why: why.to_owned() };
        let url = Url::parse(base).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("write http://host:port or https://host"));
        }
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(timeouts.connect)
            .user_agent(concat!("amends/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError::Transport)?;
        Ok(Self { http, base: url, timeouts })
    }

    /// Whether the process runs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn livez(&self) -> Result<Live, ClientError> {
        self.request(Method::GET, &["livez"]).ask().await
    }

    /// Whether the server takes starts; a server that does not answers with a problem.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn readyz(&self) -> Result<Ready, ClientError> {
        self.request(Method::GET, &["readyz"]).ask().await
    }

    /// Which server it is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.request(Method::GET, &["version"]).ask().await
    }
}
