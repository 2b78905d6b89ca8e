//! `decide`: what an input means now. The rules of failure and compensation live here, one match each.
//!
//! A decision is a list of events that become durable together. It is drafted on a copy of the state, event by event,
//! through the same `evolve` that reads a journal: what is decided can always be folded.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    definition::{Definition, Side, Step, StepIx, Undo},
    event::{AttentionReason, Cause, Event, FailedStep, Failure, Recorded, Started},
    evolve::{self, evolve},
    ids::{CallId, Op, SagaId, StepName},
    render::{self, render},
    reply::{Outcome, RefusedThere, Reply, Terms, classify},
    retry,
    state::{CallState, Phase, State, StepState},
    summary::Status,
    time::Time,
};

/// Something that reaches a saga from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A process has taken the saga over, after a restart or a death. There is no other way of recovery.
    Adopted { epoch: u64 },
    /// An attempt came back. Answers to attempts that are not open any more mean nothing.
    Answered { call: CallId, attempt: u32, reply: Reply, terms: Terms },
    /// An intended attempt is certain never to be sent, because the saga failed while it waited for its turn.
    Withdrawn { call: CallId, attempt: u32 },
    /// The owner lets go, with nothing in flight: so that its successor need not take what never left for unknown.
    Released,
    /// A time that something waits for may have come.
    TimePassed,
    /// Somebody wants the saga undone. [`can_cancel`] says before whether that is possible.
    CancelRequested { reason: Option<String> },
}

/// Whether a cancel has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanCancel {
    Yes,
    /// It is being undone anyway.
    AlreadyUndoing,
    /// The point of no return is behind, or its call may have been made.
    PastPivot,
    Ended,
}

/// What a saga is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    pub version: u32,
    pub input: Arc<Value>,
    pub labels: Map<String, Value>,
    pub traceparent: Option<String>,
}

/// The first events of a saga: its start and the intents it begins with. `input` has passed the definition's schema.
pub fn begin(definition: &Definition, saga: SagaId, with: Begin, now: Time) -> Vec<Recorded> {
    let started = Started {
        name: definition.name.clone(),
        version: with.version,
        definition: definition.digest.clone(),
        input: with.input,
        labels: with.labels,
        deadline_at: definition.deadline.map(|deadline| now + deadline),
        traceparent: with.traceparent,
    };
    let first = Recorded { seq: 1, epoch: 1, at: now, event: Event::SagaStarted(Box::new(started)) };
    let state = evolve::begin(saga, &first).expect("invariant: a start begins a journal");
    let mut draft = Draft { definition, state, events: vec![first], now };
    draft.advance();
    draft.events
}

/// What an input means now; nothing, if it is late or has no effect.
pub fn decide(definition: &Definition, state: &State, input: Input, now: Time) -> Vec<Recorded> {
    let adopted = matches!(input, Input::Adopted { .. });
    if state.status.is_terminal() || (state.released && !adopted) {
        return Vec::new();
    }
    // A clock that went back must not make a journal in which time does.
    let now = now.max(state.updated_at);
    let mut draft = Draft { definition, state: state.clone(), events: Vec::new(), now };
    match input {
        Input::Adopted { epoch } => draft.adopt(epoch),
        Input::Answered { call, attempt, reply, terms } => draft.answer(&call, attempt, reply, &terms),
        Input::Withdrawn { call, attempt } => draft.withdrawn(&call, attempt),
        Input::TimePassed => {}
        Input::Released => {
            draft.push(Event::Released);
            return draft.events;
        }
        Input::CancelRequested { reason } => draft.cancel(reason),
    }
    draft.advance();
    draft.events
}

/// Whether a cancel has an effect now.
pub fn can_cancel(definition: &Definition, state: &State) -> CanCancel {
    match state.status {
        Status::Running if point_of_no_return(definition, state) => CanCancel::PastPivot,
        Status::Running => CanCancel::Yes,
        Status::Compensating => CanCancel::AlreadyUndoing,
        Status::Completed | Status::Compensated | Status::Abandoned | Status::Succeeded => CanCancel::Ended,
    }
}

/// The intent of the pivot's call is committed. From here on cancel and deadline have no effect.
fn point_of_no_return(definition: &Definition, state: &State) -> bool {
    let pivot = definition.steps.iter().find(|step| step.side == Side::Pivot);
    pivot.and_then(|pivot| state.step(&pivot.name)).is_some_and(|step| match step {
        StepState::Calling(call) => call.attempt > 0,
        StepState::Failed(_) => false,
        StepState::Succeeded { .. } | StepState::Compensating { .. } | StepState::Compensated => true,
    })
}

/// A decision in the making.
struct Draft<'d> {
    definition: &'d Definition,
    state: State,
    events: Vec<Recorded>,
    now: Time,
}

impl Draft<'_> {
    fn push(&mut self, event: Event) {
        let epoch = self.state.epoch;
        self.push_under(epoch, event);
    }

    fn push_under(&mut self, epoch: u64, event: Event) {
        let recorded = Recorded { seq: self.state.next_seq, epoch, at: self.now, event };
        let state = self.state.clone();
        self.state = evolve(state, &recorded).expect("invariant: a decision only makes legal events");
        self.events.push(recorded);
    }

    // ---- inputs -----------------------------------------------------------------------------------------------------

    /// Open attempts that may have left are unknown, first of all. One that was not due yet, or that the owner let go of in
    /// good order, cannot have left: it stands.
    fn adopt(&mut self, epoch: u64) {
        if epoch <= self.state.epoch {
            return;
        }
        let released = self.state.released;
        self.push_under(epoch, Event::Adopted);
        if released {
            return;
        }
        let open: Vec<_> = self
            .state
            .calls()
            .filter(|(_, call)| matches!(call.phase, Phase::Open { due_at } if due_at <= self.now))
            .map(|(id, call)| (id, call.attempt))
            .collect();
        for (call, attempt) in open {
            let reason = "the orchestrator ended while this attempt was open".to_owned();
            let outcome = Outcome::Unknown { status: None, reason, retry_after: None, refused: None };
            self.judge(&call, attempt, outcome);
        }
    }

    fn answer(&mut self, id: &CallId, attempt: u32, reply: Reply, terms: &Terms) {
        let Some((_, step)) = self.open(id, attempt) else { return };
        let call = match (id.op, step.undo()) {
            (Op::Compensate, Undo::Call(call)) => call,
            (Op::Action, _) | (Op::Compensate, Undo::Nothing { .. } | Undo::Never) => &step.call().action,
        };
        let outcome = classify(step.call(), call, id.op, reply, terms);
        self.judge(id, attempt, outcome);
    }

    fn withdrawn(&mut self, id: &CallId, attempt: u32) {
        if self.open(id, attempt).is_some() && self.state.status == Status::Compensating && id.op == Op::Action {
            self.push(Event::CallWithdrawn { call: id.clone(), attempt });
            self.fail_step_never_sent_unless_unknown(&id.step);
        }
    }

    fn cancel(&mut self, reason: Option<String>) {
        if can_cancel(self.definition, &self.state) == CanCancel::Yes {
            self.push(Event::CancelRequested { reason: reason.clone() });
            self.compensate_because(Cause::Cancelled { reason });
        }
    }

    // ---- outcomes ---------------------------------------------------------------------------------------------------

    /// What an outcome means, by direction, side of the pivot and whether the saga is being undone.
    fn judge(&mut self, id: &CallId, attempt: u32, outcome: Outcome) {
        let Some((ix, _)) = self.open(id, attempt) else { return };
        let side = self.definition.steps[ix].side;
        let may_have_happened = self.state.call(id).is_some_and(|call| call.may_have_happened);
        self.push(outcome_event(id, attempt, &outcome));
        match (id.op, self.state.status, side, outcome) {
            (_, _, _, Outcome::Success { .. }) => {}

            // Undoing: nothing ends it but success. A definite no waits for an operator.
            (Op::Compensate, _, _, Outcome::Rejected { reason, .. } | Outcome::Unusable { reason, .. }) => {
                self.attention(id, AttentionReason::Rejected, reason);
            }
            (Op::Compensate, _, _, Outcome::NotSent { reason }) => self.retry_until_done(id, attempt, None, reason),
            (Op::Compensate, _, _, Outcome::Unknown { reason, retry_after, refused, .. }) => {
                self.refused_there(id, refused, &reason);
                self.retry_until_done(id, attempt, retry_after, reason);
            }

            // An attempt that was in flight when the saga failed: it counts, and nothing follows it.
            (Op::Action, Status::Compensating, _, Outcome::Unusable { .. }) => {
                self.fail_step(&id.step, FailedStep::Unusable);
            }
            (Op::Action, Status::Compensating, _, Outcome::Rejected { .. }) => {
                self.fail_step(&id.step, rejected_or_unresolved(may_have_happened));
            }
            (Op::Action, Status::Compensating, _, Outcome::NotSent { .. } | Outcome::Unknown { .. }) => {
                self.fail_step_never_sent_unless_unknown(&id.step);
            }

            // Before the pivot: the step fails. *Unknown* is sticky: a later no does not clear it.
            (Op::Action, _, Side::Before, Outcome::Unusable { reason, .. }) => {
                self.fail(&id.step, FailedStep::Unusable, Failure::Unusable, reason);
            }
            (Op::Action, _, Side::Before, Outcome::Rejected { reason, .. }) => {
                self.fail(&id.step, rejected_or_unresolved(may_have_happened), Failure::Rejected, reason);
            }
            (Op::Action, _, Side::Before, Outcome::NotSent { reason }) => {
                self.retry_or_fail(id, attempt, None, reason);
            }
            (Op::Action, _, Side::Before, Outcome::Unknown { reason, retry_after, refused, .. }) => {
                self.refused_there(id, refused, &reason);
                self.retry_or_fail(id, attempt, retry_after, reason);
            }

            // The pivot: a no is final if nothing may have happened, or if the participant's barrier stands behind it.
            (Op::Action, _, Side::Pivot, Outcome::Rejected { acked, reason, .. }) => {
                if acked || !may_have_happened {
                    self.fail(&id.step, FailedStep::Rejected, Failure::Rejected, reason);
                } else {
                    self.attention(id, AttentionReason::RejectedAfterUnknown, reason);
                }
            }
            (Op::Action, _, Side::Pivot, Outcome::NotSent { reason }) if !may_have_happened => {
                self.retry_or_fail(id, attempt, None, reason);
            }

            // From the pivot on: asked again until it is known; what cannot be asked again waits for an operator.
            (Op::Action, _, Side::After, Outcome::Rejected { reason, .. }) => {
                self.attention(id, AttentionReason::Rejected, reason);
            }
            (Op::Action, _, Side::Pivot | Side::After, Outcome::Unusable { reason, .. }) => {
                self.attention(id, AttentionReason::Unusable, reason);
            }
            (Op::Action, _, Side::Pivot | Side::After, Outcome::NotSent { reason }) => {
                self.retry_until_done(id, attempt, None, reason);
            }
            (Op::Action, _, Side::Pivot | Side::After, Outcome::Unknown { reason, retry_after, refused, .. }) => {
                self.refused_there(id, refused, &reason);
                self.retry_until_done(id, attempt, retry_after, reason);
            }
        }
    }

    fn refused_there(&mut self, id: &CallId, refused: Option<RefusedThere>, detail: &str) {
        let reason = match refused {
            None => return,
            Some(RefusedThere::StaleEpoch) => AttentionReason::StaleEpoch,
            Some(RefusedThere::OtherBody) => AttentionReason::OtherBody,
        };
        self.attention(id, reason, detail.to_owned());
    }

    /// Once per reason: a repeated complaint is no news.
    fn attention(&mut self, id: &CallId, reason: AttentionReason, detail: String) {
        if self.state.attention.get(id) != Some(&reason) {
            self.push(Event::AttentionRaised { call: id.clone(), reason, detail });
        }
    }

    fn retry_or_fail(&mut self, id: &CallId, attempt: u32, retry_after: Option<std::time::Duration>, reason: String) {
        let retry = self.retry_policy(id);
        if retry.attempts.is_none_or(|most| attempt < most) {
            let due_at = self.now + retry::wait(&retry, self.state.saga, id, attempt, retry_after, false);
            self.intend(id, due_at);
        } else {
            let how = self.never_sent_or_unresolved(&id.step);
            self.fail(&id.step, how, Failure::AttemptsExhausted, format!("{attempt} attempts; the last one: {reason}"));
        }
    }

    fn retry_until_done(
        &mut self,
        id: &CallId,
        attempt: u32,
        retry_after: Option<std::time::Duration>,
        reason: String,
    ) {
        let retry = self.retry_policy(id);
        let past = retry.attempts.is_some_and(|most| attempt >= most);
        if past {
            let detail = format!("{attempt} attempts; the last one: {reason}");
            if !self.state.attention.contains_key(id) {
                self.attention(id, AttentionReason::AttemptsExhausted, detail);
            }
        }
        let due_at = self.now + retry::wait(&retry, self.state.saga, id, attempt, retry_after, past);
        self.intend(id, due_at);
    }

    fn retry_policy(&self, id: &CallId) -> crate::definition::Retry {
        let (_, step) = self.definition.step(&id.step).expect("invariant: an open call has a step");
        match (id.op, step.undo()) {
            (Op::Compensate, Undo::Call(call)) => call.retry,
            _ => step.call().action.retry,
        }
    }

    // ---- failing ----------------------------------------------------------------------------------------------------

    fn fail(&mut self, step: &StepName, how: FailedStep, failure: Failure, reason: String) {
        self.fail_step(step, how);
        self.compensate_because(Cause::StepFailed { step: step.clone(), failure, reason });
    }

    fn fail_step(&mut self, step: &StepName, how: FailedStep) {
        self.push(Event::StepFailed { step: step.clone(), how });
    }

    fn fail_step_never_sent_unless_unknown(&mut self, step: &StepName) {
        let how = self.never_sent_or_unresolved(step);
        self.fail_step(step, how);
    }

    fn never_sent_or_unresolved(&self, step: &StepName) -> FailedStep {
        let call = self.state.call(&CallId::action(step));
        if call.is_some_and(|call| call.may_have_happened) { FailedStep::Unresolved } else { FailedStep::NeverSent }
    }

    /// No new action starts. Attempts that wait for their time are withdrawn; those that may be under way are awaited.
    fn compensate_because(&mut self, cause: Cause) {
        self.push(Event::CompensationStarted { cause });
        let calling: Vec<(CallId, CallState)> = self.state.calls().map(|(id, call)| (id, call.clone())).collect();
        for (id, call) in calling {
            match call.phase {
                Phase::Open { due_at } if due_at > self.now => {
                    self.push(Event::CallWithdrawn { call: id.clone(), attempt: call.attempt });
                    self.fail_step_never_sent_unless_unknown(&id.step);
                }
                Phase::Open { .. } => {}
                Phase::Closed | Phase::Halted => self.fail_step_never_sent_unless_unknown(&id.step),
            }
        }
    }

    // ---- going on ---------------------------------------------------------------------------------------------------

    /// Everything that follows by itself: intents whose conditions are met, the deadline, the end.
    fn advance(&mut self) {
        if self.state.status == Status::Running {
            self.advance_forward();
        }
        if self.state.status == Status::Compensating {
            self.advance_back();
        }
    }

    fn advance_forward(&mut self) {
        let overdue = self.state.started.deadline_at.is_some_and(|deadline| deadline <= self.now);
        if overdue && !point_of_no_return(self.definition, &self.state) {
            return self.compensate_because(Cause::DeadlinePassed);
        }
        let definition = self.definition;
        for step in &definition.steps {
            let ready = self.state.step(&step.name).is_none() && step.needs.iter().all(|need| self.done(*need));
            if ready && self.state.status == Status::Running {
                self.intend(&CallId::action(&step.name), self.now);
            }
        }
        if self.state.status == Status::Running && (0..definition.steps.len()).all(|ix| self.done(ix)) {
            let (output, output_error) = match render::output(definition, &self.state) {
                Ok(output) => (output, None),
                Err(why) => (Value::Null, Some(why)),
            };
            self.push(Event::SagaCompleted { output: Arc::new(output), output_error });
        }
    }

    fn done(&self, ix: StepIx) -> bool {
        matches!(self.state.step(&self.definition.steps[ix].name), Some(StepState::Succeeded { .. }))
    }

    /// Undoes in reverse order of dependency: a step waits for those that depended on it, and for nobody else.
    fn advance_back(&mut self) {
        let in_flight = self.state.calls().any(|(id, _)| id.op == Op::Action);
        if in_flight {
            return;
        }
        let definition = self.definition;
        let owed: BTreeSet<StepIx> = (0..definition.steps.len()).filter(|ix| self.owes_undo(*ix)).collect();
        if owed.is_empty() {
            return self.push(Event::SagaCompensated);
        }
        for ix in owed.iter().rev() {
            let step = &definition.steps[*ix];
            let waits = owed.iter().any(|later| definition.steps[*later].ancestors.contains(ix));
            let begun = matches!(self.state.step(&step.name), Some(StepState::Compensating { .. }));
            if !waits && !begun {
                self.intend(&CallId::compensate(&step.name), self.now);
            }
        }
    }

    /// Something of this step is to be undone and is not undone yet (invariant 5).
    fn owes_undo(&self, ix: StepIx) -> bool {
        let step: &Step = &self.definition.steps[ix];
        match (step.undo(), self.state.step(&step.name)) {
            (Undo::Nothing { .. } | Undo::Never, _) => false,
            (Undo::Call(_), None | Some(StepState::Calling(_) | StepState::Compensated)) => false,
            (Undo::Call(_), Some(StepState::Succeeded { .. } | StepState::Compensating { .. })) => true,
            (Undo::Call(_), Some(StepState::Failed(how))) => match how {
                FailedStep::Unusable | FailedStep::Unresolved => true,
                FailedStep::Rejected | FailedStep::NeverSent => false,
            },
        }
    }

    /// Intends the next attempt of a call, if it can be made with the bytes it has always had; otherwise refuses it here.
    fn intend(&mut self, id: &CallId, due_at: Time) {
        let (ix, step) = self.definition.step(&id.step).expect("invariant: only steps of the definition are intended");
        let before = self.state.call(id).cloned();
        let rendered = render(self.definition, &self.state, id).and_then(|rendered| match id.op {
            Op::Action => render::check_compensation(step, &self.state).map(|()| rendered),
            Op::Compensate => Ok(rendered),
        });
        let changed = "this version renders another request than the attempts before it sent".to_owned();
        let rendered = match (rendered, before.as_ref().and_then(|call| call.request.as_ref())) {
            (Ok(rendered), Some(first)) if *first != rendered.digest => Err((changed, true)),
            (Ok(rendered), _) => Ok(rendered),
            (Err(why), before) => Err((why, before.is_some())),
        };
        match rendered {
            Ok(rendered) => {
                let attempt = before.map_or(1, |call| call.attempt + 1);
                self.push(Event::CallIntended { call: id.clone(), attempt, due_at, request: rendered.digest });
            }
            Err((why, begun)) => {
                self.push(Event::CallRefused { call: id.clone(), reason: why.clone() });
                if id.op == Op::Action && self.definition.steps[ix].side == Side::Before && !begun {
                    self.fail(&id.step, FailedStep::NeverSent, Failure::RefusedHere, why);
                } else {
                    self.attention(id, AttentionReason::RefusedHere, why);
                }
            }
        }
    }

    /// The step of a call whose attempt is open.
    fn open(&self, id: &CallId, attempt: u32) -> Option<(StepIx, &Step)> {
        let call = self.state.call(id)?;
        let open = call.attempt == attempt && matches!(call.phase, Phase::Open { .. });
        self.definition.step(&id.step).filter(|_| open)
    }
}

fn rejected_or_unresolved(may_have_happened: bool) -> FailedStep {
    if may_have_happened { FailedStep::Unresolved } else { FailedStep::Rejected }
}

fn outcome_event(call: &CallId, attempt: u32, outcome: &Outcome) -> Event {
    let call = call.clone();
    match outcome.clone() {
        Outcome::Success { status, output } => Event::CallSucceeded { call, attempt, status, output: Arc::new(output) },
        Outcome::Unusable { status, reason } => Event::CallUnusable { call, attempt, status, reason },
        Outcome::Rejected { status, acked, reason } => Event::CallRejected { call, attempt, status, acked, reason },
        Outcome::NotSent { reason } => Event::CallNotSent { call, attempt, reason },
        Outcome::Unknown { status, reason, .. } => Event::CallUnknown { call, attempt, status, reason },
    }
}

/// What a saga owes the world. A function of state, so a fresh process owes exactly what the dead one owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send this attempt, not before `due_at`.
    Call { call: CallId, attempt: u32, due_at: Time },
    /// Feed [`Input::TimePassed`] at this time.
    Wake { at: Time },
    /// The saga has ended: let go of it.
    Finish,
}

/// What the world is owed now.
pub fn outstanding(definition: &Definition, state: &State) -> Vec<Command> {
    if state.status.is_terminal() {
        return vec![Command::Finish];
    }
    let mut owed: Vec<_> = state
        .calls()
        .filter_map(|(call, under_way)| match under_way.phase {
            Phase::Open { due_at } => Some(Command::Call { call, attempt: under_way.attempt, due_at }),
            Phase::Closed | Phase::Halted => None,
        })
        .collect();
    let deadline_counts = state.status == Status::Running && !point_of_no_return(definition, state);
    owed.extend(state.started.deadline_at.filter(|_| deadline_counts).map(|at| Command::Wake { at }));
    owed
}
