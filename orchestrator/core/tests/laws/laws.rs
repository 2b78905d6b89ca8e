//! The laws (SEMANTICS.md §6), read from a journal and from ledgers; nothing here asks `decide` what it meant.

use std::collections::{BTreeMap, BTreeSet};

use amends_core::{
    Callback, Input, Said, decide,
    definition::{Definition, Side, Step, StepIx, Undo},
    event::{Event, FailedStep, Probed, Recorded, Verdict},
    evolve,
    expr::{Segment, walk},
    fold,
    ids::{CallId, Op},
    state::{State, StepState},
    summary::Status,
    time::Time,
};
use serde_json::Value;

use crate::{plan::SETTLE, world::Ledger};

/// Invariant 1.
pub(crate) fn of_the_effects(
    definition: &Definition,
    state: &State,
    ledger: &BTreeMap<String, Ledger>,
) -> Result<(), String> {
    for (step, unit) in definition.steps.iter().flat_map(|step| units(step, state).map(move |unit| (step, unit))) {
        let Ledger { applied, undone } = ledger.get(&unit).copied().unwrap_or_default();
        let status = state.status;
        let lawful = match (status, step.undo()) {
            (Status::Completed, _) if !runs(step, state) => (applied, undone) == (0, 0),
            _ if step.call().is_none() => (applied, undone) == (0, 0),
            (Status::Completed, _) => (applied, undone) == (1, 0),
            (Status::Compensated, Undo::Call(_)) => applied == undone && applied <= 1,
            (Status::Compensated, Undo::Nothing { .. }) => applied <= 1 && undone == 0,
            (Status::Compensated, Undo::Child | Undo::Never) => (applied, undone) == (0, 0),
            _ => false,
        };
        if !lawful {
            let never = if matches!(step.undo(), Undo::Never) { ", which is never undone, was applied" } else { "" };
            return Err(format!("{status:?}, but {unit}{never}: applied {applied} and undone {undone}"));
        }
    }
    Ok(())
}

/// What a step has effects of its own for: itself, or each item.
fn units(step: &Step, state: &State) -> std::vec::IntoIter<String> {
    let items = match (step.call().and_then(|call| call.each.as_ref()), state.step(&step.name)) {
        (None, _) => vec![step.name.to_string()],
        (Some(_), Some(StepState::Each(each))) => {
            (0..each.items.len()).map(|index| format!("{}[{index}]", step.name)).collect()
        }
        (Some(_), _) => vec![],
    };
    items.into_iter()
}

/// What the step's `if` says of this saga: nothing of a step that does not run may happen.
fn runs(step: &Step, state: &State) -> bool {
    let input = |path: &[Segment]| walk(&state.started.input, &path[1..]).cloned();
    step.condition.as_ref().is_none_or(|condition| condition.evaluate(&input) == Ok(Value::Bool(true)))
}

/// A step begins only when everything that it needs is done.
fn begin_is_lawful(definition: &Definition, done: &BTreeSet<&str>, name: &str) -> Result<(), String> {
    let (_, step) = definition.step(&name.into()).ok_or("a step that is not in the definition")?;
    match step.needs.iter().map(|need| definition.steps[*need].name.as_str()).find(|need| !done.contains(need)) {
        Some(need) => Err(format!("{name} begins before {need} is done")),
        None => Ok(()),
    }
}

/// Invariant 8 for signals: what was acknowledged is there, in its order, and each is taken by one step, the first first.
pub(crate) fn of_the_signals(journal: &[Recorded], acknowledged: &[(String, Value)]) -> Result<(), String> {
    let received: Vec<(String, Value)> = journal
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::SignalReceived { signal, payload, .. } => Some((signal.to_string(), Value::clone(payload))),
            _ => None,
        })
        .collect();
    if received != acknowledged {
        return Err(format!("{acknowledged:?} were acknowledged, and the journal has {received:?}"));
    }
    let mut left = received;
    for recorded in journal {
        if let Event::SignalTaken { step, signal, output } = &recorded.event {
            let oldest = left.iter().position(|(name, _)| name == signal.as_str());
            match oldest.map(|at| left.remove(at)) {
                Some((_, payload)) if payload == **output => {}
                other => return Err(format!("{step} took {output} and not {other:?}, which came first")),
            }
        }
    }
    Ok(())
}

/// Invariant 8 for callbacks: what was acknowledged is there, once, and says what it said.
pub(crate) fn of_the_callbacks(journal: &[Recorded], acknowledged: &[Callback]) -> Result<(), String> {
    let received = journal.iter().filter_map(|recorded| match &recorded.event {
        Event::CallbackReceived { call, verdict, .. } => Some((call.clone(), *verdict)),
        _ => None,
    });
    let verdict = |said: &Said| match said {
        Said::Succeeded { .. } => Verdict::Succeeded,
        Said::Rejected { .. } => Verdict::Rejected,
    };
    let acknowledged: Vec<_> = acknowledged.iter().map(|one| (one.call.clone(), verdict(&one.said))).collect();
    let received: Vec<_> = received.collect();
    if received == acknowledged {
        return Ok(());
    }
    Err(format!("callbacks {acknowledged:?} were acknowledged, and the journal has {received:?}"))
}

/// What a journal says of one call.
#[derive(Default)]
struct Told {
    intended: u32,
    open: bool,
    /// Until then it may be decided.
    accepted: Option<Time>,
    /// It was called back, and with what.
    called_back: Option<Verdict>,
    may_have_happened: bool,
    succeeded: bool,
    /// Its step, or item, has failed.
    over: bool,
    /// An attempt is unknown, and nobody has said that it was not applied.
    in_doubt: bool,
    /// A probe found it applied.
    found: bool,
    /// It is asked after since then.
    asked_since: Option<Time>,
}

/// Invariants 2, 5 and 7, and the rules of the pivot.
pub(crate) fn of_the_journal(definition: &Definition, journal: &[Recorded], state: &State) -> Result<(), String> {
    of_the_rows(journal)?;
    let folded = fold(state.saga, journal).map_err(|illegal| illegal.to_string())?;
    if folded != *state || folded.summary() != state.summary() {
        return Err("the journal does not fold to the state".to_owned());
    }
    any_prefix_can_be_decided_on(definition, journal)?;

    let index: BTreeMap<&str, StepIx> =
        definition.steps.iter().enumerate().map(|(ix, step)| (step.name.as_str(), ix)).collect();
    let mut told: BTreeMap<CallId, Told> = BTreeMap::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut waits: BTreeMap<&str, Time> = BTreeMap::new();
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut undoing, mut pivot_intended, mut pivot_settled) = (false, false, false);
    for recorded in journal {
        match &recorded.event {
            Event::CallIntended { call, attempt, pivot, .. } => {
                let step = &definition.steps[index[call.step.as_str()]];
                match call.op {
                    Op::Action if undoing => return Err(format!("{call} is intended after undoing began")),
                    Op::Action if !runs(step, state) => return Err(format!("{call} is made although its if is false")),
                    Op::Action => begin_is_lawful(definition, &done, call.step.as_str())?,
                    Op::Compensate => undo_is_lawful(definition, &told, call, index[call.step.as_str()])?,
                }
                if *pivot != (call.op == Op::Action && step.side == Side::Pivot) {
                    return Err(format!("{call} is wrong about being the pivot's"));
                }
                pivot_intended |= *pivot;
                items_are_lawful(step, &told, call)?;
                let told = told.entry(call.clone()).or_default();
                if told.open
                    || told.succeeded
                    || told.accepted.is_some()
                    || told.called_back.is_some()
                    || *attempt != told.intended + 1
                {
                    return Err(format!("{call} {attempt}: two attempts at once, or one too many"));
                }
                if call.op == Op::Action && told.in_doubt && step.call().is_some_and(|call| !call.idempotent) {
                    return Err(format!("{call} {attempt} is sent twice, and nobody said that it was not applied"));
                }
                (told.intended, told.open) = (*attempt, true);
            }
            Event::CallPostponed { call, .. } => {
                let step = &definition.steps[index[call.step.as_str()]];
                if undoing || step.call().is_none_or(|call| call.idempotent) {
                    return Err(format!("{call} is postponed for nothing"));
                }
            }
            Event::ProbeIntended { call, .. } => {
                let told = told.entry(call.clone()).or_default();
                if undoing || told.open || !told.may_have_happened {
                    return Err(format!("{call} is asked after, and it is under way or never was"));
                }
                told.asked_since = Some(recorded.at);
            }
            Event::CallProbed { call, verdict, .. } => {
                let step = &definition.steps[index[call.step.as_str()]];
                let told = told.entry(call.clone()).or_default();
                let Some(since) = told.asked_since.filter(|_| !undoing) else {
                    return Err(format!("{call} was not asked after"));
                };
                told.found = *verdict == Probed::Applied;
                if *verdict == Probed::NotApplied {
                    if recorded.at < since + SETTLE {
                        return Err(format!("{call} is believed not to be applied before it has settled"));
                    }
                    told.in_doubt = false;
                    // A rejection that came after it is final.
                    pivot_settled |= step.side == Side::Pivot;
                }
            }
            Event::CallSucceeded { call, .. } => {
                let one = told.entry(call.clone()).or_default();
                if one.called_back == Some(Verdict::Rejected) || (one.called_back.is_none() && !one.open && !one.found)
                {
                    return Err(format!("{call} succeeds, and nobody said so"));
                }
                (one.open, one.succeeded, one.may_have_happened) = (false, true, true);
                one.accepted = None;
                let succeeded = told_of(&told, call.step.as_str(), call.op).filter(|(_, told)| told.succeeded).count();
                if call.index.is_none() || listed.get(call.step.as_str()) == Some(&succeeded) {
                    done.insert(call.step.as_str());
                }
            }
            Event::ItemsListed { step, items } => {
                begin_is_lawful(definition, &done, step.as_str())?;
                if listed.insert(step.as_str(), items.len()).is_some() || undoing {
                    return Err(format!("{step} lists its items twice, or too late"));
                }
                if items.is_empty() {
                    done.insert(step.as_str());
                }
            }
            Event::CallUnusable { call, .. } | Event::CallUnknown { call, .. } => {
                let told = told.entry(call.clone()).or_default();
                (told.open, told.may_have_happened, told.in_doubt, told.accepted) = (false, true, true, None);
                // What was said before was about the attempts before.
                pivot_settled &= definition.steps[index[call.step.as_str()]].side != Side::Pivot;
            }
            Event::CallAccepted { call, until, .. } => {
                let later = definition.steps[index[call.step.as_str()]].call().and_then(|call| call.verdict_within);
                let told = told.entry(call.clone()).or_default();
                if !told.open || call.op == Op::Compensate || later.map(|later| recorded.at + later) != Some(*until) {
                    return Err(format!("{call} is accepted, and was not asked, or for another time"));
                }
                (told.open, told.accepted) = (false, Some(*until));
            }
            Event::CallbackReceived { call, verdict, .. } => {
                let told = told.entry(call.clone()).or_default();
                let over = told.intended == 0 || told.succeeded || told.over;
                if over || told.called_back.replace(*verdict).is_some() {
                    return Err(format!("{call} is called back twice, or is not under way"));
                }
            }
            Event::CallRejected { call, acked, .. } => {
                let told = told.entry(call.clone()).or_default();
                (told.open, told.accepted) = (false, None);
                let pivot = definition.steps[index[call.step.as_str()]].side == Side::Pivot;
                if pivot && *acked {
                    // Its barrier stands behind it.
                    told.may_have_happened = false;
                }
                pivot_settled |= pivot && !told.may_have_happened;
            }
            Event::CallNotSent { call, .. } | Event::CallWithdrawn { call, .. } => {
                let told = told.entry(call.clone()).or_default();
                told.open = false;
                let pivot = definition.steps[index[call.step.as_str()]].side == Side::Pivot;
                pivot_settled |= pivot && !told.may_have_happened;
            }
            Event::StepSkipped { step } => {
                begin_is_lawful(definition, &done, step.as_str())?;
                if undoing || runs(&definition.steps[index[step.as_str()]], state) {
                    return Err(format!("{step} is skipped although its if is not false"));
                }
                done.insert(step.as_str());
            }
            Event::SleepStarted { step, until } | Event::AwaitStarted { step, until, .. } => {
                begin_is_lawful(definition, &done, step.as_str())?;
                if undoing || !runs(&definition.steps[index[step.as_str()]], state) {
                    return Err(format!("{step} waits although its if is false, or the saga is undone"));
                }
                if waits.insert(step.as_str(), *until).is_some() || done.contains(step.as_str()) {
                    return Err(format!("{step} waits twice"));
                }
            }
            Event::StepFailed { step, index, how }
                if listed.contains_key(step.as_str()) || !waits.contains_key(step.as_str()) =>
            {
                let action = CallId { step: step.clone(), index: *index, op: Op::Action };
                let told = told.entry(action).or_default();
                told.over = true;
                if let Some(until) = told.accepted.take() {
                    // Nobody knows what becomes of it.
                    told.may_have_happened = true;
                    let overdue = until <= recorded.at && !pivot_intended;
                    if *how != FailedStep::Unresolved || !(undoing || overdue) {
                        return Err(format!("{step} was accepted, and is given up before its time"));
                    }
                }
            }
            Event::SleepEnded { step } => match waits.remove(step.as_str()) {
                Some(until) if until <= recorded.at => drop(done.insert(step.as_str())),
                until => return Err(format!("{step} has slept until {until:?}, and that is not over")),
            },
            Event::SignalTaken { step, .. } => match waits.remove(step.as_str()) {
                Some(_) => drop(done.insert(step.as_str())),
                None => return Err(format!("{step} takes a signal and does not wait")),
            },
            Event::StepFailed { step, how: FailedStep::TimedOut, .. } => match waits.remove(step.as_str()) {
                Some(until) if until <= recorded.at && !pivot_intended => {}
                _ => return Err(format!("{step} times out before its time, or behind the pivot")),
            },
            Event::StepFailed { step, how: FailedStep::CutShort, .. } => match waits.remove(step.as_str()) {
                Some(_) if undoing => {}
                _ => return Err(format!("{step} is cut short and does not wait, or nothing has failed")),
            },
            Event::SagaCompleted { .. } | Event::SagaCompensated if !waits.is_empty() => {
                return Err(format!("it ends while {:?} wait", waits.keys()));
            }
            Event::CompensationStarted { .. } => {
                if pivot_intended && !pivot_settled {
                    return Err("undoing began behind the point of no return".to_owned());
                }
                undoing = true;
            }
            _ => {}
        }
    }
    if state.past_return != pivot_intended {
        return Err("the state is wrong about the point of no return".to_owned());
    }
    if state.status == Status::Compensated {
        for (call, action) in told.iter().filter(|(call, _)| call.op == Op::Action) {
            let undone = told.get(&back(call)).is_some_and(|told| told.succeeded);
            let step = &definition.steps[index[call.step.as_str()]];
            let owed = action.may_have_happened && matches!(step.undo(), Undo::Call(_));
            if owed != undone {
                let not = if owed { "may have happened and is not undone" } else { "did not happen and is undone" };
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

fn told_of<'t>(
    told: &'t BTreeMap<CallId, Told>,
    step: &'t str,
    op: Op,
) -> impl Iterator<Item = (&'t CallId, &'t Told)> {
    told.iter().filter(move |(call, _)| call.step.as_str() == step && call.op == op)
}

/// Items begin in their order and are undone against it, not more at once than the definition says.
fn items_are_lawful(step: &Step, told: &BTreeMap<CallId, Told>, call: &CallId) -> Result<(), String> {
    let Some(each) = step.call().and_then(|call| call.each.as_ref()) else { return Ok(()) };
    if told.contains_key(call) {
        return Ok(());
    }
    let under_way =
        told_of(told, step.name.as_str(), call.op).filter(|(_, told)| !told.succeeded && !told.over).count();
    if under_way >= each.concurrency as usize {
        return Err(format!("{call} is begun while {under_way} others are under way"));
    }
    let index = call.index.unwrap_or_default();
    let skipped = match call.op {
        Op::Action => (0..index).find(|before| !told.contains_key(&CallId { index: Some(*before), ..call.clone() })),
        Op::Compensate => told_of(told, step.name.as_str(), Op::Action)
            .filter(|(action, told_of_it)| {
                action.index > call.index && told_of_it.may_have_happened && !told.contains_key(&back(action))
            })
            .find_map(|(action, _)| action.index),
    };
    match skipped {
        Some(other) => Err(format!("{call} is begun before item {other}")),
        None => Ok(()),
    }
}

fn undo_is_lawful(
    definition: &Definition,
    told: &BTreeMap<CallId, Told>,
    undo: &CallId,
    ix: StepIx,
) -> Result<(), String> {
    let action = CallId { op: Op::Action, ..undo.clone() };
    if !told.get(&action).is_some_and(|told| told.may_have_happened) {
        return Err(format!("{undo} is made and its action did not happen"));
    }
    if let Some((call, _)) = told.iter().find(|(call, told)| call.op == Op::Action && told.open) {
        return Err(format!("{undo} is made while {call} is on the wire"));
    }
    for later in definition.steps.iter().filter(|later| later.ancestors.contains(&ix)) {
        let owed = told_of(told, later.name.as_str(), Op::Action).filter(|(_, told)| told.may_have_happened);
        let mut left = owed.filter(|(action, _)| !told.get(&back(action)).is_some_and(|told| told.succeeded));
        if let (Undo::Call(_), Some((action, _))) = (later.undo(), left.next()) {
            return Err(format!("{undo} is made before {action}, which depended on it, is undone"));
        }
    }
    Ok(())
}

fn of_the_rows(journal: &[Recorded]) -> Result<(), String> {
    let ends = |event: &Event| matches!(event, Event::SagaCompleted { .. } | Event::SagaCompensated);
    let terminal: BTreeSet<usize> = (0..journal.len()).filter(|at| ends(&journal[*at].event)).collect();
    if terminal.len() > 1 || terminal.first().is_some_and(|at| at + 1 != journal.len()) {
        return Err("there is more than one end, or something after it".to_owned());
    }
    for (at, recorded) in journal.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &journal[before]);
        let adopted = u64::from(recorded.event == Event::Adopted);
        let epoch = before.map_or(1, |before| before.epoch + adopted);
        if recorded.seq != at as u64 + 1 || recorded.epoch != epoch {
            return Err(format!("row {at} has seq {} and epoch {}", recorded.seq, recorded.epoch));
        }
        if before.is_some_and(|before| before.at > recorded.at) {
            return Err(format!("time goes back at row {at}"));
        }
    }
    Ok(())
}

/// Wherever a journal ends, it can be folded and gone on with; whatever then comes makes a journal that folds.
fn any_prefix_can_be_decided_on(definition: &Definition, journal: &[Recorded]) -> Result<(), String> {
    let Some((first, rest)) = journal.split_first() else { return Err("an empty journal".to_owned()) };
    let saga = amends_core::ids::SagaId(uuid::Uuid::from_u128(11));
    let mut state = amends_core::begin_state(saga, first).map_err(|illegal| illegal.to_string())?;
    for (nth, recorded) in rest.iter().enumerate() {
        let input = match nth % 4 {
            0 => Input::TimePassed,
            1 => Input::Adopted { epoch: state.epoch + 1 },
            2 => Input::CancelRequested { reason: None },
            _ => Input::Released,
        };
        let now = state.updated_at + std::time::Duration::from_secs(nth as u64 * 30);
        let decided = decide(definition, &state, input, now);
        decided.iter().try_fold(state.clone(), evolve).map_err(|illegal| illegal.to_string())?;
        state = evolve(state, recorded).map_err(|illegal| illegal.to_string())?;
    }
    Ok(())
}
