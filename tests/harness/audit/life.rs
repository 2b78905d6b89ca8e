//! Invariant 2: a journal is one legal life, and the row beside it says the same. Folds the journal on its own, without
//! core's `evolve`, and keeps what the other checks ask.

mod begin;
mod callbacks;
mod family;
mod probes;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::family::Stands;
use self::{
    begin::{begin_without_call, intend, list, wait},
    family::Kid,
};
use super::{
    Case, Found,
    journal::{Cause, Event, How, Recorded, Row, Saga, Verdict},
    shape::{Shape, Undone},
    waits::Waits,
};
use uuid::Uuid;

use crate::words::{Call, Op};

/// Where a saga stands, and how it got there.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) status: Status,
    /// Calls of which the journal has heard.
    pub(super) calls: BTreeMap<Call, CallLife>,
    /// By the action of the step, or of the item.
    failed: BTreeMap<Call, How>,
    /// Children, by the action of the step or item that runs them.
    pub(super) kids: BTreeMap<Call, Kid>,
    /// Its parent, and the parent's step that it is.
    pub(super) parent: Option<(Uuid, Call)>,
    /// Its parent has said that nothing undoes it any more.
    settled: bool,
    /// How many items a step calls for.
    pub(super) items: BTreeMap<String, usize>,
    pub(super) skipped: BTreeSet<String>,
    /// They cannot begin.
    refused: BTreeSet<String>,
    waits: Waits,
    attention: BTreeSet<Call>,
    pub(super) epoch: u64,
    /// The owner has let go: only an adoption may follow.
    pub(super) released: bool,
    /// The intent of the pivot's call is there: cancel and deadline have no effect any more.
    past_return: bool,
    started_at: i64,
    deadline_at: Option<i64>,
    /// Since when it waits for a lock.
    lock_since: Option<i64>,
    /// So many locks it has still to take.
    locks_owed: usize,
    ended_at: Option<i64>,
    last_at: i64,
    last_seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    /// Its forward path is done.
    Succeeded,
    Compensating,
    Completed,
    Compensated,
}

impl Status {
    pub(super) fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
        }
    }
}

/// One call with its attempts.
#[derive(Debug, Default)]
pub(super) struct CallLife {
    /// Numbered from 1 without gaps.
    pub(super) attempts: Vec<Attempt>,
    halted: bool,
    /// What its participant called back, and whether what follows from it is still to be said.
    called_back: Option<(Verdict, bool)>,
    /// What stands between the last attempt and the next.
    between: Between,
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Of its intent.
    pub(super) seq: u64,
    pub(super) at: i64,
    /// Those under which it may be sent: that of its intent, and later ones if it stood over an adoption.
    pub(super) epochs: Vec<u64>,
    /// It was open at an adoption and may have left: it can only be unknown.
    doubtful: bool,
    /// It was accepted, to be decided by then; `Some(None)`: past its time, from the pivot on.
    pub(super) accepted: Option<Option<i64>>,
    pub(super) due_at: i64,
    pub(super) request: String,
    /// What it came to and in which row.
    pub(super) outcome: Option<(Outcome, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Unusable,
    Rejected { acked: bool },
    NotSent,
    Unknown,
    Withdrawn,
}

/// What is known between two attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Between {
    #[default]
    Nothing,
    /// The next one is intended at that time; a probe had said that the one before was not applied.
    Postponed {
        until: i64,
        settled: bool,
    },
    /// It is asked after.
    Asked {
        due_at: i64,
    },
    Applied,
    NotApplied,
}

impl CallLife {
    fn open(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.outcome.is_none() && attempt.accepted.is_none())
    }

    fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        self.attempts.iter().filter_map(|attempt| attempt.outcome.map(|(outcome, _)| outcome))
    }

    /// The row that says it succeeded.
    pub(super) fn succeeded(&self) -> Option<u64> {
        self.attempts.iter().find_map(|attempt| match attempt.outcome {
            Some((Outcome::Succeeded, seq)) => Some(seq),
            _ => None,
        })
    }

    /// It happened or may have: what it did has to be undone if the saga is.
    pub(super) fn may_have_happened(&self) -> bool {
        self.outcomes().any(|outcome| matches!(outcome, Outcome::Succeeded | Outcome::Unusable | Outcome::Unknown))
    }
}

impl Life {
    pub(super) fn call(&self, call: &Call) -> Option<&CallLife> {
        self.calls.get(call)
    }

    pub(super) fn needs_attention(&self) -> bool {
        !self.attention.is_empty()
    }

    /// Calls that have to be undone if the saga is.
    pub(super) fn to_undo<'s>(&'s self, shape: &'s Shape) -> impl Iterator<Item = &'s Call> {
        self.calls
            .iter()
            .filter(|(call, life)| call.op == Op::Action && life.may_have_happened())
            .filter(|(call, _)| shape.step(&call.step).is_some_and(|step| step.undone == Undone::ByCall))
            .map(|(call, _)| call)
    }

    fn action_succeeded(&self, step: &str) -> bool {
        let of_it = |call: &Call| call.op == Op::Action && call.step == step;
        let succeeded = self.calls.iter().filter(|(call, life)| of_it(call) && life.succeeded().is_some()).count();
        let done = |kid: &Kid| matches!(kid.stands, Stands::Succeeded | Stands::Settled);
        let children = self.kids.iter().filter(|(call, kid)| of_it(call) && done(kid)).count();
        succeeded + children == self.items.get(step).copied().unwrap_or(1)
    }

    /// It succeeded, or its `if` was false.
    fn done(&self, step: &str) -> bool {
        self.skipped.contains(step) || self.waits.done.contains(step) || self.action_succeeded(step)
    }

    fn wake_at(&self) -> Option<i64> {
        let due =
            self.calls.values().filter(|call| !call.halted).filter_map(|call| call.open().map(|open| open.due_at));
        let between = self.calls.values().filter_map(|call| match call.between {
            Between::Postponed { until, .. } => Some(until),
            Between::Asked { due_at } => Some(due_at),
            Between::Nothing | Between::Applied | Between::NotApplied => None,
        });
        let waits = self.waits.open.values().filter_map(|wait| wait.until);
        let accepted = self.calls.values().filter_map(|call| call.accepted().flatten());
        // Asleep behind others it looks for itself after as long again as it has waited: a minute at least, an hour at most. Nobody
        // knows of one that has no place yet: it looks at once.
        let look =
            |since: Option<i64>| since.map_or(0, |since| (self.last_at - since).clamp(60_000_000, 3_600_000_000));
        let waits_for_lock = self.locks_owed > 0 && self.status == Status::Running;
        let lock = waits_for_lock.then(|| self.last_at + look(self.lock_since));
        due.chain(waits)
            .chain(accepted)
            .chain(between)
            .chain(lock)
            .chain(family::due(self))
            .chain(self.deadline_at.filter(|_| self.status == Status::Running && !self.past_return))
            .min()
    }
}

/// Folds a journal, noting everything that may not follow.
pub(super) fn live(saga: &Saga, shape: &Shape, found: &mut Found) -> Life {
    let mut life = Life {
        status: Status::Running,
        calls: BTreeMap::new(),
        failed: BTreeMap::new(),
        kids: BTreeMap::new(),
        parent: None,
        settled: false,
        items: BTreeMap::new(),
        skipped: BTreeSet::new(),
        refused: BTreeSet::new(),
        waits: Waits::default(),
        attention: BTreeSet::new(),
        epoch: saga.journal.first().map_or(1, |first| first.epoch),
        released: false,
        past_return: false,
        started_at: saga.journal.first().map_or(0, |first| first.at),
        deadline_at: None,
        lock_since: None,
        locks_owed: 0,
        ended_at: None,
        last_at: i64::MIN,
        last_seq: 0,
    };
    found.unless(!saga.journal.is_empty(), 2, || format!("saga {}: its journal is empty", saga.id));
    for recorded in &saga.journal {
        let place = format!("saga {} seq {}", saga.id, recorded.seq);
        frame(&life, recorded, &place, found);
        if let Err(why) = step(&mut life, recorded, shape) {
            found.add(2, format!("{place}: {:?}: {why}", recorded.event));
        }
        life.epoch = recorded.epoch;
        life.last_seq = recorded.seq;
        life.last_at = recorded.at;
    }
    life
}

/// What is asked of every row, whatever it says.
fn frame(life: &Life, recorded: &Recorded, place: &str, found: &mut Found) {
    let Recorded { seq, epoch, at, event } = recorded;
    found.unless(*seq == life.last_seq + 1, 2, || format!("{place} follows seq {}", life.last_seq));
    found.unless(*at >= life.last_at, 2, || format!("{place} was decided before the row before it"));
    found.unless(!life.status.is_terminal(), 2, || format!("{place}: {event:?} after the end"));
    found
        .unless(!life.released || *event == Event::Adopted, 2, || format!("{place}: {event:?} after the owner let go"));
    found.unless((*seq == 1) == matches!(event, Event::SagaStarted { .. }), 2, || {
        format!("{place}: a journal begins with saga_started and has no other")
    });
    let legal = match event {
        Event::Adopted => *epoch > life.epoch,
        _ => *epoch == life.epoch,
    };
    found.unless(legal, 7, || format!("{place}: epoch {epoch} after {} in {event:?}", life.epoch));
}

fn step(life: &mut Life, recorded: &Recorded, shape: &Shape) -> Result<(), String> {
    match &recorded.event {
        Event::SagaStarted { deadline_at, parent, locks, .. } => {
            life.locks_owed = locks.len();
            life.deadline_at = *deadline_at;
            life.parent = parent
                .as_ref()
                .map(|parent| (parent.saga, Call { step: parent.step.clone(), index: parent.index, op: Op::Action }));
        }
        Event::Adopted => adopt(life, recorded),
        Event::Released => life.released = true,
        Event::CallIntended { call, attempt, due_at, request } => {
            intend(life, shape, call)?;
            probes::intend(life, shape, call, *due_at, recorded.at)?;
            let before = life.calls.entry(call.clone()).or_default();
            let next = Attempt {
                seq: recorded.seq,
                at: recorded.at,
                epochs: vec![recorded.epoch],
                doubtful: false,
                accepted: None,
                due_at: *due_at,
                request: request.clone(),
                outcome: None,
            };
            let other = before.attempts.last().is_some_and(|before| before.request != next.request);
            before.attempts.push(next);
            (before.halted, before.between) = (false, Between::Nothing);
            life.past_return |= call.op == Op::Action && shape.step(&call.step).is_some_and(|step| step.pivot);
            if before.attempts.len() != *attempt as usize {
                return Err("attempts are counted from 1 without gaps".to_owned());
            }
            if other {
                return Err("every attempt of a call sends the same bytes".to_owned());
            }
        }
        Event::CallSucceeded { call, attempt } => {
            life.attention.remove(call);
            close(life, recorded, call, *attempt, Outcome::Succeeded)?;
        }
        Event::CallUnusable { call, attempt } => close(life, recorded, call, *attempt, Outcome::Unusable)?,
        Event::CallRejected { call, attempt, acked } => {
            close(life, recorded, call, *attempt, Outcome::Rejected { acked: *acked })?;
        }
        Event::CallNotSent { call, attempt } => close(life, recorded, call, *attempt, Outcome::NotSent)?,
        Event::CallUnknown { call, attempt } => close(life, recorded, call, *attempt, Outcome::Unknown)?,
        Event::CallAccepted { call, attempt, until } => {
            callbacks::accept(life, recorded, shape, call, *attempt, *until)?
        }
        Event::CallbackReceived { call, verdict } => callbacks::receive(life, call, *verdict)?,
        Event::CallWithdrawn { call, attempt } => close(life, recorded, call, *attempt, Outcome::Withdrawn)?,
        Event::CallPostponed { call, until } => probes::postpone(life, shape, call, *until)?,
        Event::ProbeIntended { call, attempt, due_at } => probes::ask(life, shape, call, *attempt, *due_at)?,
        Event::CallProbed { call, attempt, verdict, due_at } => {
            probes::answer(life, call, *attempt, *verdict, *due_at)?;
        }
        Event::CallRefused { call } if shape.step(&call.step).is_some_and(|step| step.saga.is_some()) => {
            family::refused(life, call)?;
        }
        Event::ChildIntended { call, child } => family::intended(life, shape, call, *child)?,
        Event::ChildPinned { call } => family::becomes(life, call, &[Stands::Intended], Stands::UnderWay)?,
        Event::ChildSucceeded { call } => {
            life.attention.remove(call);
            family::becomes(life, call, &[Stands::UnderWay], Stands::Succeeded)?;
        }
        Event::ChildUnusable { call } => family::becomes(life, call, &[Stands::UnderWay], Stands::Unusable)?,
        Event::ChildUndoIntended { call } => family::undo(life, shape, call, recorded.seq)?,
        Event::ChildCompensated { call } => family::compensated(life, call, recorded.seq)?,
        Event::ChildSettled { call } => {
            family::becomes(life, call, &[Stands::Succeeded, Stands::Unusable], Stands::Settled)?;
        }
        Event::SagaSucceeded {} => {
            let undone = shape.steps.iter().find(|step| !life.done(&step.name));
            over(life, Status::Running, Status::Succeeded)?;
            if let Some(step) = undone {
                return Err(format!("step {} is not done", step.name));
            }
        }
        Event::SettledByParent => {
            if life.status != Status::Succeeded || life.parent.is_none() || life.settled {
                return Err("only a child that is done is settled, and once".to_owned());
            }
            life.settled = true;
        }
        Event::CallRefused { call } => life.calls.entry(call.clone()).or_default().halted = true,
        Event::StepSkipped { step } => {
            begin_without_call(life, shape, step)?;
            life.skipped.insert(step.clone());
        }
        Event::StepRefused { step } => {
            begin_without_call(life, shape, step)?;
            life.refused.insert(step.clone());
        }
        Event::SleepStarted { step, until } => wait(life, shape, step, None, *until)?,
        Event::AwaitStarted { step, signal, until } => wait(life, shape, step, Some(signal), *until)?,
        Event::SleepEnded { step } => life.waits.slept(step, recorded.at)?,
        Event::SignalReceived { signal, key, payload } => {
            if life.status != Status::Running {
                return Err("nothing awaits it".to_owned());
            }
            life.waits.receive(signal, key.as_deref(), payload)?;
        }
        Event::SignalTaken { step, signal } => {
            life.attention.remove(&Call::action(step));
            life.waits.take(step, signal)?;
        }
        Event::ItemsListed { step, items } => list(life, shape, step, items.len())?,
        // What they are about is looked at over all sagas.
        Event::LockQueued { .. } if life.status == Status::Running => life.lock_since = Some(recorded.at),
        Event::LockTaken { .. } if life.status == Status::Running => {
            life.lock_since = None;
            life.locks_owed = life.locks_owed.saturating_sub(1);
        }
        Event::LockQueued { .. } | Event::LockTaken { .. } => return Err("only a running saga takes locks".to_owned()),
        Event::StepFailed { step, how: how @ (How::TimedOut | How::CutShort), .. } => {
            life.waits.fail(step, *how, recorded.at, life.status == Status::Running)?;
            life.failed.insert(Call::action(step), *how);
        }
        Event::StepFailed { step, index, how } => {
            let action = Call { step: step.clone(), index: *index, op: Op::Action };
            callbacks::give_up(life, recorded, &action)?;
            fail(life, shape, &action, *how)?;
        }
        Event::AttentionRaised { call, reason } => {
            life.attention.insert(call.clone());
            let halts = !matches!(reason.as_str(), "attempts_exhausted" | "stale_epoch" | "other_body" | "timed_out");
            match life.calls.get_mut(call) {
                Some(under_way) if reason == "timed_out" => callbacks::overdue(under_way, recorded.at)?,
                Some(under_way) => under_way.halted |= halts,
                None if call.op == Op::Action && life.refused.contains(&call.step) => {}
                None if life.kids.contains_key(call) => {}
                None if reason == "timed_out" => life.waits.goes_on(&call.step, recorded.at)?,
                None => return Err("attention is about a call under way".to_owned()),
            }
        }
        Event::CancelRequested {} if life.status == Status::Running => before_pivot(life)?,
        Event::CancelRequested {} => return Err("only a running saga is cancelled".to_owned()),
        Event::CompensationStarted { cause } => {
            let told = *cause == Cause::UndoneByParent && life.status == Status::Succeeded && !life.settled;
            if life.status != Status::Running && !told {
                return Err("only a running saga turns back, or a child that its parent tells to".to_owned());
            }
            turn_back(life, cause)?;
            life.status = Status::Compensating;
        }
        Event::SagaCompleted {} => {
            let undone = shape.steps.iter().find(|step| !life.done(&step.name));
            if life.parent.is_some() && !life.settled {
                return Err("its parent has not settled it".to_owned());
            }
            let unsettled = |kid: &&Kid| matches!(kid.stands, Stands::Succeeded | Stands::Unusable);
            if let Some(kid) = life.kids.values().find(unsettled) {
                return Err(format!("its child {} is not settled", kid.saga));
            }
            let from = if life.status == Status::Succeeded { Status::Succeeded } else { Status::Running };
            end(life, recorded, from, Status::Completed)?;
            if let Some(step) = undone {
                return Err(format!("step {} is not done", step.name));
            }
        }
        Event::SagaCompensated => {
            end(life, recorded, Status::Compensating, Status::Compensated)?;
        }
    }
    Ok(())
}

/// What is open may have left, unless it was not due yet or its owner let go in good order.
fn adopt(life: &mut Life, recorded: &Recorded) {
    let released = std::mem::replace(&mut life.released, false);
    let open = life.calls.values_mut().filter_map(|call| call.attempts.last_mut());
    for attempt in open.filter(|attempt| attempt.outcome.is_none() && attempt.accepted.is_none()) {
        if released || attempt.due_at > recorded.at {
            attempt.epochs.push(recorded.epoch);
        } else {
            attempt.doubtful = true;
        }
    }
}

fn close(life: &mut Life, recorded: &Recorded, call: &Call, attempt: u32, outcome: Outcome) -> Result<(), String> {
    if let Some(told) = callbacks::told(life, call, outcome) {
        return told.map(|attempt| attempt.outcome = Some((outcome, recorded.seq)));
    }
    let number = life.calls.get(call).map_or(0, |call| call.attempts.len());
    if probes::found_applied(life, call, attempt, outcome) {
        let last = life.calls.get_mut(call).and_then(|call| call.attempts.last_mut());
        last.into_iter().for_each(|last| last.outcome = Some((outcome, recorded.seq)));
        return Ok(());
    }
    let open = life.calls.get_mut(call).and_then(|call| call.attempts.last_mut());
    match open.filter(|open| open.outcome.is_none() && open.accepted.is_none() && number == attempt as usize) {
        Some(open) if open.doubtful && outcome != Outcome::Unknown => {
            Err("it was open at an adoption and may have left: it is unknown".to_owned())
        }
        Some(open) => {
            open.outcome = Some((outcome, recorded.seq));
            Ok(())
        }
        None => Err("this attempt is not open".to_owned()),
    }
}

/// A step, or an item of it, may fail only as its attempts say.
fn fail(life: &mut Life, shape: &Shape, action: &Call, how: How) -> Result<(), String> {
    life.attention.remove(action);
    if life.failed.insert(action.clone(), how).is_some() {
        return Err("a step fails once".to_owned());
    }
    let step = action.step.as_str();
    if let Some(kid) = life.kids.get(action) {
        return family::fail(kid, how);
    }
    if life.refused.contains(step) {
        return if how == How::NeverSent { Ok(()) } else { Err("it never came to a call".to_owned()) };
    }
    let call = life.calls.get(action).ok_or("a step that was never begun cannot fail")?;
    if call.open().is_some() || call.succeeded().is_some() {
        return Err("only a step whose attempts are over can fail".to_owned());
    }
    let had = |wanted: fn(&Outcome) -> bool| call.outcomes().any(|outcome| wanted(&outcome));
    let last = call.outcomes().last();
    let said_no = match last {
        Some(Outcome::Rejected { acked }) => acked || call.between == Between::NotApplied,
        _ => false,
    };
    let pivot_settled = shape.step(step).is_some_and(|step| step.pivot) && said_no;
    let legal = if had(|outcome| *outcome == Outcome::Unusable) {
        how == How::Unusable
    } else if had(|outcome| *outcome == Outcome::Unknown) && !pivot_settled {
        how == How::Unresolved
    } else if matches!(last, Some(Outcome::Rejected { .. })) {
        how == How::Rejected
    } else {
        how == How::NeverSent
    };
    if !legal {
        return Err(format!("its attempts do not say {how:?}"));
    }
    if let Some(call) = life.calls.get_mut(action) {
        call.between = Between::Nothing;
    }
    Ok(())
}

fn turn_back(life: &Life, cause: &Cause) -> Result<(), String> {
    match cause {
        Cause::StepFailed { step, index } => {
            let action = Call { step: step.clone(), index: *index, op: Op::Action };
            if life.failed.contains_key(&action) { Ok(()) } else { Err(format!("{action} has not failed")) }
        }
        Cause::Cancelled {} | Cause::DeadlinePassed => before_pivot(life),
        Cause::UndoneByParent if life.parent.is_some() => before_pivot(life),
        Cause::UndoneByParent => Err("it has no parent".to_owned()),
    }
}

fn before_pivot(life: &Life) -> Result<(), String> {
    if life.past_return { Err("the pivot's call is intended already".to_owned()) } else { Ok(()) }
}

fn end(life: &mut Life, recorded: &Recorded, from: Status, to: Status) -> Result<(), String> {
    life.ended_at = Some(recorded.at);
    over(life, from, to)
}

/// Nothing is under way.
fn over(life: &mut Life, from: Status, to: Status) -> Result<(), String> {
    let was = std::mem::replace(&mut life.status, to);
    if let Some(kid) = life.kids.values().find(|kid| kid.is_under_way()) {
        return Err(format!("its child {} is under way", kid.saga));
    }
    if was != from {
        return Err(format!("not while the saga is {}", was.as_str()));
    }
    match life.calls.iter().find(|(_, call)| call.open().is_some() || call.accepted().is_some()) {
        Some((call, _)) => Err(format!("{call} is under way")),
        None => match life.waits.open.keys().next() {
            Some(step) => Err(format!("step {step} still waits")),
            None => Ok(()),
        },
    }
}

/// The row beside the journal says what the journal folds to.
pub(super) fn check_row(case: &Case<'_>, found: &mut Found) {
    let (row, life) = (&case.saga.row, &case.life);
    let folded = Row {
        status: life.status.as_str().to_owned(),
        attention: life.needs_attention(),
        started_at: life.started_at,
        updated_at: life.last_at,
        ended_at: life.ended_at,
        wake_at: life.wake_at(),
        // An adopter raises the row's epoch before it writes its first row.
        epoch: row.epoch.max(life.epoch),
        next_seq: life.last_seq + 1,
        // Not of the saga but of who drives it: see `epochs`.
        owner: row.owner,
        asleep_until: row.asleep_until,
    };
    found.unless(*row == folded, 2, || {
        format!("saga {}: the row says\n    {row:?}\n  and the journal folds to\n    {folded:?}", case.saga.id)
    });
}
