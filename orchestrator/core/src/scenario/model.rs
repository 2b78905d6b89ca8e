//! Scenarios as data.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::ids::{SignalName, StepName};

/// A file of scenarios for one definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenarios {
    /// What the services answer, by step.
    pub replies: Vec<(StepName, Value)>,
    pub scenarios: Vec<Scenario>,
}

/// One run, what happens to it, and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    pub name: String,
    /// The line on which it begins.
    pub line: u32,
    pub input: Value,
    pub shorten: Vec<(StepName, Duration)>,
    pub faults: Vec<Fault>,
    pub signals: Vec<Signalled>,
    pub callbacks: Vec<CalledBack>,
    pub cancel: Option<Cancelled>,
    pub expect: Expect,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub step: StepName,
    pub of: Asked,
    /// The first so many attempts of each call; `None`: all.
    pub attempts: Option<u32>,
    pub what: Wrong,
}

/// Which requests of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Action,
    Compensate,
    Probe,
}

impl Asked {
    pub const ALL: [Self; 3] = [Self::Action, Self::Compensate, Self::Probe];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Compensate => "compensate",
            Self::Probe => "probe",
        }
    }
}

/// What goes wrong with one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The service says no, and means it.
    Reject(u16),
    /// Somebody in between answers; the service hears nothing.
    Fail(u16),
    LoseRequest,
    /// It is done, and nobody hears of it.
    LoseReply,
    /// Nobody listens: it never leaves.
    LoseConnection,
    /// The network makes so many of it, all at once.
    Duplicate(u32),
    Delay(Duration),
}

/// A signal that somebody sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Signalled {
    pub name: SignalName,
    /// When this step waits; `None`: at once.
    pub when: Option<StepName>,
    pub data: Value,
}

/// An `async` step is accepted, and called back.
#[derive(Clone, Debug, PartialEq)]
pub struct CalledBack {
    pub step: StepName,
    pub after: After,
    pub verdict: Verdict,
}

/// When a service calls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Before its 202 is on its way.
    Early,
    /// So long after it.
    Later(Duration),
    Never,
}

/// What a service says when it calls back.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Done(Value),
    Rejected(String),
}

/// Somebody cancels.
#[derive(Clone, Debug, PartialEq)]
pub struct Cancelled {
    /// When this step waits.
    pub when: StepName,
    pub reason: Option<String>,
}

/// What must come of it. `None`: not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    pub status: Ended,
    pub output: Option<Value>,
    pub done: Option<Vec<StepName>>,
    pub skipped: Option<Vec<StepName>>,
    /// One after the other; within one, in any order.
    pub undone: Option<Vec<Vec<StepName>>>,
    pub nothing: Option<Vec<StepName>>,
    pub attempts: Vec<(StepName, Asked, u32)>,
    pub bodies: Map<String, Value>,
    pub never: Vec<StepName>,
}

/// How a saga may end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Completed,
    Compensated,
}

impl Ended {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Compensated => "compensated",
        }
    }
}

/// Where `found` is not as `expected`: of maps only what is expected is compared, and the text `*` fits everything.
///
/// # Errors
/// The first place that differs: a JSON pointer, what was expected and what is there.
pub fn fits(expected: &Value, found: &Value) -> Result<(), String> {
    fits_at(expected, found, "")
}

fn fits_at(expected: &Value, found: &Value, at: &str) -> Result<(), String> {
    match (expected, found) {
        (Value::String(any), _) if any == "*" => Ok(()),
        (Value::Object(expected), Value::Object(found)) => expected.iter().try_for_each(|(key, value)| {
            fits_at(value, found.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"))
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs.into_iter().try_for_each(|(nth, (expected, found))| fits_at(expected, found, &format!("{at}/{nth}")))
        }
        _ if expected == found => Ok(()),
        _ => Err(format!("at `{at}` expected {expected}, found {found}")),
    }
}
