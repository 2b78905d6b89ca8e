//! What came of it: from the journals of the family, and from what passed between it and its services.

use std::{collections::BTreeMap, sync::Arc};

use amends_core::{
    Answer, Reply,
    definition::{Definition, Mark},
    event::{Event, FailedStep, Recorded},
    scenario::{After, Asked, Ran, Scenario, Sent, Verdict},
    state::State,
    time::Time,
};
use amends_explore::{
    Line,
    scenarios::{Family, Moment, Played, Touch, moment},
};
use serde_json::Value;

use super::{
    stage::Stage,
    wire::{Entry, Place, What},
};

/// One saga of the family.
pub(super) struct Journal {
    pub(super) definition: Arc<Definition>,
    pub(super) state: State,
    pub(super) events: Vec<Recorded>,
}

pub(super) fn of(
    stage: &Stage,
    family: &Family,
    scenario: &Scenario,
    journals: &[Journal],
    could_not: Vec<(Mark, String)>,
) -> Played {
    let entries = stage.log.entries();
    let mut ran = Ran { could_not, ..Ran::default() };
    if let Some(root) = journals.first() {
        (ran.done, ran.skipped) = Ran::steps_of(&root.definition, &root.state);
        ran.status = root.state.status.as_str().to_owned();
        ran.output = Value::clone(&root.state.output);
        ran.why = why(root, journals);
    }
    effects(&entries, &mut ran);
    requests(&entries, &mut ran);
    let active = stage.faults.active();
    ran.befell = active.iter().flat_map(|active| active.fired().map(|(_, fired)| fired)).collect();
    let accepted =
        |step: &str| entries.iter().any(|entry| entry.place.step == step && matches!(entry.what, What::Accepted));
    ran.accepted = scenario.callbacks.iter().map(|callback| accepted(callback.step.as_str())).collect();
    let begun = journals.first().map_or(Time(0), |root| root.state.started_at);
    let took_ms = journals.iter().map(|journal| journal.state.updated_at.since(begun).as_millis()).max();
    Played {
        moments: story(&entries, journals, begun),
        touched: touched(family, scenario, &ran, journals),
        took_ms: u64::try_from(took_ms.unwrap_or_default()).unwrap_or(u64::MAX),
        ran,
    }
}

fn why(root: &Journal, journals: &[Journal]) -> String {
    if root.state.status.is_terminal() {
        let cause = root.events.iter().find(|recorded| matches!(recorded.event, Event::CompensationStarted { .. }));
        let told = cause.and_then(|recorded| moment(recorded, root.state.started_at, None));
        let told = told.map(|moment| moment.line.text).unwrap_or_default();
        return told.trim_start_matches("everything is undone: ").to_owned();
    }
    let asked = journals.iter().flat_map(|journal| &journal.events).find_map(|recorded| match &recorded.event {
        Event::AttentionRaised { call, detail, .. } => Some(format!("a person is asked to look at {call}: {detail}")),
        _ => None,
    });
    asked.unwrap_or_else(|| "it has not ended in time; --patience says how long it is waited for".to_owned())
}

/// What the services did, and took back.
fn effects(entries: &[Entry], ran: &mut Ran) {
    #[derive(Default)]
    struct Row {
        applied: bool,
        undone: bool,
        undo_answered: bool,
    }
    let mut rows: BTreeMap<&Place, Row> = BTreeMap::new();
    for entry in entries {
        let row = rows.entry(&entry.place).or_default();
        let step = || entry.place.step.clone();
        match (&entry.what, entry.of) {
            (What::Accepted, _) => row.applied = true,
            (What::Decided { refused: true }, _) if row.applied && !row.undone => {
                row.undone = true;
                ran.undone.push(step());
            }
            (What::Served { reply: Reply::Answered(Answer { status: 200..=299, .. }), reads }, of) => match of {
                Asked::Action => row.applied |= !reads,
                // It says that it was applied, whoever heard of it.
                Asked::Probe => row.applied = true,
                Asked::Compensate if row.undo_answered => {}
                Asked::Compensate => {
                    row.undo_answered = true;
                    let undoes = row.applied && !row.undone;
                    row.undone |= undoes;
                    if undoes { ran.undone.push(step()) } else { ran.nothing.push(step()) }
                }
            },
            _ => {}
        }
    }
}

/// Those that left, each with what it had.
fn requests(entries: &[Entry], ran: &mut Ran) {
    let is_of = |entry: &Entry, other: &Entry| {
        (&entry.place, entry.of, entry.attempt) == (&other.place, other.of, other.attempt)
    };
    for (nth, entry) in entries.iter().enumerate() {
        let What::Sent { body } = &entry.what else { continue };
        let heard = entries[nth..].iter().find_map(|later| match &later.what {
            What::Heard(reply) if is_of(entry, later) => Some(reply),
            _ => None,
        });
        if !matches!(heard, Some(Reply::NotSent { .. })) {
            ran.requests.push(Sent { step: entry.place.step.clone(), of: entry.of, body: body.clone() });
        }
    }
}

fn touched(family: &Family, scenario: &Scenario, ran: &Ran, journals: &[Journal]) -> Vec<Touch> {
    let sagas = || family.known.values().chain([&family.root]);
    let of = |step: &str, op: &'static str, fault: &'static str| {
        let whose = sagas().filter(|saga| saga.steps.iter().any(|known| known.name.as_str() == step));
        whose.map(|saga| Touch::of(&saga.name, step, op, fault)).collect::<Vec<_>>()
    };
    let mut touched = Vec::new();
    for (fault, _) in scenario.faults.iter().zip(&ran.befell).filter(|(_, befell)| **befell > 0) {
        touched.extend(of(fault.step.as_str(), fault.of.as_str(), fault.what.as_str()));
    }
    for (callback, _) in scenario.callbacks.iter().zip(&ran.accepted).filter(|(_, accepted)| **accepted) {
        let how = match (callback.after, &callback.verdict) {
            (After::Never, _) => "no callback",
            (_, Verdict::Rejected(_)) => "callback: reject",
            (After::Early, Verdict::Done(_)) => "callback: early",
            (After::Later(_), Verdict::Done(_)) => "callback: later",
        };
        touched.extend(of(callback.step.as_str(), "action", how));
    }
    for recorded in journals.iter().flat_map(|journal| &journal.events) {
        match &recorded.event {
            Event::StepFailed { step, how: FailedStep::TimedOut, .. } => {
                touched.extend(of(step.as_str(), "await", "no signal"));
            }
            Event::CancelRequested { .. } => {
                touched.extend(scenario.cancel.iter().flat_map(|cancel| of(cancel.when.as_str(), "await", "cancel")));
            }
            _ => {}
        }
    }
    touched
}

fn story(entries: &[Entry], journals: &[Journal], begun: Time) -> Vec<Moment> {
    let mut moments: Vec<Moment> = entries.iter().filter_map(|entry| passed(entry, begun)).collect();
    for (nth, journal) in journals.iter().enumerate() {
        let whose = (nth > 0).then(|| &*journal.definition.name);
        moments.extend(journal.events.iter().filter_map(|recorded| moment(recorded, begun, whose)));
    }
    moments.sort_by_key(|moment| moment.line.at_ms);
    moments
}

fn passed(entry: &Entry, begun: Time) -> Option<Moment> {
    const AMENDS: &str = "amends";
    let again = if entry.attempt > 1 { format!(", attempt {}", entry.attempt) } else { String::new() };
    let step =
        entry.place.index.map_or_else(|| entry.place.step.clone(), |index| format!("{}[{index}]", entry.place.step));
    let what = match entry.of {
        Asked::Action => format!("{step}{again}"),
        Asked::Compensate => format!("undo {step}{again}"),
        Asked::Probe => format!("was {step} applied?"),
    };
    let service = entry.service.to_string();
    let (from, to, text, fault) = match &entry.what {
        What::Sent { .. } => (AMENDS.to_owned(), Some(service), what, false),
        What::Heard(reply) => {
            let (said, fault) = in_words(reply);
            (service, Some(AMENDS.to_owned()), format!("{what}: {said}"), fault)
        }
        What::Served { .. } => return None,
        What::Accepted => (service, None, format!("{what}: accepted in its place"), false),
        What::Decided { refused } => {
            let said = if *refused { "is refused in the end" } else { "is done" };
            (service, Some(AMENDS.to_owned()), format!("{step} {said}"), *refused)
        }
    };
    let at_ms = u64::try_from(entry.at.since(begun).as_millis()).unwrap_or(u64::MAX);
    let line = Line { at_ms, saga: None, from, to, text, fault, journal: false };
    Some(Moment { line, about: Some((entry.place.step.clone(), Some(entry.of))) })
}

fn in_words(reply: &Reply) -> (String, bool) {
    match reply {
        Reply::Answered(answer) => (answer.status.to_string(), answer.status >= 300),
        Reply::Lost { reason } => (format!("no answer: {reason}"), true),
        Reply::NotSent { reason } => (format!("it cannot be reached: {reason}"), true),
    }
}
