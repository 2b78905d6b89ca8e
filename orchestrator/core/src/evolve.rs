//! `evolve`: what an event does to a state. The one match over the life of a saga; every pair it does not name is illegal.

mod callbacks;
mod calls;
mod children;
mod locks;
mod probes;
mod waits;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use self::{
    callbacks::{accepted, called_back, judged, overdue},
    calls::{again, call_failed, call_mut, first, halted, open, put, take, undoable},
    locks::{needs_locks, queued, taken},
    probes::{postponed, probe_intended, probed},
    waits::{timed_out, wait_failed},
};
use crate::{
    event::{AttentionReason, Event, FailedStep, Recorded, Started, Verdict},
    ids::{CallId, Op, SagaId, StepName},
    signals,
    state::{CallState, Each, Life, Locks, Phase, Probing, Received, State, StepState, Waiting},
    summary::Status,
    time::Time,
};

/// An event that cannot follow: the journal is not one that this machine wrote.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("saga {saga}: event {seq} ({what}) cannot follow here: {why}")]
pub struct Illegal {
    pub saga: SagaId,
    pub seq: u64,
    pub what: String,
    pub why: &'static str,
}

/// The state after the first event of a journal.
///
/// # Errors
/// The event is no start.
pub fn begin(saga: SagaId, first: &Recorded) -> Result<State, Illegal> {
    match &first.event {
        Event::SagaStarted(started) if first.seq == 1 => Ok(fresh(saga, started, first)),
        _ => Err(illegal(saga, first, "a journal begins with saga_started as its first event")),
    }
}

/// The state after a whole journal.
///
/// # Errors
/// The journal is empty, or an event cannot follow.
pub fn fold<'e>(saga: SagaId, journal: impl IntoIterator<Item = &'e Recorded>) -> Result<State, Illegal> {
    let mut events = journal.into_iter();
    let first = events.next().ok_or_else(|| Illegal {
        saga,
        seq: 1,
        what: "nothing".to_owned(),
        why: "the journal is empty",
    })?;
    events.try_fold(begin(saga, first)?, evolve)
}

/// The state after one more event.
///
/// # Errors
/// The event cannot follow (invariant 2: only legal transitions, one terminal event, dense seq, epochs that never fall).
pub fn evolve(mut state: State, recorded: &Recorded) -> Result<State, Illegal> {
    apply(&mut state, recorded).map_err(|why| illegal(state.saga, recorded, why))?;
    Ok(state)
}

/// The same in place. After an error the state is of no use any more.
pub(crate) fn apply(state: &mut State, recorded: &Recorded) -> Result<(), &'static str> {
    match (recorded.seq == state.next_seq, &recorded.event) {
        (false, _) => return Err("its seq is not the next one"),
        (true, Event::Adopted) if recorded.epoch <= state.epoch => return Err("an adoption raises the epoch"),
        (true, Event::Adopted) => {}
        (true, _) if recorded.epoch != state.epoch => return Err("its epoch is not the saga's"),
        (true, _) => {}
    }
    let at = recorded.at;
    match (state.status, &recorded.event) {
        (Status::Completed | Status::Compensated | Status::Abandoned, _) => return Err("the saga has ended"),
        (_, Event::SagaStarted(_)) => return Err("a saga starts once"),
        (_, Event::Adopted) => state.released = false,
        _ if state.released => return Err("the owner has let go"),
        (_, Event::Released) => state.released = true,

        (Status::Running, event) if state.next_lock().is_some() && needs_locks(event) => {
            return Err("a lock is not taken yet");
        }
        (Status::Running, Event::LockQueued { lock, arrived_at }) => queued(state, lock, *arrived_at, at)?,
        (Status::Running, Event::LockTaken { lock, .. }) => taken(state, lock)?,

        (status, Event::CallIntended { call, attempt, due_at, request, pivot }) => {
            let next = match (call.op, status, take(state, call)?) {
                (Op::Action, Status::Running, None) => Life::Calling(first(*due_at, request)),
                (Op::Action, Status::Running, Some(Life::Calling(before))) => {
                    Life::Calling(again(before, *due_at, request)?)
                }
                (Op::Compensate, Status::Compensating, Some(Life::Compensating { was, call })) => {
                    Life::Compensating { was, call: again(call, *due_at, request)? }
                }
                (Op::Compensate, Status::Compensating, Some(life)) => {
                    Life::Compensating { was: undoable(life)?, call: first(*due_at, request) }
                }
                _ => return Err("this call cannot be intended now"),
            };
            put(state, call, next);
            if state.call(call).map(|call| call.attempt) != Some(*attempt) {
                return Err("attempts are counted from 1 without gaps");
            }
            state.past_return |= *pivot;
        }

        (_, Event::CallSucceeded { call, attempt, output, .. }) => {
            judged(state, call, *attempt, Verdict::Succeeded)?;
            let next = match call.op {
                Op::Action => Life::Succeeded { output: output.clone() },
                Op::Compensate => Life::Compensated,
            };
            put(state, call, next);
            state.attention.remove(call);
        }
        (_, Event::CallUnusable { call, attempt, .. }) => {
            let call = judged(state, call, *attempt, Verdict::Succeeded)?;
            call.may_have_happened = true;
            call.phase = Phase::Closed;
        }
        (_, Event::CallUnknown { call, attempt, .. }) => {
            let call = open(state, call, *attempt)?;
            call.may_have_happened = true;
            call.phase = Phase::Closed;
        }
        (_, Event::CallRejected { call, attempt, .. }) => {
            judged(state, call, *attempt, Verdict::Rejected)?.phase = Phase::Closed;
        }
        (_, Event::CallNotSent { call, attempt, .. } | Event::CallWithdrawn { call, attempt }) => {
            open(state, call, *attempt)?.phase = Phase::Closed;
        }
        (_, Event::CallAccepted { call, attempt, until }) => {
            accepted(state, call, *attempt, *until, at)?;
            state.attention.remove(call);
        }
        (_, Event::CallbackReceived { call, verdict, digest }) => called_back(state, call, *verdict, digest)?,
        (Status::Running, Event::CallPostponed { call, until }) => postponed(state, call, *until)?,
        (Status::Running, Event::ProbeIntended { call, attempt, due_at, rejected }) => {
            let probing = Probing { since: at, due_at: *due_at, asked: 0, rejected: *rejected };
            probe_intended(state, call, *attempt, probing)?;
        }
        (Status::Running, Event::CallProbed { call, attempt, verdict, due_at, .. }) => {
            probed(state, call, *attempt, *verdict, *due_at)?;
        }

        (_, Event::CallRefused { call, .. }) => {
            let never_sent = CallState { request: None, attempt: 0, phase: Phase::Halted, may_have_happened: false };
            let next = match (call.op, state.status, take(state, call)?) {
                (Op::Action, Status::Running, None) => Life::Calling(never_sent),
                (Op::Action, _, Some(Life::Calling(call))) => Life::Calling(halted(call)?),
                (Op::Compensate, _, Some(Life::Compensating { was, call })) => {
                    Life::Compensating { was, call: halted(call)? }
                }
                (Op::Compensate, Status::Compensating, Some(life)) => {
                    Life::Compensating { was: undoable(life)?, call: never_sent }
                }
                _ => return Err("there is no such call to refuse"),
            };
            put(state, call, next);
            children::refused(state, call);
        }

        (Status::Running, Event::ChildIntended { call, child, name, input, pivot }) => {
            children::intended(state, call, *child, name, input)?;
            state.past_return |= *pivot;
        }
        (Status::Running, Event::ChildPinned { call, version, definition }) => {
            children::pinned(state, call, *version, definition)?;
        }
        (Status::Running | Status::Compensating, Event::ChildSucceeded { call, output }) => {
            children::succeeded(state, call, output)?;
        }
        (Status::Running | Status::Compensating, Event::ChildUnusable { call, .. }) => children::unusable(state, call)?,
        (Status::Compensating, Event::ChildUndoIntended { call }) => children::undo_intended(state, call)?,
        (Status::Running | Status::Compensating, Event::ChildCompensated { call, .. }) => {
            children::compensated(state, call)?;
        }
        (Status::Running | Status::Succeeded, Event::ChildSettled { call }) => children::settled(state, call)?,

        (Status::Running, Event::ItemsListed { step, items }) => {
            let output = items.is_empty().then(|| Arc::new(Value::Array(vec![])));
            let each = Each { items: items.clone(), lives: vec![None; items.len()], output };
            begin_step(state, step, StepState::Each(each))?;
        }
        (Status::Running, Event::StepSkipped { step }) => begin_step(state, step, StepState::Skipped)?,
        (Status::Running, Event::StepRefused { step, .. }) => begin_step(state, step, StepState::Refused)?,

        (Status::Running, Event::SleepStarted { step, until }) => {
            begin_step(state, step, StepState::Waiting(Waiting::Sleep { until: *until }))?;
        }
        (Status::Running, Event::SleepEnded { step }) => match state.steps.get(step) {
            Some(StepState::Waiting(Waiting::Sleep { until })) if *until <= at => {
                state.steps.insert(step.clone(), StepState::Succeeded { output: Arc::new(Value::Null) });
            }
            _ => return Err("only a step that has slept long enough is done with it"),
        },
        (Status::Running, Event::AwaitStarted { step, signal, until }) => {
            let waiting = Waiting::Signal { signal: signal.clone(), since: recorded.seq, until: Some(*until) };
            begin_step(state, step, StepState::Waiting(waiting))?;
        }
        (Status::Running, Event::SignalReceived { signal, key, payload }) => {
            let again = |before: &Received| before.signal == *signal && key.is_some() && before.key == *key;
            if state.signals.iter().any(again) {
                return Err("a signal under the same key is the same signal");
            }
            let (signal, key, digest) = (signal.clone(), key.clone(), signals::digest(payload));
            state.signals.push(Received { signal, key, digest, kept: Some(payload.clone()) });
        }
        (Status::Running, Event::SignalTaken { step, signal, output }) => {
            match state.steps.get(step) {
                Some(StepState::Waiting(Waiting::Signal { signal: awaited, .. })) if awaited == signal => {}
                _ => return Err("the step does not await this signal"),
            }
            let oldest =
                state.signals.iter_mut().find(|received| received.signal == *signal && received.kept.is_some());
            oldest.ok_or("there is no such signal to take")?.kept = None;
            state.steps.insert(step.clone(), StepState::Succeeded { output: output.clone() });
            state.attention.remove(&CallId::action(step));
        }

        (_, Event::StepFailed { step, index, how }) => {
            let action = CallId { step: step.clone(), index: *index, op: Op::Action };
            match (state.steps.get(step), index) {
                (Some(StepState::Waiting(waiting)), None) => wait_failed(waiting, *how, state.status, at)?,
                (Some(StepState::Refused), None) if *how == FailedStep::NeverSent => {}
                _ => call_failed(state.call(&action), *how)?,
            }
            state.attention.remove(&action);
            // Whatever it was before, nothing is left of it but how it failed.
            match index {
                None => drop(state.steps.insert(step.clone(), StepState::Failed(*how))),
                Some(_) => put(state, &action, Life::Failed(*how)),
            }
        }

        (_, Event::AttentionRaised { call, reason, .. }) => {
            let refused = call.op == Op::Action && matches!(state.steps.get(&call.step), Some(StepState::Refused));
            match call_mut(state, call) {
                Some(under_way) if reason.halts() => {
                    if matches!(
                        under_way.phase,
                        Phase::Open { .. }
                            | Phase::Accepted { .. }
                            | Phase::Told { .. }
                            | Phase::Probing(_)
                            | Phase::Applied
                            | Phase::Child
                    ) {
                        return Err("the attempt has no outcome yet");
                    }
                    under_way.phase = Phase::Halted;
                }
                Some(under_way) if *reason == AttentionReason::TimedOut => overdue(under_way, at)?,
                Some(_) => {}
                None if refused && *reason == AttentionReason::RefusedHere => {}
                None if *reason == AttentionReason::TimedOut => timed_out(state, call, at)?,
                None => return Err("attention is about a call under way, or a step that cannot begin"),
            }
            state.attention.insert(call.clone(), *reason);
        }

        (Status::Running, Event::CancelRequested { .. }) => {}
        (Status::Running | Status::Succeeded, Event::CompensationStarted { cause }) => {
            if state.status == Status::Succeeded && (state.started.parent.is_none() || state.settled) {
                return Err(
                    "what has finished its forward path is undone by its parent alone, until that has settled it",
                );
            }
            state.status = Status::Compensating;
            state.cause = Some(cause.clone());
        }
        (Status::Running, Event::SagaSucceeded { output, .. }) => {
            over(state)?;
            state.status = Status::Succeeded;
            state.output = output.clone();
        }
        (Status::Succeeded, Event::SettledByParent) if state.started.parent.is_some() && !state.settled => {
            state.settled = true;
        }
        (Status::Running | Status::Succeeded, Event::SagaCompleted { output, .. }) => {
            if state.started.parent.is_some() && !state.settled {
                return Err("a child ends completed when its parent has settled it");
            }
            if state.unsettled().next().is_some() {
                return Err("a child of it is not settled");
            }
            end(state, Status::Completed, at)?;
            state.output = output.clone();
        }
        (Status::Compensating, Event::SagaCompensated) => end(state, Status::Compensated, at)?,
        (
            Status::Running | Status::Compensating | Status::Succeeded,
            Event::LockQueued { .. }
            | Event::LockTaken { .. }
            | Event::CancelRequested { .. }
            | Event::CompensationStarted { .. }
            | Event::CallPostponed { .. }
            | Event::ProbeIntended { .. }
            | Event::CallProbed { .. }
            | Event::StepSkipped { .. }
            | Event::StepRefused { .. }
            | Event::ItemsListed { .. }
            | Event::SleepStarted { .. }
            | Event::SleepEnded { .. }
            | Event::AwaitStarted { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::ChildIntended { .. }
            | Event::ChildPinned { .. }
            | Event::ChildSucceeded { .. }
            | Event::ChildUnusable { .. }
            | Event::ChildUndoIntended { .. }
            | Event::ChildCompensated { .. }
            | Event::ChildSettled { .. }
            | Event::SagaSucceeded { .. }
            | Event::SettledByParent
            | Event::SagaCompleted { .. }
            | Event::SagaCompensated,
        ) => return Err("the saga's status does not allow it"),
    }
    state.epoch = recorded.epoch;
    state.next_seq = recorded.seq + 1;
    state.updated_at = at;
    Ok(())
}

fn fresh(saga: SagaId, started: &Started, first: &Recorded) -> State {
    State {
        saga,
        started: Arc::new(started.clone()),
        started_at: first.at,
        updated_at: first.at,
        ended_at: None,
        status: Status::Running,
        epoch: first.epoch,
        next_seq: 2,
        released: false,
        past_return: false,
        cause: None,
        steps: BTreeMap::new(),
        attention: BTreeMap::new(),
        signals: Vec::new(),
        callbacks: BTreeMap::new(),
        locks: Locks::default(),
        children: BTreeMap::new(),
        settled: false,
        output: Arc::new(Value::Null),
    }
}

/// A step that comes to no call.
fn begin_step(state: &mut State, step: &StepName, as_what: StepState) -> Result<(), &'static str> {
    match state.steps.insert(step.clone(), as_what) {
        None => Ok(()),
        Some(_) => Err("the step has begun already"),
    }
}

fn end(state: &mut State, status: Status, at: Time) -> Result<(), &'static str> {
    over(state)?;
    state.status = status;
    state.ended_at = Some(at);
    Ok(())
}

/// Nothing is under way.
fn over(state: &State) -> Result<(), &'static str> {
    if state.calls().next().is_some() {
        return Err("a call is under way");
    }
    if state.waits().next().is_some() {
        return Err("a step still waits");
    }
    Ok(())
}

fn illegal(saga: SagaId, recorded: &Recorded, why: &'static str) -> Illegal {
    let what = serde_json::to_value(&recorded.event)
        .ok()
        .and_then(|event| Some(event.get("kind")?.as_str()?.to_owned()))
        .unwrap_or_default();
    Illegal { saga, seq: recorded.seq, what, why }
}
