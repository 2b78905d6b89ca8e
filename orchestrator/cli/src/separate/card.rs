//! What a service says about itself, at `/.well-known/amends-participant`.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect::Policy};
use serde::Deserialize;
use url::Url;

const PATH: &str = "/.well-known/amends-participant";
const TIMEOUT: Duration = Duration::from_secs(10);
/// A card has a few hundred bytes; what is longer is none.
const CARD_LIMIT_BYTES: usize = 64 * 1024;

/// Fields of later versions are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Card {
    pub(super) kind: String,
    pub(super) contract: u32,
    pub(super) barrier: bool,
    pub(super) fingerprint: String,
}

pub(super) enum Asked {
    Answered(Card),
    /// Somebody is there, and shows none.
    NoCard(String),
    Unreachable(String),
}

pub(super) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build()?)
}

pub(super) async fn ask(http: &Client, service: &Url) -> Asked {
    let address = format!("{}{PATH}", service.as_str().trim_end_matches('/'));
    let mut answer = match http.get(address).send().await {
        Ok(answer) => answer,
        Err(error) => {
            return Asked::Unreachable(format!("it does not answer: {:#}", anyhow::Error::new(error.without_url())));
        }
    };
    let status = answer.status();
    if status.is_server_error() {
        return Asked::Unreachable(format!("it answers {status}"));
    }
    if status != StatusCode::OK {
        return Asked::NoCard(format!("it shows no card: it answers {status}"));
    }
    let mut body = vec![];
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= CARD_LIMIT_BYTES => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Asked::NoCard("what it shows is too long for a card".to_owned()),
            Ok(None) => break,
            Err(error) => return Asked::Unreachable(format!("its answer broke off: {}", error.without_url())),
        }
    }
    match serde_json::from_slice(&body) {
        Ok(card) => Asked::Answered(card),
        Err(error) => Asked::NoCard(format!("what it shows is no card: {error}")),
    }
}
