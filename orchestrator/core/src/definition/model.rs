//! A checked definition as data. Only [`super::parse`] makes one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;

use super::{diagnostic::Mark, schema::InputSchema};
use crate::{
    expr::{Expression, Piece, Template},
    ids::{Digest, Op, ServiceName, SignalName, StepName},
};

/// A step's place in [`Definition::steps`].
pub type StepIx = usize;

/// A saga's definition, valid.
#[derive(Debug)]
pub struct Definition {
    pub name: Arc<str>,
    /// The version its text asks for; without it the registration gives one.
    pub version: Option<u32>,
    pub description: Option<String>,
    /// Of [`Self::source`].
    pub digest: Digest,
    pub source: Arc<str>,
    pub input: Option<InputSchema>,
    /// Computed at the start, beside those that the caller gives.
    pub labels: Vec<(String, Template)>,
    /// Names of locks that a saga takes before its first step and holds to its end.
    pub locks: Vec<Template>,
    /// The longest the forward path may take.
    pub deadline: Option<Duration>,
    /// In source order. Never empty.
    pub steps: Vec<Step>,
    pub output: Option<Template>,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    pub name: StepName,
    /// Steps that must be done before this one starts.
    pub needs: Vec<StepIx>,
    /// All steps before this one, through any number of others.
    pub ancestors: BTreeSet<StepIx>,
    pub side: Side,
    /// `if`: whether it runs at all, evaluated once, when its needs are met.
    pub condition: Option<Expression>,
    pub kind: Kind,
}

/// Where a step stands with respect to the point of no return. Without a pivot every step is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    Pivot,
    After,
}

/// What a step does.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per step of a definition, and almost always the large one")]
pub enum Kind {
    /// Calls a service.
    Call(CallStep),
    /// Waits, and has no effect that could be undone.
    Wait(Wait),
    /// Runs another saga as a child.
    Saga(ChildStep),
}

/// A step that runs another saga as a child, which this one settles when it knows how it ends itself.
#[derive(Debug)]
pub struct ChildStep {
    /// Of its definition. Which version of it is decided when the child begins.
    pub name: Arc<str>,
    /// Where the step stands, for what is found out when the child's definition is known.
    pub at: Mark,
    /// What it is started with; `None`: `{}`.
    pub input: Option<Template>,
    /// Computed from the child; without it, it is the child's output.
    pub output: Option<Template>,
    /// A child for each of these.
    pub each: Option<Each>,
    /// [`Undo::Child`] before the pivot.
    pub undo: Undo,
}

/// What a step waits for.
#[derive(Debug)]
pub enum Wait {
    /// So long.
    Sleep(Duration),
    /// For this time, RFC 3339.
    Until(Template),
    /// For a signal.
    Signal(Await),
}

/// A step that waits for a signal.
#[derive(Debug)]
pub struct Await {
    pub signal: SignalName,
    /// Before the pivot the step fails when it is over; behind it a person is asked to look, and it goes on waiting.
    pub timeout: Duration,
    /// Computed from the signal's payload; what later steps may refer to.
    pub output: Option<Template>,
}

/// A step that calls a service.
#[derive(Debug)]
pub struct CallStep {
    pub action: Call,
    pub undo: Undo,
    /// Computed from the response; what later steps may refer to.
    pub output: Option<Template>,
    /// `async`: its participant may answer 202 and call back, within so long.
    pub verdict_within: Option<Duration>,
    /// It calls once for each of these.
    pub each: Option<Each>,
    /// `false`: what may have happened is not sent again, unless the probe says that it was not applied.
    pub idempotent: bool,
    /// How to ask whether the action was applied.
    pub probe: Option<Probe>,
}

/// How to ask whether an action was applied.
#[derive(Debug)]
pub struct Probe {
    /// A GET of the action's service.
    pub call: Call,
    /// So long after the last attempt *not applied* is believed. `None`: twice the action's timeout.
    pub settle: Option<Duration>,
}

impl Probe {
    /// So long after the last attempt *not applied* is believed; `timeout` is the action's.
    pub fn settle(&self, timeout: Duration) -> Duration {
        self.settle.unwrap_or(timeout.saturating_mul(2))
    }
}

/// What a step calls for, one by one.
#[derive(Debug)]
pub struct Each {
    /// A list.
    pub list: Template,
    /// So many items are called, or undone, at once.
    pub concurrency: u32,
}

/// How a step is undone.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per step of a definition, and almost always the large one")]
pub enum Undo {
    /// By this call.
    Call(Call),
    /// Not at all: there is nothing to undo, and the definition says why.
    Nothing { reason: String },
    /// By its child, which is told to undo itself.
    Child,
    /// Never: it is the pivot or behind it, or only waits.
    Never,
}

/// A call to a service: action or compensation.
#[derive(Debug)]
pub struct Call {
    pub service: ServiceName,
    pub method: Method,
    /// The path and query as written, for people.
    pub path_text: String,
    pub path: Vec<Piece>,
    pub headers: Vec<(String, Template)>,
    pub body: Option<Template>,
    /// Longest time for one attempt; without it the service's.
    pub timeout: Option<Duration>,
    pub retry: Retry,
    /// Statuses that count as success beside 2xx. Only in compensations.
    pub success_on: Vec<u16>,
    /// The statuses that are a definite no; `None`: as the service's entry in the catalogue says. Only in actions.
    pub reject_on: Option<Vec<u16>>,
}

/// Methods a call may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete].into_iter().find(|method| method.as_str() == word)
    }
}

/// When a call is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Before the pivot the action ends after so many attempts; elsewhere a person is asked to look. `None`: unlimited.
    pub attempts: Option<u32>,
    pub backoff: Duration,
    pub factor: f64,
    pub max_backoff: Duration,
}

impl Retry {
    /// For actions that say nothing.
    pub const ACTION: Self = Self {
        attempts: Some(5),
        backoff: Duration::from_millis(100),
        factor: 2.0,
        max_backoff: Duration::from_secs(10),
    };
    /// For compensations that say nothing. Never given up; a person is asked to look after ten attempts.
    pub const COMPENSATION: Self = Self {
        attempts: Some(10),
        backoff: Duration::from_millis(200),
        factor: 2.0,
        max_backoff: Duration::from_secs(60),
    };
}

impl Definition {
    /// The step of that name.
    pub fn step(&self, name: &StepName) -> Option<(StepIx, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.name == *name)
    }

    /// It has a point of no return.
    pub fn has_pivot(&self) -> bool {
        self.steps.iter().any(|step| step.side == Side::Pivot)
    }

    /// The names of all services it calls.
    pub fn services(&self) -> BTreeSet<&ServiceName> {
        self.steps
            .iter()
            .flat_map(|step| [step.call_of(Op::Action), step.call_of(Op::Compensate)])
            .flatten()
            .map(|call| &call.service)
            .collect()
    }

    /// The names of the sagas that it runs as children, in source order, with their steps.
    pub fn children(&self) -> impl Iterator<Item = (&Step, &ChildStep)> {
        self.steps.iter().filter_map(|step| Some((step, step.child()?)))
    }

    /// The steps that await a signal of that name, in source order.
    pub fn awaiting<'d>(&'d self, signal: &SignalName) -> impl Iterator<Item = (&'d Step, &'d Await)> {
        self.steps.iter().filter_map(move |step| match &step.kind {
            Kind::Wait(Wait::Signal(awaited)) if awaited.signal == *signal => Some((step, awaited)),
            Kind::Wait(_) | Kind::Call(_) | Kind::Saga(_) => None,
        })
    }

    /// The names of the signals that steps await, in source order.
    pub fn awaited(&self) -> impl Iterator<Item = &SignalName> {
        self.steps.iter().filter_map(|step| match &step.kind {
            Kind::Wait(Wait::Signal(awaited)) => Some(&awaited.signal),
            Kind::Wait(_) | Kind::Call(_) | Kind::Saga(_) => None,
        })
    }

    /// Whether `input` may start a saga.
    ///
    /// # Errors
    /// Every place that does not fit: a JSON pointer and why.
    pub fn check_input(&self, input: &Value) -> Result<(), Vec<InputError>> {
        self.input.as_ref().map_or(Ok(()), |schema| schema.check(input))
    }
}

impl Step {
    /// The call it makes, if it makes one.
    pub fn call(&self) -> Option<&CallStep> {
        match &self.kind {
            Kind::Call(call) => Some(call),
            Kind::Wait(_) | Kind::Saga(_) => None,
        }
    }

    /// The child it runs, if it runs one.
    pub fn child(&self) -> Option<&ChildStep> {
        match &self.kind {
            Kind::Saga(child) => Some(child),
            Kind::Call(_) | Kind::Wait(_) => None,
        }
    }

    /// What it runs for, one by one, if it does.
    pub fn each(&self) -> Option<&Each> {
        match &self.kind {
            Kind::Call(call) => call.each.as_ref(),
            Kind::Saga(child) => child.each.as_ref(),
            Kind::Wait(_) => None,
        }
    }

    /// The call that goes this way, if there is one.
    pub fn call_of(&self, op: Op) -> Option<&Call> {
        match (op, self.undo()) {
            (Op::Action, _) => self.call().map(|call| &call.action),
            (Op::Compensate, Undo::Call(call)) => Some(call),
            (Op::Compensate, Undo::Nothing { .. } | Undo::Child | Undo::Never) => None,
        }
    }

    /// How it is undone.
    pub fn undo(&self) -> &Undo {
        match &self.kind {
            Kind::Call(call) => &call.undo,
            Kind::Saga(child) => &child.undo,
            Kind::Wait(_) => &Undo::Never,
        }
    }
}

/// A place in an input that its schema refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// RFC 6901.
    pub pointer: String,
    pub message: String,
}
