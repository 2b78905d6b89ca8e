//! What came back from the service.
//!
//! **It must never know** what was asked.

use amends_protocol::participant::{SAGA_ACK, SAGA_REFUSED};
use reqwest::{RequestBuilder, header::ALLOW};
use serde_json::Value;

use super::bench::{Checked, broken};
use crate::style::tame;

/// Longer answers are no participant's.
const ANSWER_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// So much of a body is shown.
pub(super) const SHOWN_CHARS: usize = 300;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) ack: Option<String>,
    pub(crate) refused: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Anything else means *perhaps*.
    pub(crate) fn is_definite(&self) -> bool {
        self.refused.is_none() && (self.is_success() || self.is_rejection())
    }

    pub(crate) fn is_rejection(&self) -> bool {
        (400..500).contains(&self.status) && ![408, 425, 429].contains(&self.status)
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Status and bytes: what a replay must repeat.
    pub(crate) fn said(&self) -> (u16, String) {
        (self.status, String::from_utf8_lossy(&self.body).into_owned())
    }

    /// # Errors
    /// It is no 2xx.
    pub(crate) fn succeeded(&self, what: &str) -> Checked {
        if self.is_success() { Ok(()) } else { Err(broken(what, "2xx", self.told())) }
    }

    /// # Errors
    /// It is not what a call hears that comes after its compensation.
    pub(crate) fn already_compensated(&self, what: &str) -> Checked {
        let so = self.status == 409 && self.refused.is_none();
        if so { Ok(()) } else { Err(broken(what, "409 without Saga-Refused: already compensated", self.told())) }
    }

    /// # Errors
    /// It is no refusal with this word.
    pub(crate) fn refused_as(&self, what: &str, status: u16, word: &str) -> Checked {
        let so = self.status == status && self.refused.as_deref() == Some(word) && self.ack.is_none();
        let expected = format!("{status} with Saga-Refused: {word} and without Saga-Ack");
        if so { Ok(()) } else { Err(broken(what, expected, self.told())) }
    }

    pub(crate) fn told(&self) -> String {
        let mut told = self.status.to_string();
        for (name, value) in [("Saga-Ack", &self.ack), ("Saga-Refused", &self.refused), ("Allow", &self.allow)] {
            if let Some(value) = value {
                told.push_str(&format!("   {name}: {}", tame(value, SHOWN_CHARS)));
            }
        }
        let body = String::from_utf8_lossy(&self.body);
        if !body.is_empty() {
            told.push('\n');
            told.push_str(&tame(&body, SHOWN_CHARS));
        }
        told
    }
}

/// # Errors
/// There is no whole answer.
pub(super) async fn hear(request: RequestBuilder) -> Result<Heard, String> {
    let explain = |error: reqwest::Error| format!("no whole answer: {:#}", anyhow::Error::new(error.without_url()));
    let mut response = request.send().await.map_err(explain)?;
    let header =
        |name: &str| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let (ack, refused, allow) = (header(SAGA_ACK.as_str()), header(SAGA_REFUSED.as_str()), header(ALLOW.as_str()));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(explain)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT_BYTES {
            return Err(format!("an answer of more than {ANSWER_LIMIT_BYTES} bytes"));
        }
    }
    Ok(Heard { status, ack, refused, allow, body })
}
