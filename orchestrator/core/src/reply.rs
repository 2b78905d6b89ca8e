//! What an answer means: the outcome classes of an attempt, in one match.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    definition::{Call, CallStep},
    expr::{Segment, walk},
    ids::Op,
};

/// What came back from one attempt, as the carrier saw it. It judges nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The request never left: DNS, connect refused, TLS failure.
    NotSent { reason: String },
    /// It left, or may have, and no whole answer came: timeout, reset, truncated or oversized body.
    Lost { reason: String },
    /// A whole answer.
    Answered(Answer),
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// It carries the ack of this call's key.
    pub acked: bool,
    /// The participant says that it did not look at the call.
    pub refused: Option<RefusedThere>,
    /// From `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Answers of a barrier that are no outcome: the sender asks itself whether it still is the owner, and if so, a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedThere {
    StaleEpoch,
    OtherBody,
}

/// What may be expected of a service's answers; from the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Definite answers carry an ack; what carries none came from something in between.
    pub barrier: bool,
    /// The statuses that are a definite no, where the service narrows them.
    pub reject_on: Option<Vec<u16>>,
    /// Longest time for one attempt where the definition says nothing.
    pub timeout: Duration,
}

/// What one attempt means.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Success { status: u16, output: Value },
    Unusable { status: u16, reason: String },
    Rejected { status: u16, acked: bool, reason: String },
    NotSent { reason: String },
    Unknown { status: Option<u16>, reason: String, retry_after: Option<Duration>, refused: Option<RefusedThere> },
}

/// The outcome of an attempt. An output of more than `output_bytes` is of no use.
pub fn classify(step: &CallStep, call: &Call, op: Op, reply: Reply, terms: &Terms, output_bytes: usize) -> Outcome {
    let answer = match reply {
        Reply::NotSent { reason } => return Outcome::NotSent { reason },
        Reply::Lost { reason } => {
            return Outcome::Unknown { status: None, reason, retry_after: None, refused: None };
        }
        Reply::Answered(answer) => answer,
    };
    let status = answer.status;
    if let Some(refused) = answer.refused {
        let word = match refused {
            RefusedThere::StaleEpoch => "the participant has seen a higher epoch",
            RefusedThere::OtherBody => "the participant knows this key with another body",
        };
        return Outcome::Unknown {
            status: Some(status),
            reason: word.to_owned(),
            retry_after: answer.retry_after,
            refused: Some(refused),
        };
    }
    let definite = answer.acked || !terms.barrier;
    // The step's own word comes before the service's.
    let rejects = call.reject_on.as_ref().or(terms.reject_on.as_ref());
    let rejects = rejects.is_none_or(|statuses| statuses.contains(&status));
    match status {
        200..=299 if definite => succeeded(step, op, &answer, output_bytes),
        _ if definite && op == Op::Compensate && call.success_on.contains(&status) => {
            succeeded(step, op, &answer, output_bytes)
        }
        408 | 425 | 429 => unknown(&answer, format!("answered {status}")),
        // Only a barrier stores its no. The word of a plain service is not worth more for looking like an ack.
        400..=499 if definite && rejects => {
            Outcome::Rejected { status, acked: answer.acked && terms.barrier, reason: said(&answer) }
        }
        400..=499 if definite => unknown(&answer, format!("answered {status}, which is not meant as a no here")),
        200..=299 | 400..=499 => unknown(&answer, format!("answered {status} without the ack that is due")),
        300..=399 => unknown(&answer, format!("answered {status}; redirects are not followed")),
        _ => unknown(&answer, format!("answered {status}")),
    }
}

fn unknown(answer: &Answer, reason: String) -> Outcome {
    Outcome::Unknown { status: Some(answer.status), reason, retry_after: answer.retry_after, refused: None }
}

pub(crate) fn succeeded(step: &CallStep, op: Op, answer: &Answer, output_bytes: usize) -> Outcome {
    let status = answer.status;
    let Some(template) = step.output.as_ref().filter(|_| op == Op::Action) else {
        return Outcome::Success { status, output: Value::Null };
    };
    let body = if answer.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&answer.body) };
    let needs_body = template.expressions().iter().flat_map(|expression| expression.paths()).any(|path| {
        match path.segments.get(1) {
            Some(Segment::Name(name)) => &**name == "body",
            Some(Segment::Index(_)) => false,
            None => true,
        }
    });
    let body: Value = match body {
        Ok(body) => body,
        Err(error) if needs_body => {
            return Outcome::Unusable { status, reason: format!("the body is not JSON: {error}") };
        }
        Err(_) => Value::Null,
    };
    let headers: Map<String, Value> =
        answer.headers.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    let response = serde_json::json!({ "response": { "status": status, "headers": headers, "body": body } });
    match template.render(&|path| walk(&response, path).cloned()) {
        Ok(output) if output.to_string().len() > output_bytes => {
            Outcome::Unusable { status, reason: format!("the output is larger than {output_bytes} bytes") }
        }
        Ok(output) => Outcome::Success { status, output },
        Err(reason) => Outcome::Unusable { status, reason: format!("output: {reason}") },
    }
}

/// What a refusal says of itself, short: a problem's `detail` or `title` (RFC 9457), or its status.
fn said(answer: &Answer) -> String {
    const LONGEST_CHARS: usize = 200;
    let problem: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let text = problem.as_ref().and_then(|problem| {
        ["detail", "title", "message", "error"].into_iter().find_map(|key| problem.get(key)?.as_str())
    });
    let text: String = text.unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST_CHARS).collect();
    if text.is_empty() { format!("answered {}", answer.status) } else { format!("{}: {text}", answer.status) }
}
