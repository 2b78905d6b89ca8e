//! Scenarios as data.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use crate::{
    definition::Mark,
    ids::{SignalName, StepName},
};

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
    /// Where it begins.
    pub at: Mark,
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
    pub at: Mark,
    pub step: StepName,
    pub of: Asked,
    /// The first so many attempts of each call; `None`: all.
    pub attempts: Option<u32>,
    pub what: Wrong,
}

/// Which requests of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Wrong {
    /// The kind of it, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject(_) => "reject",
            Self::Fail(_) => "fail",
            Self::LoseRequest => "lose: request",
            Self::LoseReply => "lose: reply",
            Self::LoseConnection => "lose: connection",
            Self::Duplicate(_) => "duplicate",
            Self::Delay(_) => "delay",
        }
    }
}

/// A signal that somebody sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Signalled {
    pub at: Mark,
    pub name: SignalName,
    /// When this step waits; `None`: at once.
    pub when: Option<StepName>,
    pub data: Value,
}

/// An `async` step is accepted, and called back.
#[derive(Clone, Debug, PartialEq)]
pub struct CalledBack {
    pub at: Mark,
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
    pub at: Mark,
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
    /// Where each of them stands: by its key; those of steps as `attempts.<key>` and `bodies.<key>`.
    pub places: BTreeMap<String, Mark>,
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
