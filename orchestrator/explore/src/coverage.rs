//! What was tried: each fault, at each step, in each phase, and how often.

use amends_core::{
    definition::{Definition, Side},
    ids::Op,
};
use serde::Serialize;

use crate::{
    choices::{Asked, Choice},
    model::{Key, Model},
    node::{Fate, Node},
};

/// Where a fault befell the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// On the way to the pivot; without one to the end.
    Forward,
    /// At the pivot's call.
    Pivot,
    /// Behind it.
    Behind,
    /// While it is undone.
    Undoing,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Forward, Self::Pivot, Self::Behind, Self::Undoing];

    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Pivot => "pivot",
            Self::Behind => "behind",
            Self::Undoing => "undoing",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Whose step it is, where there is more than one saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga: Option<String>,
    pub step: String,
    pub fault: &'static str,
    pub phase: Phase,
    /// So often it was tried, each time in another run.
    pub times: u64,
}

impl Row {
    /// The step, with its saga where there is more than one: `pay-claim.book`.
    pub fn place(&self) -> String {
        words(self.saga.as_deref(), &self.step)
    }
}

const KINDS: [&str; 35] = [
    "done",
    "accepted",
    "refused",
    "refused, copy later",
    "not sent",
    "lost",
    "late",
    "reply lost",
    "doubled",
    "useless reply",
    "called back first",
    "told it is no owner",
    "down",
    "silent",
    "replies lost",
    "crash",
    "hand over",
    "cancel",
    "deadline",
    "early signal",
    "silence",
    "verdict refused",
    "called back twice",
    "probe unanswered",
    "probes unanswered",
    "slow",
    "lock taken by others",
    "asleep at the send",
    "other",
    "202 lost",
    "told its family, then crash",
    "asleep as it begins a child",
    "told twice",
    "all crash",
    "as planned",
];
pub(crate) const TOLD_THEN_CRASH: usize = 30;
pub(crate) const BEGUN_LATE: usize = 31;
pub(crate) const TOLD_TWICE: usize = 32;
pub(crate) const ALL_CRASH: usize = 33;

/// The word of a fate.
pub(crate) fn fate(fate: Fate) -> &'static str {
    KINDS[fate_at(fate)]
}

fn fate_at(fate: Fate) -> usize {
    match fate {
        Fate::Done => 0,
        Fate::Accepted => 1,
        Fate::Refused => 2,
        Fate::RefusedKept => 3,
        Fate::NotSent => 4,
        Fate::Lost => 5,
        Fate::Late => 6,
        Fate::ReplyLost => 7,
        Fate::Doubled => 8,
        Fate::Useless => 9,
        Fate::CalledBackFirst => 10,
        Fate::Fenced => 11,
        Fate::Down => 12,
        Fate::Silent => 13,
        Fate::Mute => 14,
        Fate::AcceptedUnheard => 29,
    }
}

pub(crate) fn asked(asked: Asked) -> &'static str {
    match asked {
        Asked::Told => "told",
        Asked::Unanswered => "unanswered",
        Asked::Silent => "never answered",
    }
}

/// Counts, by step, fault and phase.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// With their saga, where there is more than one.
    steps: Vec<(Option<String>, String)>,
    counts: Vec<u64>,
}

impl Coverage {
    pub(crate) fn new(definition: &Definition) -> Self {
        let steps: Vec<_> = definition.steps.iter().map(|step| (None, step.name.to_string())).collect();
        let counts = vec![0; steps.len() * KINDS.len() * Phase::ALL.len()];
        Self { steps, counts }
    }

    /// A fault is about to befall this moment.
    pub(crate) fn note(&mut self, model: &Model<'_>, node: &Node, choice: Choice) {
        let under_way = || {
            let flight = node.wire.first().map(|flight| flight.key);
            flight.or(node.look.unsent.first().map(|(key, _)| *key))
        };
        let (key, kind) = match choice {
            Choice::Deliver(key, fate) => (Some(key), fate_at(fate)),
            Choice::Crash(crash) if crash.asleep => (under_way(), 27),
            Choice::Crash(_) => (under_way(), 15),
            Choice::HandOver => (under_way(), 16),
            Choice::Cancel => (under_way(), 17),
            Choice::Deadline => (under_way(), 18),
            Choice::Signal(_) => (under_way(), 19),
            Choice::Silence => (None, 20),
            Choice::Given(key, _) | Choice::GivenProbe(key) => (Some(key), 34),
            Choice::CallBack(key, _) => (Some(key), 21),
            Choice::CallBackTwice(key) => (Some(key), 22),
            Choice::Probe(key, Asked::Silent) => (Some(key), 24),
            Choice::Probe(key, _) => (Some(key), 23),
            Choice::Wake => (under_way(), 25),
            Choice::QueueForLock => (None, 26),
            Choice::TakeLock | Choice::Send | Choice::Late(_) => (None, 28),
        };
        let at = match key {
            Some(key) => (usize::from(key.unit.step), phase(model, key)),
            None => waiting(model, node),
        };
        self.count(at, kind);
    }

    /// The same of a fault that befalls what a saga and its family have to do with each other.
    pub(crate) fn note_kinship(&mut self, model: &Model<'_>, node: &Node, kind: usize) {
        self.count(waiting(model, node), kind);
    }

    fn count(&mut self, (step, phase): (usize, Phase), kind: usize) {
        let at = (step * KINDS.len() + kind) * Phase::ALL.len() + phase as usize;
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
    }

    /// Of all that was tried, by step.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (ix, (saga, step)) in self.steps.iter().enumerate() {
            for phase in Phase::ALL {
                for (kind, fault) in KINDS.iter().enumerate() {
                    let times = self.counts[(ix * KINDS.len() + kind) * Phase::ALL.len() + phase as usize];
                    if times > 0 {
                        rows.push(Row { saga: saga.clone(), step: step.clone(), fault, phase, times });
                    }
                }
            }
        }
        rows
    }

    /// The names of all steps.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|(_, step)| step.as_str())
    }

    /// Steps that no fault befell: they never ran. With their saga, where there is more than one: `pay-claim.book`.
    pub fn untouched(&self) -> Vec<String> {
        let each = KINDS.len() * Phase::ALL.len();
        let touched = |ix: usize| self.counts[ix * each..(ix + 1) * each].iter().any(|count| *count > 0);
        self.steps
            .iter()
            .enumerate()
            .filter(|(ix, _)| !touched(*ix))
            .map(|(_, (saga, step))| words(saga.as_deref(), step))
            .collect()
    }

    /// With those of another saga of the family.
    pub(crate) fn append(&mut self, saga: Option<&str>, other: &Self) {
        self.steps.extend(other.steps.iter().map(|(_, step)| (saga.map(str::to_owned), step.clone())));
        self.counts.extend(&other.counts);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if self.steps.is_empty() {
            self.clone_from(other);
            return;
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }
}

/// A step, with its saga where there is more than one.
pub(crate) fn words(saga: Option<&str>, step: &str) -> String {
    saga.map_or_else(|| step.to_owned(), |saga| format!("{saga}.{step}"))
}

fn phase(model: &Model<'_>, key: Key) -> Phase {
    match (key.op, model.step(key.unit).side) {
        (Op::Compensate, _) => Phase::Undoing,
        (Op::Action, Side::Before) => Phase::Forward,
        (Op::Action, Side::Pivot) => Phase::Pivot,
        (Op::Action, Side::After) => Phase::Behind,
    }
}

/// Nothing is under way: it is about the step that waits, or the last that has begun.
fn waiting(model: &Model<'_>, node: &Node) -> (usize, Phase) {
    let waits = node.state.waits().next().map(|(name, _)| name);
    let calls = node.state.calls().next().map(|(call, _)| call.step);
    let step = waits.or(calls.as_ref()).and_then(|name| model.truth.step(name)).map(|(ix, _)| ix);
    // A child that waits for its parent has done its last.
    let begun = || model.truth.steps.iter().rposition(|step| node.state.step(&step.name).is_some());
    let step = step.or_else(begun).unwrap_or_default();
    let phase = match model.truth.steps[step].side {
        _ if node.watch.undoing => Phase::Undoing,
        Side::Before => Phase::Forward,
        Side::Pivot => Phase::Pivot,
        Side::After => Phase::Behind,
    };
    (step, phase)
}
