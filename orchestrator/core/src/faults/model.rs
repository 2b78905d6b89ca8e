//! A plan as data.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::ids::{ServiceName, StepName};

/// Rules, in order: an attempt falls under the first that fits and whose dice say so.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultPlan {
    /// Another seed picks other attempts; the same one the same.
    pub seed: u64,
    pub rules: Vec<Rule>,
}

/// Which attempts go wrong, and how. `None`: whichever.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// By which its count is told.
    pub name: String,
    pub service: Option<ServiceName>,
    /// The definition's name.
    pub saga: Option<String>,
    pub step: Option<StepName>,
    pub op: Option<Asked>,
    /// Labels of the saga; each of them.
    pub labels: Map<String, Value>,
    pub attempts: Option<Attempts>,
    /// From 0 to 1.
    pub probability: f64,
    /// In all, since the plan was set.
    pub count: Option<u64>,
    pub fault: Fault,
}

/// What an attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Action,
    Compensate,
    Probe,
}

/// Which attempts of each call, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    First(u32),
    Only(u32),
}

/// What goes wrong with one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It arrives so much later; whoever waits for the answer does not wait longer than ever.
    Delay(Duration),
    /// The connection is refused: nothing was sent, and that is known.
    Refuse,
    /// It is sent, and never arrives.
    LoseRequest,
    /// It is done, and nobody hears of it.
    LoseReply,
    /// Instead of the service somebody says no with this status, and with the service's ack.
    Reject(u16),
    /// Instead of the service somebody in between answers with this status.
    Fail(u16),
    /// It is done, and somebody in between answers with this status.
    Status(u16),
    /// It is done, and the answer has this body.
    Body(Value),
    /// It is done, and the connection breaks in the middle of the answer.
    Cut,
    /// It arrives so many times more, at the same time.
    Duplicate(u32),
    /// It arrives once more, later.
    Replay(Again),
    /// The process dies.
    Abort(Point),
}

/// When a copy arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// So long after the answer.
    After(Duration),
    /// Once the compensation of its call has been answered.
    AfterCompensation,
}

/// Where a process may die, in the order in which an attempt comes past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The attempt is decided. Its intent is not durable, nor is what it was decided upon: the outcome before it, or the start.
    BeforeIntent,
    /// The intent is durable, and nothing has been sent.
    BeforeSend,
    /// The service has answered, and nothing has been written of it.
    AfterSend,
    /// What came of the attempt is known, by its answer, a callback or an adoption, and is about to be written.
    BeforeCommit,
    /// What came of it is durable, with the intents of what follows, and nothing has been done about it.
    AfterCommit,
}

impl Point {
    /// With their words.
    pub const ALL: [(&'static str, Self); 5] = [
        ("before-intent", Self::BeforeIntent),
        ("before-send", Self::BeforeSend),
        ("after-send", Self::AfterSend),
        ("before-commit", Self::BeforeCommit),
        ("after-commit", Self::AfterCommit),
    ];

    /// The word for it in a plan.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// When rules are asked. Each moment of an attempt is asked for itself: of the rules that are about it the first that fits counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is sent.
    Call,
    /// Its intent is about to be written.
    Intent,
    /// Its outcome is about to be written.
    Outcome,
    /// Its outcome has been written.
    Written,
}

impl Fault {
    /// When it befalls an attempt.
    pub fn moment(&self) -> Moment {
        match self {
            Self::Abort(Point::BeforeIntent) => Moment::Intent,
            Self::Abort(Point::BeforeCommit) => Moment::Outcome,
            Self::Abort(Point::AfterCommit) => Moment::Written,
            _ => Moment::Call,
        }
    }

    /// The key under which it stands in a plan.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Refuse => "refuse",
            Self::LoseRequest | Self::LoseReply => "lose",
            Self::Reject(_) => "reject",
            Self::Fail(_) => "fail",
            Self::Status(_) => "status",
            Self::Body(_) => "body",
            Self::Cut => "cut",
            Self::Duplicate(_) => "duplicate",
            Self::Replay(_) => "replay",
            Self::Abort(_) => "abort",
        }
    }
}

impl Asked {
    /// As in `Saga-Op`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Compensate => "compensate",
            Self::Probe => "probe",
        }
    }
}
