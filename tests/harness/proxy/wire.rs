//! The wire's own log: what came by, when, and what became of it. One of the checker's three sources.

use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};

use super::http::{Request, Response};
use crate::words::SagaCall;

/// One request that reached a participant's door.
#[derive(Clone, Debug, PartialEq)]
pub struct WireRequest {
    pub service: String,
    pub call: SagaCall,
    pub attempt: u32,
    pub epoch: u64,
    /// Of method, path and body, computed as the journal's is.
    pub digest: String,
    /// The request itself, so that it can be compared with what was planned.
    pub sent: Sent,
    /// Microseconds since 1970 at the first byte.
    pub arrived_at: i64,
    /// Whether the journal held this attempt's intent when its first byte was here; `None`: nobody looked.
    pub intent_seen: Option<bool>,
    /// What was done to it, if anything.
    pub suffered: Option<String>,
    /// What went on to the participant, in the order in which it was sent.
    pub copies: Vec<Copied>,
    /// The status that went back, if one did.
    pub answered: Option<u16>,
}

/// A request as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    pub path: String,
    /// In order of their names.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Sent {
    pub(super) fn of(request: &Request) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = request.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
        let mut headers: Vec<_> = headers.collect();
        headers.sort();
        let (method, path, body) = (request.method.clone(), request.path.clone(), text(&request.body));
        Self { method, path, headers, body }
    }
}

/// One copy that was sent to the participant.
#[derive(Clone, Debug, PartialEq)]
pub struct Copied {
    pub sent_at: i64,
    /// `None` until it has answered, and for ever if it died.
    pub answer: Option<Answered>,
}

/// What a participant answered to one copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub acked: bool,
    /// The word of `saga-refused`.
    pub refused: Option<String>,
    pub body: String,
    /// Microseconds since 1970 at its last byte.
    pub at: i64,
}

impl Answered {
    pub(super) fn of(response: &Response) -> Self {
        let body = response.bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
        let refused = response.headers.get("saga-refused").and_then(|word| word.to_str().ok());
        Self {
            status: response.status,
            acked: response.headers.contains_key("saga-ack"),
            refused: refused.map(str::to_owned),
            body: String::from_utf8_lossy(&response.bytes[body..]).into_owned(),
            at: crate::words::now(),
        }
    }
}

/// The digest of a request, each part closed by a zero byte so that their borders count.
pub(super) fn digest(request: &Request) -> String {
    let mut hash = Sha256::new();
    for part in [request.method.as_bytes(), request.path.as_bytes(), &request.body] {
        hash.update(part);
        hash.update(b"\0");
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything that came by one proxy.
#[derive(Clone, Debug, Default)]
pub(super) struct WireLog(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    requests: Vec<WireRequest>,
    /// Requests that name a saga but do not follow the contract.
    unreadable: Vec<String>,
}

/// A place in the log.
#[derive(Clone, Debug)]
pub(super) struct Line {
    log: WireLog,
    at: usize,
}

impl WireLog {
    pub(super) fn push(&self, request: WireRequest) -> Line {
        let mut log = self.lock();
        log.requests.push(request);
        Line { log: self.clone(), at: log.requests.len() - 1 }
    }

    pub(super) fn push_unreadable(&self, why: String) {
        self.lock().unreadable.push(why);
    }

    pub(super) fn requests(&self) -> Vec<WireRequest> {
        self.lock().requests.clone()
    }

    pub(super) fn unreadable(&self) -> Vec<String> {
        self.lock().unreadable.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("invariant: nobody panics under this lock")
    }
}

impl Line {
    pub(super) fn answered(&self, status: u16) {
        self.log.lock().requests[self.at].answered = Some(status);
    }

    /// A copy goes out now; answers which one it is.
    pub(super) fn sent(&self) -> usize {
        let copies = &mut self.log.lock().requests[self.at].copies;
        copies.push(Copied { sent_at: crate::words::now(), answer: None });
        copies.len() - 1
    }

    pub(super) fn copy_answered(&self, copy: usize, answer: Answered) {
        self.log.lock().requests[self.at].copies[copy].answer = Some(answer);
    }
}
