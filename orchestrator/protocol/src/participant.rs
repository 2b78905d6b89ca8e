//! The participant contract: what the orchestrator sends with every call, and what it reads in the answer.
//! `docs/participant.md` tells the same to people who write a participant in another language.

use std::{fmt, str::FromStr};

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// `"<saga>:<step>[:<index>]:<op>"`, a quoted string (draft-ietf-httpapi-idempotency-key-header). The same for every attempt.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The saga's id, a UUID.
pub const SAGA_ID: HeaderName = HeaderName::from_static("saga-id");
/// The name of the saga's definition.
pub const SAGA_NAME: HeaderName = HeaderName::from_static("saga-name");
/// The step's name.
pub const SAGA_STEP: HeaderName = HeaderName::from_static("saga-step");
/// `action`, `compensate` or `probe`.
pub const SAGA_OP: HeaderName = HeaderName::from_static("saga-op");
/// Counts the attempts of one call from 1.
pub const SAGA_ATTEMPT: HeaderName = HeaderName::from_static("saga-attempt");
/// The fencing number: a participant refuses calls below the highest it has seen for this saga.
pub const SAGA_EPOCH: HeaderName = HeaderName::from_static("saga-epoch");
/// RFC 3339 end of the forward path. Not on compensations, not after the pivot.
pub const SAGA_DEADLINE: HeaderName = HeaderName::from_static("saga-deadline");
/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Proves whoever calls back to have been asked: sent with every attempt of an `async` step, and given back with the verdict.
/// A secret of the two: in no URL, in no log.
pub const SAGA_CALLBACK: HeaderName = HeaderName::from_static("saga-callback");
/// In an answer: the key it stands for. A definite answer of a barrier participant carries it.
pub const SAGA_ACK: HeaderName = HeaderName::from_static("saga-ack");
/// In an answer that is no outcome: [`Refused`] as a word.
pub const SAGA_REFUSED: HeaderName = HeaderName::from_static("saga-refused");

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Action,
    Compensate,
    /// Asks whether the action was applied; changes nothing.
    Probe,
}

impl Op {
    /// The word in `Saga-Op`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Compensate => "compensate",
            Self::Probe => "probe",
        }
    }
}

/// Answers of a barrier that are not outcomes: they say nothing about whether the call happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 409: a higher epoch has been seen for this saga.
    StaleEpoch,
    /// 422: the same key came with another body before.
    OtherBody,
}

impl Refused {
    /// The word in `Saga-Refused`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaleEpoch => "stale-epoch",
            Self::OtherBody => "other-body",
        }
    }

    /// The word read back; anything else is `None`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "stale-epoch" => Some(Self::StaleEpoch),
            "other-body" => Some(Self::OtherBody),
            _ => None,
        }
    }
}

/// What a callback is made with. Whoever has it may say what came of the call, so it is shown to nobody: neither its text nor
/// its `Debug` has it.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackToken(String);

impl CallbackToken {
    /// Longer than any that is given out.
    pub const LIMIT_BYTES: usize = 512;

    /// `None`: it can be none.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text: String = text.into();
        let fits = (1..=Self::LIMIT_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then_some(Self(text))
    }

    /// The token itself, to be kept or sent.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As a header that loggers know not to show.
    ///
    /// # Errors
    /// Never for what [`Self::new`] takes.
    pub fn header(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&self.0)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// From a request, if it has one.
    ///
    /// # Errors
    /// [`BadHeaders`]: it can be none, or there are several.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, BadHeaders> {
        let bad = || BadHeaders { header: SAGA_CALLBACK, expected: "one token" };
        let mut values = headers.get_all(SAGA_CALLBACK).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(bad());
        }
        value.to_str().ok().and_then(Self::new).map(Some).ok_or_else(bad)
    }
}

impl fmt::Debug for CallbackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackToken(…)")
    }
}

/// The idempotency key of a call, without quotes.
pub fn key(saga: Uuid, step: &str, index: Option<u32>, op: &str) -> String {
    match index {
        Some(index) => format!("{saga}:{step}:{index}:{op}"),
        None => format!("{saga}:{step}:{op}"),
    }
}

/// The headers of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHeaders {
    pub saga: Uuid,
    pub name: String,
    pub step: String,
    pub index: Option<u32>,
    pub op: Op,
    pub attempt: u32,
    pub epoch: u64,
    /// RFC 3339.
    pub deadline: Option<String>,
    pub traceparent: Option<String>,
    /// The participant may answer 202 and call back with this.
    pub callback: Option<CallbackToken>,
}

impl CallHeaders {
    /// The idempotency key, without the quotes it has in its header. A probe carries its action's key.
    pub fn key(&self) -> String {
        let op = if self.op == Op::Probe { Op::Action } else { self.op }.as_str();
        key(self.saga, &self.step, self.index, op)
    }

    /// Writes them into a request.
    ///
    /// # Errors
    /// A text that cannot stand in a header. Names from a checked definition always can.
    pub fn write(&self, headers: &mut HeaderMap) -> Result<(), http::header::InvalidHeaderValue> {
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&format!("\"{}\"", self.key()))?);
        headers.insert(SAGA_ID, HeaderValue::from_str(&self.saga.to_string())?);
        headers.insert(SAGA_NAME, HeaderValue::from_str(&self.name)?);
        headers.insert(SAGA_STEP, HeaderValue::from_str(&self.step)?);
        headers.insert(SAGA_OP, HeaderValue::from_static(self.op.as_str()));
        headers.insert(SAGA_ATTEMPT, HeaderValue::from(self.attempt));
        headers.insert(SAGA_EPOCH, HeaderValue::from(self.epoch));
        if let Some(deadline) = &self.deadline {
            headers.insert(SAGA_DEADLINE, HeaderValue::from_str(deadline)?);
        }
        if let Some(traceparent) = &self.traceparent {
            headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent)?);
        }
        if let Some(callback) = &self.callback {
            headers.insert(SAGA_CALLBACK, callback.header()?);
        }
        Ok(())
    }

    /// Reads them from a request, strictly: every header that identifies the call must be there, and the key must be the
    /// one the other headers spell.
    ///
    /// # Errors
    /// [`BadHeaders`] names the header and what it should look like.
    pub fn read(headers: &HeaderMap) -> Result<Self, BadHeaders> {
        let op = match text(headers, &SAGA_OP)? {
            "action" => Op::Action,
            "compensate" => Op::Compensate,
            "probe" => Op::Probe,
            _ => return Err(BadHeaders { header: SAGA_OP, expected: "action, compensate or probe" }),
        };
        let key = text(headers, &IDEMPOTENCY_KEY)?.trim_matches('"');
        let step = text(headers, &SAGA_STEP)?;
        let saga: Uuid = number(headers, &SAGA_ID, "a UUID")?;
        let mut call = Self {
            saga,
            name: text(headers, &SAGA_NAME)?.to_owned(),
            step: step.to_owned(),
            index: None,
            op,
            attempt: number(headers, &SAGA_ATTEMPT, "a number from 1")?,
            epoch: number(headers, &SAGA_EPOCH, "a number from 1")?,
            deadline: optional(headers, &SAGA_DEADLINE)?,
            traceparent: optional(headers, &TRACEPARENT)?,
            callback: CallbackToken::read(headers)?,
        };
        let expected = "\"<saga>:<step>[:<index>]:<action|compensate>\", spelled as Saga-Id, Saga-Step and Saga-Op are";
        if call.key() != key {
            let index = key.rsplit(':').nth(1).and_then(|index| index.parse().ok());
            call.index = Some(index.ok_or(BadHeaders { header: IDEMPOTENCY_KEY, expected })?);
        }
        if call.key() == key { Ok(call) } else { Err(BadHeaders { header: IDEMPOTENCY_KEY, expected }) }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, BadHeaders> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|text| !text.is_empty())
        .ok_or(BadHeaders { header: name.clone(), expected: "a non-empty text" })
}

fn optional(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, BadHeaders> {
    if headers.contains_key(name) { text(headers, name).map(|text| Some(text.to_owned())) } else { Ok(None) }
}

fn number<T: FromStr>(headers: &HeaderMap, name: &HeaderName, expected: &'static str) -> Result<T, BadHeaders> {
    text(headers, name)?.parse().map_err(|_| BadHeaders { header: name.clone(), expected })
}

/// A request that does not follow the contract. The participant answers 400 and does nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct BadHeaders {
    pub header: HeaderName,
    pub expected: &'static str,
}

impl fmt::Display for BadHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header {}: expected {}", self.header, self.expected)
    }
}

impl std::error::Error for BadHeaders {}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: Option<u32>, op: Op) -> CallHeaders {
        CallHeaders {
            saga: Uuid::from_u128(7),
            name: "place-order".into(),
            step: "reserve".into(),
            index,
            op,
            attempt: 3,
            epoch: 2,
            deadline: Some("2026-11-24T17:00:00Z".into()),
            traceparent: None,
            callback: (index.is_none() && op == Op::Action).then(|| CallbackToken::new("a.b").expect("a token")),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for call in [call(None, Op::Action), call(Some(4), Op::Compensate), call(None, Op::Probe)] {
            let mut headers = HeaderMap::new();
            call.write(&mut headers).expect("valid names");
            assert_eq!(CallHeaders::read(&headers).as_ref(), Ok(&call));
        }
    }

    #[test]
    fn a_token_is_shown_to_nobody() {
        let call = call(None, Op::Action);
        let mut headers = HeaderMap::new();
        call.write(&mut headers).expect("valid names");
        let shown = format!("{call:?} {headers:?}");
        assert!(!shown.contains("a.b"), "{shown}");
        for bad in ["", " ", "a b", "ä", &"a".repeat(513)] {
            assert_eq!(CallbackToken::new(bad), None);
        }
        headers.append(SAGA_CALLBACK, HeaderValue::from_static("c.d"));
        assert_eq!(CallHeaders::read(&headers).expect_err("two of them").header, SAGA_CALLBACK);
    }

    #[test]
    fn a_key_that_does_not_match_its_headers_is_refused() {
        let mut headers = HeaderMap::new();
        call(None, Op::Action).write(&mut headers).expect("valid names");
        headers.insert(SAGA_STEP, HeaderValue::from_static("charge"));
        assert_eq!(CallHeaders::read(&headers).expect_err("refused").header, IDEMPOTENCY_KEY);
        headers.remove(SAGA_EPOCH);
        assert_eq!(CallHeaders::read(&headers).expect_err("refused").header, SAGA_EPOCH);
    }
}
