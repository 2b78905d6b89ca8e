//! Invariant 2: a journal is one legal life, and the row beside it says the same. Folds the journal on its own, without
//! core's `evolve`, and keeps what the other checks ask.

mod begin;
mod call;
mod callbacks;
mod ends;
mod family;
mod probes;
mod row;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    begin::{begin_without_call, intend, list, wait},
    call::Between,
    ends::{before_pivot, close, end, fail, over, turn_back},
    family::Kid,
};
pub(super) use self::{
    call::{Attempt, CallLife, Outcome},
    family::Stands,
    row::check_row,
};
use super::{
    Found,
    journal::{Cause, Event, How, Recorded, Saga},
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
