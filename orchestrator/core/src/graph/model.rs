//! What there is to draw, before any format.

use std::collections::BTreeSet;

use super::label;
use crate::definition::{Call, CallStep, Definition, Each, Kind, Side, Step, StepIx, Undo, Wait, write_duration};

/// A definition as nodes and edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    pub name: String,
    pub description: Option<String>,
    /// What it has for itself, each in one line; in source order.
    pub locks: Vec<String>,
    /// In source order.
    pub nodes: Vec<Node>,
    /// What waits for what; without those that follow from others.
    pub forward: Vec<Edge>,
    /// The same of compensations, for nodes that have one: `from` is undone before `to`.
    pub back: Vec<Edge>,
}

impl Graph {
    /// Its locks in one line, if it has some.
    pub(super) fn locked(&self) -> Option<String> {
        (!self.locks.is_empty()).then(|| format!("has for itself: {}", self.locks.join(", ")))
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub step: String,
    /// What it does, in one line: a call as `inventory POST /reservations`.
    pub does: String,
    pub undo: Undoing,
    pub side: Side,
    /// It runs another saga, and is drawn with a line more.
    pub child: bool,
}

/// How a step is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undoing {
    /// By this, in one line.
    By(String),
    /// There is nothing to undo, for this reason.
    Nothing(String),
    /// It is the pivot or behind it, or only waits.
    Never,
}

/// From one node to another, by their places in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: StepIx,
    pub to: StepIx,
}

/// What there is to draw of a definition.
pub fn of(definition: &Definition) -> Graph {
    let steps = &definition.steps;
    let nodes: Vec<Node> = steps.iter().map(node).collect();
    let forward = edges(steps.len(), |from, to| steps[to].ancestors.contains(&from));
    let undone = |ix: StepIx| matches!(nodes[ix].undo, Undoing::By(_));
    let back = edges(steps.len(), |from, to| undone(from) && undone(to) && steps[from].ancestors.contains(&to));
    let locks = definition.locks.iter().map(label::name).collect();
    Graph {
        name: definition.name.to_string(),
        description: definition.description.clone(),
        locks,
        nodes,
        forward,
        back,
    }
}

/// The one place that knows the kinds of steps.
fn node(step: &Step) -> Node {
    let (does, undo) = match &step.kind {
        Kind::Call(call) => (action(call), undoing(&call.undo)),
        Kind::Wait(wait) => (waiting(wait), Undoing::Never),
        Kind::Saga(child) => {
            (for_each(child.each.as_ref(), format!("saga {}, as a child", child.name)), undoing(&child.undo))
        }
    };
    let does = if step.condition.is_some() { format!("if its condition holds: {does}") } else { does };
    Node { step: step.name.to_string(), does, undo, side: step.side, child: step.child().is_some() }
}

fn action(call: &CallStep) -> String {
    let line = match call.verdict_within {
        Some(within) => format!("{}, verdict within {}", line(&call.action), write_duration(within)),
        None => line(&call.action),
    };
    let line = match (call.idempotent, &call.probe) {
        (true, _) => line,
        (false, Some(_)) => format!("never twice, asked after: {line}"),
        (false, None) => format!("never twice: {line}"),
    };
    for_each(call.each.as_ref(), line)
}

fn for_each(each: Option<&Each>, line: String) -> String {
    match each {
        Some(each) if each.concurrency > 1 => format!("for each item, {} at once: {line}", each.concurrency),
        Some(_) => format!("for each item: {line}"),
        None => line,
    }
}

fn waiting(wait: &Wait) -> String {
    match wait {
        Wait::Sleep(duration) => format!("sleep {}", write_duration(*duration)),
        Wait::Until(_) => "wait until the time that it says".to_owned(),
        Wait::Signal(signal) => format!("await {}, at most {}", signal.signal, write_duration(signal.timeout)),
    }
}

fn undoing(undo: &Undo) -> Undoing {
    match undo {
        Undo::Call(call) => Undoing::By(line(call)),
        Undo::Nothing { reason } => Undoing::Nothing(reason.clone()),
        Undo::Child => Undoing::By("the child undoes itself".to_owned()),
        Undo::Never => Undoing::Never,
    }
}

fn line(call: &Call) -> String {
    format!("{} {} {}", call.service, call.method.as_str(), label::path(&call.path))
}

/// The pairs of an order, without those that follow from two others.
fn edges(count: usize, before: impl Fn(StepIx, StepIx) -> bool) -> Vec<Edge> {
    let mut edges = Vec::new();
    for to in 0..count {
        let all: BTreeSet<StepIx> = (0..count).filter(|from| before(*from, to)).collect();
        let direct = all.iter().filter(|from| !all.iter().any(|between| before(**from, *between)));
        edges.extend(direct.map(|from| Edge { from: *from, to }));
    }
    edges
}
