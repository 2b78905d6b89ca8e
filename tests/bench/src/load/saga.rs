//! One saga as bytes on the wire, to whom it may be sent, and what must come back. Made once, sent a million times.
//! Must never know when it is sent.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::line::Line;
use crate::{participant::now_us, town::Saga, wire::request};

/// Who is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// `POST /v1/sagas` with `Prefer: wait, return=minimal`: the answer is how it went, as that of the peers is.
    Amends,
    /// The same without the wait: only the start is driven.
    AmendsStart,
    /// A peer's own door: the ingress of Restate, the handler in front of DBOS.
    Peer,
    /// The participant itself: the calls of the saga, one after the other, through the HTTP client that the orchestrator has.
    Ceiling,
    /// The same calls by the load's own raw client.
    CeilingRaw,
}

/// What stands in a body for the moment a wake-up is due; as long as what replaces it.
const DUE: &str = "1000000000000";
/// What the orchestrator sends with every call, give or take a digit.
const CALL_HEADERS: &str = "idempotency-key: \"01931c5e-8d2f-7c3a-9b1e-0123456789ab:three:action\"\r\nsaga-id: \
    01931c5e-8d2f-7c3a-9b1e-0123456789ab\r\nsaga-name: three\r\nsaga-step: three\r\nsaga-op: \
    action\r\nsaga-attempt: 1\r\nsaga-epoch: 1\r\nuser-agent: amends/0.1.0\r\naccept: */*\r\n";

/// One exchange.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) bytes: Vec<u8>,
    statuses: &'static [u16],
    needle: &'static str,
    /// Where the due time is written, and how much later than now it is.
    due: Option<(usize, u64)>,
}

/// The exchanges that make one saga.
#[derive(Clone, Debug)]
pub(super) struct Script(Vec<Call>);

impl Script {
    pub(super) fn new(target: SocketAddr, kind: Kind, saga: Saga) -> Self {
        let ended = if saga == Saga::Refused { r#""status":"compensated""# } else { r#""status":"completed""# };
        let name = saga.name();
        let start = |headers: &str, statuses, needle| {
            let input = match saga {
                Saga::Sleeper | Saga::Dozer { .. } => format!(r#","input":{{"due_ms":{DUE}}}"#),
                Saga::Three | Saga::Refused => String::new(),
            };
            let body = format!(r#"{{"definition":"{name}"{input}}}"#);
            let bytes = request("POST", target, "/v1/sagas", headers, &body);
            let at = bytes.windows(DUE.len()).position(|window| window == DUE.as_bytes());
            Call { bytes, statuses, needle, due: at.zip(saga.due_ms()) }
        };
        Self(match kind {
            Kind::Amends => vec![start("prefer: wait=60, return=minimal\r\n", &[200], ended)],
            Kind::AmendsStart => vec![start("", &[200, 202], r#""id":""#)],
            Kind::Peer => {
                let bytes = request("POST", target, &format!("/saga/{name}"), "", r#"{"n":1}"#);
                vec![Call { bytes, statuses: &[200], needle: ended, due: None }]
            }
            Kind::CeilingRaw | Kind::Ceiling => calls(target, saga),
        })
    }

    /// Plays it.
    ///
    /// # Errors
    /// The connection breaks, or something else comes back than must.
    pub(super) async fn play(&mut self, line: &mut Line) -> Result<()> {
        for call in &mut self.0 {
            if let Some((at, after_ms)) = call.due {
                let due = (now_us() / 1000 + after_ms).to_string();
                call.bytes[at..at + DUE.len()].copy_from_slice(due.as_bytes());
            }
            let answer = line.exchange(&call.bytes).await?;
            if !call.statuses.contains(&answer.status) || !has(answer.body, call.needle.as_bytes()) {
                let body = String::from_utf8_lossy(answer.body);
                bail!("{} with {:.600}, where {} was to be", answer.status, body, call.needle);
            }
        }
        Ok(())
    }
}

/// What the participant is asked in one saga.
fn calls(target: SocketAddr, saga: Saga) -> Vec<Call> {
    let call = |path: &str, statuses, needle| {
        let body = r#"{"saga":"01931c5e-8d2f-7c3a-9b1e-0123456789ab"}"#;
        Call { bytes: request("POST", target, path, CALL_HEADERS, body), statuses, needle, due: None }
    };
    let done = |path| call(path, &[200], r#""ok":true"#);
    match saga {
        Saga::Refused => {
            let refused = call("/refuse", &[409], "refused");
            vec![done("/one"), done("/two"), refused, done("/two/undo"), done("/one/undo")]
        }
        Saga::Three | Saga::Sleeper | Saga::Dozer { .. } => vec![done("/one"), done("/two"), done("/three")],
    }
}

fn has(body: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    body.iter().enumerate().any(|(at, byte)| byte == first && body[at + 1..].starts_with(rest))
}
