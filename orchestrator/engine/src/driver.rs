//! The one loop: drives one saga from wherever its state is to its end.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use amends_core::{
    CanCancel, Command, Input, RefusedThere, Reply, can_cancel, decide,
    definition::{Definition, Side},
    evolve, fold,
    ids::{CallId, Op, SagaId},
    outstanding, render,
    state::State,
    summary::Status,
    time::Time,
};
use amends_protocol::participant::{self as wire, CallHeaders};
use amends_store::{Append, AppendError, StoreError};
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use uuid::Uuid;

use crate::{
    Contract, Engine, Request,
    registry::{Live, Message, Progress},
};

/// Between two tries of an append while the store is away.
const APPEND_RETRY_FIRST: Duration = Duration::from_millis(50);
const APPEND_RETRY_MOST: Duration = Duration::from_secs(2);

/// Messages that wait for a driver: at most one answer for each step's call, and cancels. Beyond it senders wait.
const MAILBOX_MESSAGES: usize = 256;

/// A saga in memory. There is one driver per saga, and it has at most one append outstanding.
pub(crate) struct Driver {
    engine: Engine,
    definition: Arc<Definition>,
    state: State,
    mailbox: mpsc::Receiver<Message>,
    /// To itself: answers of its calls.
    post: mpsc::Sender<Message>,
    progress: watch::Sender<Progress>,
    /// Attempts handed to a task and not answered yet.
    in_flight: BTreeMap<CallId, InFlight>,
    /// As long as it lives it takes a place.
    place: OwnedSemaphorePermit,
    /// When this process took the saga over from another, if it did.
    adopted_at: Option<Time>,
    /// How often in a row its saga had to be taken up again; each time the pause grows.
    strikes: u32,
}

struct InFlight {
    attempt: u32,
    gate: Arc<Gate>,
}

/// Why a driver stopped driving.
#[derive(Debug)]
enum End {
    /// The saga has ended.
    Finished,
    /// The engine shuts down; everything open has been let go of in good order.
    Released,
    /// The journal or the owner is not what this driver thinks: nothing may be sent from here any more.
    Lost(&'static str),
}

/// What is left after everything due has been handed out.
enum Owed {
    /// The saga has ended.
    Nothing,
    /// Nothing, until this time or an answer.
    Until(Option<Time>),
    /// The journal must learn first that these attempts are never sent.
    Withdrawals(Vec<Input>),
}

impl Driver {
    /// Drives a saga whose state is durable. `first` is an input that comes before anything else: the adoption.
    pub(crate) fn launch(
        engine: Engine,
        definition: Arc<Definition>,
        state: State,
        place: OwnedSemaphorePermit,
        first: Option<Input>,
        strikes: u32,
    ) {
        let saga = state.saga;
        let (post, mailbox) = mpsc::channel(MAILBOX_MESSAGES);
        let (progress, seen) = watch::channel(Progress::default());
        engine.inner.registry.insert(saga, Live { mailbox: post.clone(), progress: seen });
        let tasks = engine.inner.tasks.clone();
        let in_flight = BTreeMap::new();
        let adopted_at = first.as_ref().map(|_| engine.inner.clock.now());
        let driver = Self { engine, definition, state, mailbox, post, progress, in_flight, place, adopted_at, strikes };
        tasks.spawn(driver.supervise(saga, first));
    }

    /// A driver that panics takes nobody along: its saga is taken up again from the journal, after a pause.
    async fn supervise(mut self, saga: SagaId, first: Option<Input>) {
        let end = AssertUnwindSafe(self.run(first)).catch_unwind().await;
        let engine = self.engine.clone();
        engine.inner.registry.remove(saga);
        let why = match end {
            Ok(End::Finished | End::Released) => return,
            Ok(End::Lost(why)) => why,
            Err(_) => "its driver panicked",
        };
        // Attempts still in flight belong to the epoch that is over: their answers have nowhere to go.
        tracing::warn!(saga.id = %saga, why, "saga dropped from memory; looking at its journal again");
        engine.take_up_again(saga, self.place, self.strikes + 1).await;
    }

    async fn run(&mut self, first: Option<Input>) -> End {
        // Before anything is dispatched: what an earlier owner intended must not be sent as if it were this one's.
        let mut inputs: Vec<Input> = first.into_iter().collect();
        loop {
            if !inputs.is_empty()
                && let Err(end) = self.take(inputs.drain(..).map(Message::Input).collect()).await
            {
                return end;
            }
            let owed = self.dispatch();
            self.tell();
            let wake_at = match owed {
                Owed::Nothing => return End::Finished,
                Owed::Withdrawals(withdrawals) => {
                    inputs = withdrawals;
                    continue;
                }
                Owed::Until(wake_at) => wake_at,
            };
            if self.engine.inner.stopping.is_cancelled() && self.nothing_on_the_wire() {
                return self.release().await;
            }
            let message = tokio::select! {
                message = self.mailbox.recv() => message,
                () = wake(&self.engine, wake_at) => Some(Message::Input(Input::TimePassed)),
                () = self.engine.inner.stopping.cancelled(), if !self.engine.inner.stopping.is_cancelled() => continue,
            };
            let message = message.expect("invariant: the driver holds a sender of its own mailbox");
            if let Err(end) = self.take(vec![message]).await {
                return end;
            }
        }
    }

    /// These messages and whatever else has arrived become one decision and one append.
    async fn take(&mut self, messages: Vec<Message>) -> Result<(), End> {
        let mut state = self.state.clone();
        let mut events = Vec::new();
        let mut verdicts: Vec<(oneshot::Sender<CanCancel>, CanCancel)> = Vec::new();
        let mut messages = messages.into_iter();
        while let Some(message) = messages.next().or_else(|| self.mailbox.try_recv().ok()) {
            let input = match message {
                Message::Input(input) => input,
                Message::Cancel { reason, verdict } => {
                    verdicts.push((verdict, can_cancel(&self.definition, &state)));
                    Input::CancelRequested { reason }
                }
                Message::OwnershipLost => return Err(End::Lost("a participant has seen a newer owner")),
            };
            if let Input::Answered { call, attempt, .. } = &input
                && self.in_flight.get(call).is_some_and(|in_flight| in_flight.attempt == *attempt)
            {
                self.in_flight.remove(call);
            }
            for event in decide(&self.definition, &state, input, self.engine.inner.clock.now()) {
                state = evolve(state, &event).expect("invariant: what is decided can be folded");
                events.push(event);
            }
        }
        if !events.is_empty() {
            self.append(&state, events).await?;
            self.state = state;
        }
        for (verdict, can) in verdicts {
            // Nobody waits any more if the caller went away.
            let _ = verdict.send(can);
        }
        Ok(())
    }

    /// Returns when the events are durable. A store that is away is waited for: until then nothing follows from them.
    async fn append(&self, state: &State, events: Vec<amends_core::event::Recorded>) -> Result<(), End> {
        let append = Append {
            saga: state.saga,
            commit: Uuid::new_v4(),
            epoch: state.epoch,
            events,
            summary: state.summary(),
            create: None,
        };
        let mut pause = APPEND_RETRY_FIRST;
        loop {
            match self.engine.inner.committer.append(append.clone()).await {
                Ok(()) => return Ok(()),
                Err(AppendError::Fenced) => return Err(End::Lost("another process owns it")),
                Err(AppendError::Conflict | AppendError::Exists) => {
                    return Err(End::Lost("its journal goes on differently"));
                }
                Err(AppendError::Unavailable(error @ (StoreError::Corrupt { .. } | StoreError::Refused { .. }))) => {
                    tracing::error!(saga.id = %state.saga, %error, "the store does not take this append");
                    return Err(End::Lost("the store does not take its append"));
                }
                Err(AppendError::Unavailable(error)) => {
                    if pause == APPEND_RETRY_FIRST {
                        tracing::warn!(saga.id = %state.saga, %error, "the store is away; waiting for it");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(APPEND_RETRY_MOST);
                }
            }
        }
    }

    /// Hands out what is owed and not in flight.
    fn dispatch(&mut self) -> Owed {
        let now = self.engine.inner.clock.now();
        let stopping = self.engine.inner.stopping.is_cancelled();
        let undoing = self.state.status == Status::Compensating;
        let mut wake_at: Option<Time> = None;
        let mut withdrawals = Vec::new();
        for command in outstanding(&self.definition, &self.state) {
            match command {
                Command::Finish => return Owed::Nothing,
                Command::Wake { at } => wake_at = Some(wake_at.map_or(at, |before| before.min(at))),
                Command::Call { call, attempt, due_at } => {
                    let due_at = due_at.max(self.not_before(&call));
                    let in_flight = self.in_flight.get(&call).filter(|in_flight| in_flight.attempt == attempt);
                    let given_up = undoing && call.op == Op::Action;
                    if given_up && in_flight.is_none_or(|in_flight| in_flight.gate.withdraw()) {
                        // The saga failed before this attempt had its turn.
                        self.in_flight.remove(&call);
                        withdrawals.push(Input::Withdrawn { call, attempt });
                    } else if in_flight.is_some() || stopping {
                        // It is under way, or is left to the successor.
                    } else if due_at <= now {
                        self.send(call, attempt);
                    } else {
                        wake_at = Some(wake_at.map_or(due_at, |before| before.min(due_at)));
                    }
                }
            }
        }
        if withdrawals.is_empty() { Owed::Until(wake_at) } else { Owed::Withdrawals(withdrawals) }
    }

    /// A plain service has no tombstone: an action that the dead owner sent must have had its time before it is undone.
    fn not_before(&self, call: &CallId) -> Time {
        let Some((_, step)) = self.definition.step(&call.step) else { return Time(i64::MIN) };
        let action = &step.call().action;
        match (self.adopted_at, self.engine.inner.catalogue.get(&action.service)) {
            (Some(adopted_at), Some(service)) if call.op == Op::Compensate && service.contract == Contract::Plain => {
                adopted_at + action.timeout.unwrap_or(service.timeout)
            }
            _ => Time(i64::MIN),
        }
    }

    /// Sends an attempt whose intent is durable, in a task of its own.
    fn send(&mut self, call: CallId, attempt: u32) {
        let gate = Arc::new(Gate::default());
        self.in_flight.insert(call.clone(), InFlight { attempt, gate: gate.clone() });
        let (engine, post) = (self.engine.clone(), self.post.clone());
        let (saga, epoch) = (self.state.saga, self.state.epoch);
        let prepared = self.prepare(&call, attempt);
        tokio::spawn(async move {
            let answered = |reply, terms| Message::Input(Input::Answered { call, attempt, reply, terms });
            let (request, terms) = match prepared {
                Ok(prepared) => prepared,
                Err(reason) => {
                    drop(post.send(answered(Reply::NotSent { reason }, Default::default())).await);
                    return;
                }
            };
            // Parked until there is a place in the service's bulkhead; the saga may fail meanwhile.
            let _place = engine.inner.bulkheads.enter(&request.rendered.service).await;
            if !gate.pass() {
                return;
            }
            let call = AssertUnwindSafe(engine.inner.participant.call(request)).catch_unwind();
            let reply = call.await.unwrap_or_else(|_| Reply::Lost { reason: "the call's task panicked".to_owned() });
            let message = match &reply {
                Reply::Answered(answer) if answer.refused == Some(RefusedThere::StaleEpoch) => {
                    if engine.owns(saga, epoch).await { answered(reply, terms) } else { Message::OwnershipLost }
                }
                _ => answered(reply, terms),
            };
            // The driver may have ended; then the journal takes this attempt for unknown.
            drop(post.send(message).await);
        });
    }

    fn prepare(&self, call: &CallId, attempt: u32) -> Result<(Request, amends_core::Terms), String> {
        let rendered = render(&self.definition, &self.state, call)?;
        let intended = self.state.call(call).and_then(|call| call.request.clone());
        if intended.as_ref() != Some(&rendered.digest) {
            return Err("the request renders differently than when it was intended".to_owned());
        }
        let service = self.engine.inner.catalogue.get(&rendered.service);
        let service = service.ok_or_else(|| format!("the catalogue has no service {}", rendered.service))?;
        let (_, step) = self.definition.step(&call.step).expect("invariant: an intended call has a step");
        let timeout = match (call.op, step.undo()) {
            (Op::Compensate, amends_core::definition::Undo::Call(undo)) => undo.timeout,
            _ => step.call().action.timeout,
        };
        let counts = call.op == Op::Action && step.side != Side::After;
        let headers = CallHeaders {
            saga: self.state.saga.0,
            name: self.state.started.name.to_string(),
            step: call.step.to_string(),
            index: call.index,
            op: match call.op {
                Op::Action => wire::Op::Action,
                Op::Compensate => wire::Op::Compensate,
            },
            attempt,
            epoch: self.state.epoch,
            deadline: self.state.started.deadline_at.filter(|_| counts).map(Time::to_rfc3339),
            traceparent: self.state.started.traceparent.clone(),
        };
        let terms = service.terms();
        Ok((Request { rendered, headers, timeout: timeout.unwrap_or(service.timeout) }, terms))
    }

    /// Whatever waits for its turn is called back; what has passed its gate is on the wire and awaited.
    fn nothing_on_the_wire(&mut self) -> bool {
        self.in_flight.retain(|_, in_flight| !in_flight.gate.withdraw());
        self.in_flight.is_empty()
    }

    async fn release(&mut self) -> End {
        let mut state = self.state.clone();
        let events = decide(&self.definition, &state, Input::Released, self.engine.inner.clock.now());
        for event in &events {
            state = evolve(state, event).expect("invariant: what is decided can be folded");
        }
        match self.append(&state, events).await {
            Ok(()) => End::Released,
            Err(end) => end,
        }
    }

    fn tell(&self) {
        let summary = self.state.summary();
        let now = Progress { ended: summary.status.is_terminal(), attention: summary.attention };
        self.progress.send_if_modified(|progress| std::mem::replace(progress, now) != now);
    }
}

async fn wake(engine: &Engine, at: Option<Time>) {
    match at {
        Some(at) => engine.inner.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Between an attempt that waits and its sending: either it is sent or it is called back, never both.
#[derive(Default)]
struct Gate(AtomicU8);

impl Gate {
    const PASSED: u8 = 1;
    const WITHDRAWN: u8 = 2;

    /// `true`: send it now.
    fn pass(&self) -> bool {
        self.0.compare_exchange(0, Self::PASSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// `true`: it has not been sent and will not be.
    fn withdraw(&self) -> bool {
        match self.0.compare_exchange(0, Self::WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(before) => before == Self::WITHDRAWN,
        }
    }
}

/// The state of a journal as it is stored.
pub(crate) fn folded(saga: SagaId, journal: &[amends_core::event::Recorded]) -> Result<State, StoreError> {
    fold(saga, journal).map_err(|illegal| StoreError::Corrupt { reason: illegal.to_string() })
}
