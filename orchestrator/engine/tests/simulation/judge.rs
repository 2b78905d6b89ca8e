//! The checker: the invariants of SEMANTICS §6, read from the journals, the wire log and the books of the services. Nothing here
//! asks the engine what it meant.

use std::collections::{BTreeMap, BTreeSet};

use amends_core::{
    definition::{Definition, Side, Undo},
    event::{Event, FailedStep, Recorded, Verdict},
    fold,
    ids::{CallId, Op, SagaId},
    summary::Status,
};
use amends_store::Head;

use crate::{
    run::Run,
    sagas::definition,
    services::{Did, Entry},
    world::Told,
};

/// Everything that is wrong with a run.
pub(crate) fn judge(run: &Run) -> Vec<String> {
    let mut wrongs = run.wrongs.clone();
    for (head, journal) in &run.sagas {
        let books: Vec<&Entry> = run.books.iter().filter(|entry| entry.saga == head.saga).collect();
        let laws = [
            of_the_rows(head, journal),
            of_the_calls(&definition(&head.name), head, journal),
            of_the_effects(head, journal, &books),
            of_the_barrier(&books),
            of_the_family(head, run),
        ];
        let broken = laws.into_iter().filter_map(Result::err);
        wrongs.extend(broken.map(|why| format!("{} ({}): {why}", head.saga, head.name)));
    }
    wrongs.extend(of_the_bytes(run).err());
    wrongs.extend(run.told.iter().filter_map(|told| was_kept(run, told).err()));
    wrongs
}

/// Invariants 2 and 7.
fn of_the_rows(head: &Head, journal: &[Recorded]) -> Result<(), String> {
    let ends = |row: &&Recorded| matches!(row.event, Event::SagaCompleted { .. } | Event::SagaCompensated);
    match journal.iter().filter(ends).count() {
        1 if journal.last().as_ref().is_some_and(ends) => {}
        0 => return Err(format!("it has not ended, it is {:?}", head.summary.status)),
        _ => return Err("there is more than one end, or something after it".to_owned()),
    }
    for (at, row) in journal.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &journal[before]);
        let epoch_is_lawful = match before {
            None => row.epoch == 1,
            // An adoption whose answer was lost may have been made: then the next one is two above.
            Some(before) if row.event == Event::Adopted => row.epoch > before.epoch,
            Some(before) => row.epoch == before.epoch,
        };
        if row.seq != at as u64 + 1 || !epoch_is_lawful {
            return Err(format!("row {} has seq {} and epoch {}", at + 1, row.seq, row.epoch));
        }
        if before.is_some_and(|before| before.at > row.at) {
            return Err(format!("time goes back at row {}", row.seq));
        }
    }
    let state = fold(head.saga, journal).map_err(|illegal| format!("the journal is not legal: {illegal}"))?;
    if state.summary() != head.summary || head.next_seq != journal.len() as u64 + 1 {
        return Err(format!("the journal folds to {:?}, and the row says {:?}", state.summary(), head.summary));
    }
    Ok(())
}

/// What a journal says of one call.
#[derive(Default)]
struct Call {
    attempts: u32,
    open: bool,
    accepted: bool,
    may_have_happened: bool,
    succeeded: bool,
    rejected: bool,
}

/// Invariant 5, and the point of no return.
fn of_the_calls(definition: &Definition, head: &Head, journal: &[Recorded]) -> Result<(), String> {
    let mut calls: BTreeMap<CallId, Call> = BTreeMap::new();
    let mut undoing = false;
    let mut pivot_unsettled = false;
    for row in journal {
        match &row.event {
            Event::CallIntended { call, attempt, pivot, .. } => {
                match call.op {
                    Op::Action if undoing => return Err(format!("{call} is intended after undoing began")),
                    Op::Action => {}
                    Op::Compensate => undo_is_lawful(definition, &calls, call)?,
                }
                let told = calls.entry(call.clone()).or_default();
                if told.open || told.succeeded || *attempt != told.attempts + 1 {
                    return Err(format!("{call} {attempt}: two attempts at once, or one too many"));
                }
                (told.attempts, told.open) = (*attempt, true);
                pivot_unsettled |= *pivot;
            }
            Event::CallSucceeded { call, .. } | Event::CallUnusable { call, .. } => {
                let told = calls.entry(call.clone()).or_default();
                (told.open, told.accepted, told.may_have_happened) = (false, false, true);
                told.succeeded = matches!(row.event, Event::CallSucceeded { .. });
            }
            Event::CallUnknown { call, .. } => {
                let told = calls.entry(call.clone()).or_default();
                (told.open, told.accepted, told.may_have_happened) = (false, false, true);
            }
            Event::CallAccepted { call, .. } => {
                let told = calls.entry(call.clone()).or_default();
                (told.open, told.accepted) = (false, true);
            }
            Event::CallbackReceived { call, .. } => calls.entry(call.clone()).or_default().accepted = false,
            Event::CallRejected { call, acked, .. } => {
                let pivot = definition.step(&call.step).is_some_and(|(_, step)| step.side == Side::Pivot);
                let told = calls.entry(call.clone()).or_default();
                (told.open, told.accepted, told.rejected) = (false, false, true);
                // Its barrier stands behind it.
                told.may_have_happened &= !(pivot && *acked);
                pivot_unsettled &= !pivot || told.may_have_happened;
            }
            Event::CallNotSent { call, .. } | Event::CallWithdrawn { call, .. } => {
                let pivot = definition.step(&call.step).is_some_and(|(_, step)| step.side == Side::Pivot);
                let told = calls.entry(call.clone()).or_default();
                told.open = false;
                pivot_unsettled &= !pivot || told.may_have_happened;
            }
            Event::StepFailed { step, index, how: FailedStep::Unresolved } => {
                let call = CallId { step: step.clone(), index: *index, op: Op::Action };
                let told = calls.entry(call).or_default();
                // What was accepted, and nobody knows what becomes of it.
                told.may_have_happened |= std::mem::take(&mut told.accepted);
            }
            Event::CompensationStarted { .. } => {
                if pivot_unsettled {
                    return Err("undoing began behind the point of no return".to_owned());
                }
                undoing = true;
            }
            _ => {}
        }
    }
    if head.summary.status == Status::Compensated {
        for (call, told) in calls.iter().filter(|(call, _)| call.op == Op::Action) {
            let undone = calls.get(&back(call)).is_some_and(|told| told.succeeded);
            let (_, step) = definition.step(&call.step).ok_or("a step that is not in the definition")?;
            if undone != (told.may_have_happened && matches!(step.undo(), Undo::Call(_))) {
                let not = if undone { "did not happen and is undone" } else { "may have happened and is not undone" };
                return Err(format!("{call} {not}"));
            }
        }
    }
    Ok(())
}

/// The call that undoes what this one did.
fn back(call: &CallId) -> CallId {
    CallId { op: Op::Compensate, ..call.clone() }
}

/// What depended on it is undone before it.
fn undo_is_lawful(definition: &Definition, calls: &BTreeMap<CallId, Call>, undo: &CallId) -> Result<(), String> {
    let (ix, _) = definition.step(&undo.step).ok_or("a step that is not in the definition")?;
    for (action, _) in calls.iter().filter(|(call, told)| call.op == Op::Action && told.may_have_happened) {
        let (_, step) = definition.step(&action.step).ok_or("a step that is not in the definition")?;
        let undone = calls.get(&back(action)).is_some_and(|told| told.succeeded);
        if step.ancestors.contains(&ix) && matches!(step.undo(), Undo::Call(_)) && !undone {
            return Err(format!("{undo} is made before {action}, which depended on it, is undone"));
        }
    }
    Ok(())
}

/// Invariants 1 and 3: what the services did, and what the saga's end says of it.
fn of_the_effects(head: &Head, journal: &[Recorded], books: &[&Entry]) -> Result<(), String> {
    let mut effects: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for entry in books {
        let (applied, undone) = effects.entry(&entry.unit).or_default();
        match entry.did {
            Did::Applied | Did::Finished => *applied += 1,
            Did::Undone => *undone += 1,
            Did::Refused | Did::NullUndo | Did::Fenced | Did::Replayed | Did::TooLate => {}
        }
    }
    let succeeded: BTreeSet<String> = journal
        .iter()
        .filter_map(|row| match &row.event {
            Event::CallSucceeded { call, .. } if call.op == Op::Action => Some(unit(call)),
            _ => None,
        })
        .collect();
    for (unit, (applied, undone)) in effects {
        let lawful = match head.summary.status {
            Status::Completed if succeeded.contains(unit) => (applied, undone) == (1, 0),
            Status::Completed => (applied, undone) == (0, 0),
            _ => applied == undone && applied <= 1,
        };
        if !lawful {
            let status = head.summary.status;
            return Err(format!("it is {status:?}, and {unit} was applied {applied} and undone {undone} times"));
        }
    }
    Ok(())
}

fn unit(call: &CallId) -> String {
    call.index.map_or_else(|| call.step.to_string(), |index| format!("{}[{index}]", call.step))
}

/// Invariants 6 and 7, from the books alone.
fn of_the_barrier(books: &[&Entry]) -> Result<(), String> {
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut undone: BTreeSet<&str> = BTreeSet::new();
    let mut refused: BTreeMap<&str, (u64, u32)> = BTreeMap::new();
    for entry in books {
        let unit = entry.unit.as_str();
        let seen = highest.entry(&entry.service).or_default();
        // What was accepted is finished under the epoch that it came with, whatever came since.
        let has_effect = matches!(entry.did, Did::Applied | Did::Undone | Did::NullUndo);
        if has_effect && entry.epoch < *seen {
            return Err(format!("the effect on {unit} carries epoch {}, and {seen} was seen before", entry.epoch));
        }
        if entry.did != Did::Fenced {
            *seen = (*seen).max(entry.epoch);
        }
        match entry.did {
            Did::Applied | Did::Finished if undone.contains(unit) => {
                return Err(format!("{unit} is applied after it was undone"));
            }
            Did::Applied | Did::Finished => {
                if refused.get(unit).is_some_and(|no| (entry.epoch, entry.attempt) <= *no) {
                    return Err(format!("{unit} was refused, and a copy of the same attempt is not"));
                }
            }
            Did::Undone | Did::NullUndo => {
                if !undone.insert(unit) {
                    return Err(format!("{unit} is undone twice"));
                }
            }
            Did::Refused => drop(refused.insert(unit, (entry.epoch, entry.attempt))),
            Did::Fenced | Did::Replayed | Did::TooLate => {}
        }
    }
    Ok(())
}

/// A family ends as one.
fn of_the_family(head: &Head, run: &Run) -> Result<(), String> {
    let Some(parent) = head.parent else { return Ok(()) };
    let (above, _) = run.sagas.iter().find(|(other, _)| other.saga == parent).ok_or("its parent is not there")?;
    if above.summary.status != head.summary.status && head.summary.status == Status::Completed {
        return Err(format!("it is completed, and its parent is {:?}", above.summary.status));
    }
    if above.summary.status == Status::Completed && head.summary.status != Status::Completed {
        return Err(format!("it is {:?}, and its parent is completed", head.summary.status));
    }
    Ok(())
}

/// Every attempt of a call sends the same bytes.
fn of_the_bytes(run: &Run) -> Result<(), String> {
    let mut digests: BTreeMap<(SagaId, &str, &str), &str> = BTreeMap::new();
    for sent in &run.wire {
        let before = digests.insert((sent.saga, &sent.unit, sent.op), &sent.digest);
        if before.is_some_and(|before| before != sent.digest) {
            return Err(format!("{} {} of {} does not send the same twice", sent.unit, sent.op, sent.saga));
        }
    }
    Ok(())
}

/// Invariants 8 and 9.
fn was_kept(run: &Run, told: &Told) -> Result<(), String> {
    let of = |saga: &SagaId| {
        let found = run.sagas.iter().find(|(head, _)| head.saga == *saga);
        found.ok_or_else(|| format!("{told:?} was acknowledged, and there is no such saga"))
    };
    let kept = match told {
        Told::Started { saga, name, .. } => of(saga)?.0.name.as_ref() == name,
        Told::Cancelled { saga, undoing } => {
            let (head, journal) = of(saga)?;
            let asked = journal.iter().any(|row| matches!(row.event, Event::CancelRequested { .. }));
            // A cancel that is only written down may come too late.
            !undoing || asked || head.summary.status == Status::Compensated
        }
        Told::Signalled { saga } => {
            let (head, journal) = of(saga)?;
            let received = journal.iter().any(|row| matches!(row.event, Event::SignalReceived { .. }));
            received || head.summary.status == Status::Compensated
        }
        Told::CalledBack { saga, unit: of_unit, succeeded } => {
            let (head, journal) = of(saga)?;
            let verdict = if *succeeded { Verdict::Succeeded } else { Verdict::Rejected };
            let received = journal.iter().any(|row| match &row.event {
                Event::CallbackReceived { call, verdict: said, .. } => unit(call) == *of_unit && *said == verdict,
                Event::CallSucceeded { call, .. } => *succeeded && unit(call) == *of_unit && call.op == Op::Action,
                Event::CallRejected { call, .. } => !succeeded && unit(call) == *of_unit,
                _ => false,
            });
            // One that is only written down may come too late.
            received || head.summary.status == Status::Compensated
        }
    };
    if kept { Ok(()) } else { Err(format!("{told:?} was acknowledged, and the journal does not have it")) }
}
