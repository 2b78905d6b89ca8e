//! `decide`: what an input means now. What an outcome means is [`judge`]'s, what follows by itself [`advance`]'s.
//!
//! A decision is a list of events that become durable together. It is drafted on the state, event by event, through the
//! same `evolve` that reads a journal: what is decided can always be folded.

mod advance;
mod callbacks;
mod children;
mod items;
mod judge;
mod locks;
mod probe;
mod waits;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use self::{children::why_undone, locks::LockPlace};
use crate::{
    callbacks::{Callback, is_accepted},
    definition::{Definition, Side, Step, Undo},
    event::Parent,
    event::{Cause, Event, Recorded, Started},
    evolve,
    family::{Errand, Report, Settlement, errands},
    ids::{CallId, Digest, LockName, Op, SagaId},
    render::Rendered,
    reply::{Outcome, Reply, Terms, classify},
    signals::Signal,
    state::{Phase, State, StepState},
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
    /// A probe that was sent at `asked_at` came back. Of attempts that are not asked after any more it means nothing.
    Probed { call: CallId, attempt: u32, asked_at: Time, reply: Reply, terms: Terms },
    /// An intended attempt is certain never to be sent, because the saga failed while it waited for its turn.
    Withdrawn { call: CallId, attempt: u32 },
    /// The owner lets go, with nothing in flight: so that its successor need not take what never left for unknown.
    Released,
    /// A time that something waits for may have come.
    TimePassed,
    /// Somebody wants the saga undone. [`can_cancel`] says before whether that is possible.
    CancelRequested { reason: Option<String> },
    /// A signal came. [`crate::can_signal`] says before what it is.
    Signalled(Signal),
    /// A participant called back. [`crate::can_call_back`] says before what that is; `terms` are those of its service.
    CalledBack { callback: Callback, terms: Terms },
    /// Where the saga stands in the queues of the locks that it needs next, in their order.
    LocksAnswered(Vec<LockPlace>),
    /// The child of this call will be of this version.
    ChildPinned { call: CallId, version: u32, definition: Digest },
    /// There is no version that the child of this call could be.
    ChildRefused { call: CallId, reason: String },
    /// The child of this call says what came of it.
    ChildReported { call: CallId, report: Report },
    /// That the child of this call is settled is written down for it.
    ChildTold { call: CallId },
    /// To a child: its parent says what becomes of it.
    Settled(Settlement),
    /// To a child: that it is undone is written down for its parent.
    Reported,
}

/// Whether a cancel has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanCancel {
    Yes,
    /// It is being undone anyway.
    AlreadyUndoing,
    /// The point of no return is behind, or its call may have been made.
    PastPivot,
    /// Its forward path is done: a child is undone by its parent alone from there on, and a parent completes.
    Succeeded,
    Ended,
}

/// What a saga is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    pub version: u32,
    pub input: Arc<Value>,
    /// As [`crate::labels()`] gives them.
    pub labels: Map<String, Value>,
    /// As [`crate::locks()`] gives them; of a saga that is no root none.
    pub locks: Arc<[LockName]>,
    pub traceparent: Option<String>,
    /// When its forward path ends at the latest, whatever its definition allows.
    pub deadline_at: Option<Time>,
    pub parent: Option<Parent>,
    /// A child that was told to undo itself before it was there: nothing of it begins.
    pub undone: bool,
}

impl Begin {
    /// A root with nothing but an input.
    pub fn root(version: u32, input: Value) -> Self {
        Self {
            version,
            input: Arc::new(input),
            labels: Map::new(),
            locks: [].into(),
            traceparent: None,
            deadline_at: None,
            parent: None,
            undone: false,
        }
    }
}

/// The first events of a saga: its start and the intents it begins with. `input` has passed the definition's schema.
pub fn begin(definition: &Definition, saga: SagaId, with: Begin, now: Time) -> Vec<Recorded> {
    begin_with(definition, saga, with, now).1.events
}

/// The same with the state that they make and the requests that they intend.
pub fn begin_with(definition: &Definition, saga: SagaId, with: Begin, now: Time) -> (State, Decision) {
    let undone = with.undone;
    let started = started(definition, with, now);
    let first = Recorded { seq: 1, epoch: 1, at: now, event: Event::SagaStarted(Box::new(started)) };
    let mut state = evolve::begin(saga, &first).expect("invariant: a start begins a journal");
    let mut draft = Draft::new(definition, &mut state, now);
    draft.events.push(first);
    if undone {
        draft.compensate_because(Cause::UndoneByParent);
    }
    draft.advance();
    let decision = draft.decision();
    (state, decision)
}

pub(crate) fn started(definition: &Definition, with: Begin, now: Time) -> Started {
    Started {
        name: definition.name.clone(),
        version: with.version,
        definition: definition.digest.clone(),
        input: with.input,
        labels: with.labels,
        locks: with.locks,
        deadline_at: definition.deadline.map(|deadline| now + deadline).into_iter().chain(with.deadline_at).min(),
        traceparent: with.traceparent,
        parent: with.parent,
    }
}

/// What an input means now; nothing, if it is late or has no effect.
///
/// # Panics
/// `definition` is not the text that the saga began with: going on would undo what was never done.
pub fn decide(definition: &Definition, state: &State, input: Input, now: Time) -> Vec<Recorded> {
    decide_in_place(definition, &mut state.clone(), input, now).events
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    pub events: Vec<Recorded>,
    /// What the attempts send that these events intend: as [`crate::render`] would say, which has been asked already.
    pub requests: Vec<(CallId, Rendered)>,
    /// `seq` of the last event after which nobody had to look any more, if there is one ([`crate::Lifecycle::AttentionCleared`]).
    pub attention_cleared: Option<u64>,
}

/// [`decide`] and [`crate::evolve`] in one: the state becomes what it is with the events.
///
/// # Panics
/// As [`decide`].
pub fn decide_in_place(definition: &Definition, state: &mut State, input: Input, now: Time) -> Decision {
    take_in(definition, state, input, now, true)
}

/// The same, but what follows by itself is left to the next decision, the end of waits among it. So what was written down for a
/// saga while nobody drove it comes before the time that has passed meanwhile: [`Input::TimePassed`] must follow, in one commit.
///
/// # Panics
/// As [`decide`].
pub fn take_in_place(definition: &Definition, state: &mut State, input: Input, now: Time) -> Decision {
    take_in(definition, state, input, now, false)
}

fn take_in(definition: &Definition, state: &mut State, input: Input, now: Time, advance: bool) -> Decision {
    let adopted = matches!(input, Input::Adopted { .. });
    if state.status.is_terminal() || (state.released && !adopted) {
        return Decision::default();
    }
    assert_eq!(
        state.started.definition, definition.digest,
        "invariant 11: a saga is decided by the text it began with"
    );
    let clock_went_back = now < state.updated_at;
    // A clock that went back must not make a journal in which time does.
    let now = now.max(state.updated_at);
    let mut draft = Draft::new(definition, state, now);
    match input {
        Input::Adopted { epoch } if epoch <= draft.state.epoch => return Decision::default(),
        Input::Adopted { epoch } => draft.adopt(epoch, clock_went_back),
        Input::Answered { call, attempt, reply, terms } => draft.answer(&call, attempt, reply, &terms),
        Input::Probed { call, attempt, asked_at, reply, terms } => {
            draft.probed(&call, attempt, asked_at, reply, &terms);
        }
        Input::Withdrawn { call, attempt } => draft.withdrawn(&call, attempt),
        Input::TimePassed => {}
        Input::Released => {
            draft.push(Event::Released);
            return draft.decision();
        }
        Input::CancelRequested { reason } => draft.cancel(reason),
        Input::Signalled(signal) => draft.signalled(signal),
        Input::CalledBack { callback, terms } => draft.called_back(callback, &terms),
        Input::LocksAnswered(places) => draft.locks_answered(places),
        Input::ChildPinned { call, version, definition } => draft.child_pinned(&call, version, definition),
        Input::ChildRefused { call, reason } => draft.child_refused(&call, reason),
        Input::ChildReported { call, report } => draft.child_reported(&call, report),
        Input::ChildTold { call } => draft.child_told(&call),
        Input::Settled(settlement) => draft.settled(settlement),
        Input::Reported => draft.reported(),
    }
    if advance {
        draft.advance();
    }
    draft.decision()
}

/// Whether a cancel has an effect now.
pub fn can_cancel(definition: &Definition, state: &State) -> CanCancel {
    match state.status {
        Status::Running if point_of_no_return(definition, state) => CanCancel::PastPivot,
        Status::Running => CanCancel::Yes,
        Status::Compensating => CanCancel::AlreadyUndoing,
        Status::Succeeded => CanCancel::Succeeded,
        Status::Completed | Status::Compensated | Status::Abandoned => CanCancel::Ended,
    }
}

/// The intent of the pivot's call is committed. From here on cancel and deadline have no effect.
fn point_of_no_return(definition: &Definition, state: &State) -> bool {
    let pivot = definition.steps.iter().find(|step| step.side == Side::Pivot);
    pivot.and_then(|pivot| state.step(&pivot.name)).is_some_and(|step| match step {
        StepState::Calling(call) => call.attempt > 0,
        // A pivot has no `if`, does not wait and calls once.
        StepState::Skipped | StepState::Refused | StepState::Waiting(_) | StepState::Failed(_) => false,
        StepState::Succeeded { .. } | StepState::Compensating { .. } | StepState::Compensated | StepState::Each(_) => {
            true
        }
    })
}

/// The pivot has succeeded: nothing before it is undone any more.
pub(crate) fn past_pivot(definition: &Definition, state: &State) -> bool {
    let pivot = definition.steps.iter().find(|step| step.side == Side::Pivot);
    pivot.is_some_and(|pivot| matches!(state.step(&pivot.name), Some(StepState::Succeeded { .. })))
}

/// A saga that is being undone has nothing left to undo, and nothing under way.
pub(crate) fn undone(definition: &Definition, state: &State) -> bool {
    state.calls().next().is_none()
        && state.waits().next().is_none()
        && !definition.steps.iter().any(|step| owes_undo(step, state))
}

/// Something of this step is to be undone and is not undone yet (invariant 5).
fn owes_undo(step: &Step, state: &State) -> bool {
    match step.undo() {
        Undo::Nothing { .. } | Undo::Never => false,
        Undo::Call(_) | Undo::Child => state.step(&step.name).is_some_and(StepState::owes_undo),
    }
}

/// A decision in the making.
struct Draft<'d> {
    definition: &'d Definition,
    state: &'d mut State,
    events: Vec<Recorded>,
    requests: Vec<(CallId, Rendered)>,
    attention_cleared: Option<u64>,
    now: Time,
}

impl<'d> Draft<'d> {
    fn new(definition: &'d Definition, state: &'d mut State, now: Time) -> Self {
        Self { definition, state, events: Vec::new(), requests: Vec::new(), attention_cleared: None, now }
    }

    fn decision(self) -> Decision {
        Decision { events: self.events, requests: self.requests, attention_cleared: self.attention_cleared }
    }

    fn push(&mut self, event: Event) {
        let epoch = self.state.epoch;
        self.push_under(epoch, event);
    }

    fn push_under(&mut self, epoch: u64, event: Event) {
        let recorded = Recorded { seq: self.state.next_seq, epoch, at: self.now, event };
        let attention = !self.state.attention.is_empty();
        evolve::apply(self.state, &recorded).expect("invariant: a decision only makes legal events");
        if attention && self.state.attention.is_empty() {
            self.attention_cleared = Some(recorded.seq);
        }
        self.events.push(recorded);
    }

    /// Open attempts that may have left are unknown, first of all. One that was not due yet, or that the owner let go of in
    /// good order, cannot have left: it stands. A clock that went back cannot tell what was due, so all may have left.
    fn adopt(&mut self, epoch: u64, clock_went_back: bool) {
        let released = self.state.released;
        self.push_under(epoch, Event::Adopted);
        if released {
            return;
        }
        let open: Vec<_> = self
            .state
            .calls()
            .filter(|(_, call)| matches!(call.phase, Phase::Open { due_at } if due_at <= self.now || clock_went_back))
            .map(|(id, call)| (id, call.attempt))
            .collect();
        for (call, attempt) in open {
            let reason = "the orchestrator ended while this attempt was open".to_owned();
            let outcome = Outcome::Unknown { status: None, reason, retry_after: None, refused: None };
            self.judge(&call, attempt, outcome);
        }
    }

    fn answer(&mut self, id: &CallId, attempt: u32, reply: Reply, terms: &Terms) {
        let Some(step) = self.open(id, attempt) else { return };
        let (Some(of), Some(call)) = (step.call(), step.call_of(id.op)) else { return };
        if let Some(within) = of.verdict_within.filter(|_| is_accepted(id.op, &reply, terms)) {
            return self.accepted(id, attempt, within);
        }
        let outcome = classify(of, call, id.op, reply, terms, self.output_bytes(&id.step));
        self.judge(id, attempt, outcome);
    }

    fn withdrawn(&mut self, id: &CallId, attempt: u32) {
        if self.open(id, attempt).is_some() && self.state.status == Status::Compensating && id.op == Op::Action {
            self.push(Event::CallWithdrawn { call: id.clone(), attempt });
            self.fail_step_in_doubt(id);
        }
    }

    fn cancel(&mut self, reason: Option<String>) {
        if can_cancel(self.definition, self.state) == CanCancel::Yes {
            self.push(Event::CancelRequested { reason: reason.clone() });
            self.compensate_because(Cause::Cancelled { reason });
        }
    }

    /// The step of a call whose attempt is open, is decided by a callback just now, or was just found to have happened.
    fn open(&self, id: &CallId, attempt: u32) -> Option<&Step> {
        let call = self.state.call(id)?;
        let open = matches!(call.phase, Phase::Open { .. } | Phase::Told { .. } | Phase::Applied);
        let open = open && call.attempt == attempt;
        self.definition.step(&id.step).filter(|_| open).map(|(_, step)| step)
    }
}

/// What a saga owes the world. A function of state, so a fresh process owes exactly what the dead one owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send this attempt, not before `due_at`. While the saga is being undone an action is owed no sending any more: the
    /// one that is on the wire is awaited, any other answered with [`Input::Withdrawn`].
    Call { call: CallId, attempt: u32, due_at: Time },
    /// Ask whether this attempt was applied, not before `due_at`: [`crate::render_probe`] says how. It may be asked more often
    /// than needed and never asked to the end.
    Probe { call: CallId, attempt: u32, due_at: Time },
    /// Take a place in the queue of this lock, look who comes before, and feed [`Input::LocksAnswered`]; again after a while, if
    /// somebody does. The same for those behind it, as long as nobody does.
    Lock { lock: LockName },
    /// Something for its family; it may be done more often than needed.
    Family(Errand),
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
            Phase::Accepted { until } => until.map(|at| Command::Wake { at }),
            Phase::Probing(probing) => {
                Some(Command::Probe { call, attempt: under_way.attempt, due_at: probing.due_at })
            }
            Phase::Postponed { until } => Some(Command::Wake { at: until }),
            Phase::Told { .. } | Phase::Closed | Phase::Applied | Phase::Child | Phase::Halted => None,
        })
        .collect();
    owed.extend(errands(definition, state).into_iter().map(Command::Family));
    owed.extend(state.next_lock().map(|lock| Command::Lock { lock: lock.clone() }));
    let deadline_counts = state.status == Status::Running && !point_of_no_return(definition, state);
    owed.extend(state.waits().filter_map(|(_, waiting)| waiting.until()).map(|at| Command::Wake { at }));
    owed.extend(state.started.deadline_at.filter(|_| deadline_counts).map(|at| Command::Wake { at }));
    owed
}
