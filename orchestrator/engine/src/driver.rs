//! The one loop: drives one saga from wherever its state is to its end.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use amends_core::{
    CanCallBack, CanCancel, CanSignal, Command, Decision, Input, Rendered, Terms, can_call_back, can_cancel,
    can_signal, decide_in_place,
    definition::Definition,
    event::Recorded,
    faults, fold,
    ids::{CallId, Op, SagaId},
    outstanding, render,
    state::State,
    summary::Status,
    take_in_place,
    time::Time,
};
use amends_store::{Append, AppendError, StoreError, Verdict};
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::{
    Contract, Engine, Request,
    calls::{Attempt, Calls},
    errands::Errands,
    family::Saga,
    headers::call_headers,
    inbox::{self, Came},
    membership::Member,
    probes,
    registry::{Ended, Live, Message, Progress, Whole},
};

/// Between two tries of an append while the store is away.
const APPEND_RETRY_FIRST: Duration = Duration::from_millis(50);
const APPEND_RETRY_MOST: Duration = Duration::from_secs(2);

/// Between two looks of a saga that waits for a lock in memory; mostly it is told before.
const LOOK_AT_LOCK_EVERY: Duration = Duration::from_secs(1);

/// Messages that wait for a driver: cancels and signals. Beyond it senders wait.
const MAILBOX_MESSAGES: usize = 64;

/// A saga in memory. There is one driver per saga, and it has at most one append outstanding.
pub(crate) struct Driver {
    engine: Engine,
    /// The identity under which the saga is owned.
    member: Arc<Member>,
    definition: Arc<Definition>,
    /// With what has been decided but may not be durable yet; nothing is sent before it is.
    state: State,
    /// Requests of attempts that were decided just now, so that they need not be rendered twice.
    rendered: Vec<(CallId, Rendered)>,
    /// After which of the events that are not written yet nobody had to look any more.
    attention_cleared: Option<u64>,
    /// Everything so far, if somebody waits for it and it began here.
    journal: Option<Vec<Recorded>>,
    mailbox: mpsc::Receiver<Message>,
    /// To itself: that there is a sender as long as it lives.
    post: mpsc::Sender<Message>,
    progress: watch::Sender<Progress>,
    calls: Calls,
    /// As long as it lives it takes a place.
    place: OwnedSemaphorePermit,
    /// When this process took the saga over from another, if it did.
    adopted_at: Option<Time>,
    /// When it looks next whether its lock is free; `None`: at once.
    look_at_lock: Option<Time>,
    /// Since when it waits for a lock in this memory.
    waits_since: Option<Time>,
    family: Errands,
    /// How often in a row its saga had to be taken up again; each time the pause grows.
    strikes: u32,
}

/// A saga that was claimed.
pub(crate) struct Takeover {
    /// Under which it is driven from here on.
    pub(crate) epoch: u64,
    /// What it was claimed for, if not for its own sake: decided together with the adoption, before it may sleep again.
    pub(crate) letters: Vec<Message>,
}

/// Why a driver stopped driving.
#[derive(Debug)]
enum End {
    /// The saga has ended.
    Finished,
    /// Everything open has been let go of in good order: the engine shuts down, or the saga only waits.
    Released,
    /// This process's lease has ended: whoever adopts the saga goes on with it.
    LeaseEnded,
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
    /// Drives a claimed saga from its durable state.
    pub(crate) fn take_over(
        engine: Engine,
        member: Arc<Member>,
        definition: Arc<Definition>,
        state: State,
        place: OwnedSemaphorePermit,
        takeover: Takeover,
        strikes: u32,
    ) {
        let adopted_at = engine.inner.clock.now();
        let (mut driver, live) = Self::new(engine, member, definition, state, place);
        driver.adopted_at = Some(adopted_at);
        driver.strikes = strikes;
        for letter in takeover.letters {
            if driver.post.try_send(letter).is_err() {
                // More than a mailbox holds: the note is found again.
                break;
            }
        }
        driver.enter(live);
        let tasks = driver.engine.inner.tasks.clone();
        tasks.spawn(driver.drive(Some(Input::Adopted { epoch: takeover.epoch })));
    }

    /// For a saga whose first events have just become durable: it can be reached from now on, and is to be driven at once.
    /// With `journal` they are kept for those who wait.
    pub(crate) fn begin(
        engine: Engine,
        member: Arc<Member>,
        definition: Arc<Definition>,
        state: State,
        place: OwnedSemaphorePermit,
        rendered: Vec<(CallId, Rendered)>,
        journal: Option<Vec<Recorded>>,
    ) -> Self {
        let (mut driver, live) = Self::new(engine, member, definition, state, place);
        driver.rendered = rendered;
        driver.journal = journal;
        driver.enter(live);
        driver
    }

    fn new(
        engine: Engine,
        member: Arc<Member>,
        definition: Arc<Definition>,
        state: State,
        place: OwnedSemaphorePermit,
    ) -> (Self, Live) {
        let (post, mailbox) = mpsc::channel(MAILBOX_MESSAGES);
        let (progress, seen) = watch::channel(Progress::default());
        let live = Live { mailbox: post.clone(), progress: seen };
        let driver = Self {
            engine,
            member,
            definition,
            state,
            rendered: Vec::new(),
            attention_cleared: None,
            journal: None,
            mailbox,
            post,
            progress,
            calls: Calls::default(),
            place,
            adopted_at: None,
            look_at_lock: None,
            waits_since: None,
            family: Errands::default(),
            strikes: 0,
        };
        (driver, live)
    }

    fn enter(&self, live: Live) {
        self.engine.inner.registry.insert(self.state.saga, live);
    }

    /// To its end, if nothing goes wrong; `first` comes before anything else: the adoption. A driver that panics takes nobody
    /// along: its saga is taken up again from the journal, after a pause.
    pub(crate) async fn drive(mut self, first: Option<Input>) {
        let end = AssertUnwindSafe(self.run(first)).catch_unwind().await;
        let (engine, saga) = (self.engine, self.state.saga);
        engine.inner.registry.remove(saga, &self.post);
        if self.state.status.is_terminal() && !self.state.started.locks.is_empty() {
            let places = self.state.started.locks.len().min(self.state.locks.taken + 1);
            engine.locks_freed(saga, &self.state.started.locks[..places]).await;
        }
        // Attempts still in flight belong to the epoch that is over: their answers have nowhere to go.
        drop(self.calls);
        let why = match end {
            Ok(End::Finished | End::Released | End::LeaseEnded) => return,
            Ok(End::Lost(why)) => why,
            Err(_) => "its driver panicked",
        };
        tracing::warn!(saga.id = %saga, why, "saga dropped from memory; looking at its journal again");
        engine.take_up_again(saga, self.member.id, self.place, self.strikes + 1).await;
    }

    async fn run(&mut self, first: Option<Input>) -> End {
        // Before anything is dispatched: what an earlier owner intended must not be sent as if it were this one's.
        let mut inputs: Vec<Input> = first.into_iter().collect();
        // A saga may begin with a wait; what is claimed is looked at when its adoption is written.
        if inputs.is_empty() && self.only_waits() {
            return self.release().await;
        }
        loop {
            if !inputs.is_empty()
                && let Err(end) =
                    self.take(inputs.drain(..).map(|input| Message::Input(Box::new(input))).collect()).await
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
            if self.member.ended() {
                return End::LeaseEnded;
            }
            let (now, patience) = (self.engine.inner.clock.now(), self.engine.inner.limits.release_after);
            if self.family.is_to_run(now) {
                inputs = self.run_errands().await;
                continue;
            }
            let wake_at = wake_at.into_iter().chain(self.family.look_at(now, patience)).min();
            if self.engine.stopping() && self.family.may_leave() && self.calls.withdraw_all() {
                return self.release().await;
            }
            if self.is_to_look_at_locks() {
                inputs = self.look_at_locks().await;
                if inputs.is_empty() && self.only_waits() {
                    return self.release().await;
                }
                continue;
            }
            if self.family.has_waited(now, patience) && self.only_waits() {
                return self.release().await;
            }
            let message = tokio::select! {
                biased;
                message = self.calls.next() => message,
                message = self.mailbox.recv() => {
                    message.expect("invariant: the driver holds a sender of its own mailbox")
                }
                () = wake(&self.engine, wake_at) => Message::Input(Box::new(Input::TimePassed)),
            };
            if let Err(end) = self.take(vec![message]).await {
                return end;
            }
        }
    }

    /// These messages and whatever else has arrived become one decision and one append.
    async fn take(&mut self, messages: Vec<Message>) -> Result<(), End> {
        let mut events = Vec::new();
        let mut answers: Vec<(oneshot::Sender<CanCancel>, CanCancel)> = Vec::new();
        let mut signalled: Vec<(oneshot::Sender<CanSignal>, CanSignal)> = Vec::new();
        let mut called_back: Vec<(oneshot::Sender<CanCallBack>, CanCallBack)> = Vec::new();
        let mut verdicts: Vec<Verdict> = Vec::new();
        let mut late = false;
        let mut quietly = false;
        let mut messages = messages.into_iter();
        while let Some(message) =
            messages.next().or_else(|| self.calls.ready()).or_else(|| self.mailbox.try_recv().ok())
        {
            let input = match message {
                Message::Input(input) => *input,
                Message::Look => continue,
                Message::Cancel { reason, note, verdict } => {
                    let can = can_cancel(&self.definition, &self.state);
                    answers.extend(verdict.map(|verdict| (verdict, can)));
                    verdicts.extend(note.map(|note| inbox::verdict(note, Came::from(can))));
                    Input::CancelRequested { reason }
                }
                Message::Signal { signal, note, verdict } => {
                    let can = can_signal(&self.definition, &self.state, &signal);
                    signalled.extend(verdict.map(|verdict| (verdict, can)));
                    verdicts.extend(note.map(|note| inbox::verdict(note, Came::from(can))));
                    Input::Signalled(signal)
                }
                Message::Callback { callback, note, verdict } => {
                    let can = can_call_back(&self.definition, &self.state, &callback);
                    called_back.extend(verdict.map(|verdict| (verdict, can)));
                    verdicts.extend(note.map(|note| inbox::verdict(note, Came::from(can))));
                    if let (CanCallBack::Yes, Some(call)) = (can, self.state.call(&callback.call)) {
                        // An attempt that has not left need not any more; one that has is answered to nobody.
                        self.calls.withdraw(&callback.call, call.attempt);
                    }
                    let terms = self.terms_of(&callback.call);
                    Input::CalledBack { callback, terms }
                }
                Message::LockFreed { note } => {
                    self.look_at_lock = None;
                    verdicts.extend(note.map(|note| inbox::verdict(note, Came::Accepted)));
                    continue;
                }
                Message::Family { input, note } => {
                    verdicts.push(inbox::verdict(note, Came::Accepted));
                    *input
                }
                Message::NotUnderstood { note } => {
                    verdicts.push(inbox::verdict(note, Came::NotUnderstood));
                    continue;
                }
                Message::OwnershipLost => return Err(End::Lost("a participant has seen a newer owner")),
            };
            if let Input::Answered { call, attempt, .. } | Input::Probed { call, attempt, .. } = &input {
                self.calls.answered(call, *attempt);
                late = true;
            }
            // What was written down while nobody drove the saga comes before the time that has passed meanwhile.
            quietly |= matches!(input, Input::Adopted { .. }) && !self.mailbox.is_empty();
            if quietly {
                self.decided(take_in_place, input, &mut events);
            } else {
                self.decide(input, &mut events);
            }
        }
        if quietly {
            self.decide(Input::TimePassed, &mut events);
        }
        let mut sleeps = false;
        if !events.is_empty() || late {
            // Also after an answer that came too late to mean anything: it may be all that kept the saga in memory.
            sleeps = self.only_waits();
            if sleeps {
                self.decide(Input::Released, &mut events);
            }
        }
        if !events.is_empty() {
            self.append(events, sleeps, verdicts).await?;
        } else if !verdicts.is_empty() {
            self.settle(verdicts).await?;
        }
        for (verdict, can) in answers {
            // Nobody waits any more if the caller went away.
            let _ = verdict.send(can);
        }
        for (verdict, can) in signalled {
            let _ = verdict.send(can);
        }
        for (verdict, can) in called_back {
            let _ = verdict.send(can);
        }
        if sleeps { Err(End::Released) } else { Ok(()) }
    }

    fn decide(&mut self, input: Input, events: &mut Vec<Recorded>) {
        self.decided(decide_in_place, input, events);
    }

    fn decided(
        &mut self,
        by: fn(&Definition, &mut State, Input, Time) -> Decision,
        input: Input,
        events: &mut Vec<Recorded>,
    ) {
        let now = self.engine.inner.clock.now();
        let decision = by(&self.definition, &mut self.state, input, now);
        self.rendered.extend(decision.requests);
        self.attention_cleared = decision.attention_cleared.or(self.attention_cleared);
        events.extend(decision.events);
    }

    /// Nothing is under way and nothing will be for long: it needs no memory. Whoever wakes it, wakes it from the store.
    fn only_waits(&self) -> bool {
        let now = self.engine.inner.clock.now();
        let far = now + self.engine.inner.limits.release_after;
        let summary = self.state.summary();
        let stays = summary.status.is_terminal() || summary.wake_at.is_some_and(|at| at < far);
        let expects_lock = self.state.next_lock().is_some()
            && self.waits_since.is_none_or(|since| since + self.engine.inner.limits.release_after > now);
        if stays || expects_lock || !self.calls.is_empty() || self.engine.stopping() {
            return false;
        }
        let undoing = self.state.status == Status::Compensating;
        outstanding(&self.definition, &self.state).iter().all(|command| match command {
            Command::Finish => false,
            Command::Lock { .. } => true,
            Command::Family(errand) => self.family.can_sleep(errand, now, self.engine.inner.limits.release_after),
            Command::Wake { at } => *at >= far,
            Command::Probe { due_at, .. } => *due_at >= far,
            // While it is undone an open action is not waited for but withdrawn.
            Command::Call { call, due_at, .. } => *due_at >= far && !(undoing && call.op == Op::Action),
        })
    }

    /// Returns when the events are durable. A store that is away is waited for: until then nothing follows from them.
    async fn append(&mut self, events: Vec<Recorded>, release: bool, verdicts: Vec<Verdict>) -> Result<(), End> {
        if let Some(journal) = &mut self.journal {
            journal.extend(events.iter().cloned());
        }
        let append = Append {
            saga: self.state.saga,
            commit: self.engine.inner.commit_ids.next(),
            epoch: self.state.epoch,
            events,
            summary: self.state.summary(),
            attention_cleared: self.attention_cleared.take(),
            create: None,
            release,
            verdicts,
        };
        let mut pause = APPEND_RETRY_FIRST;
        loop {
            let of = faults::Saga { id: append.saga, definition: &self.definition, started: &self.state.started };
            let committed = self.engine.append(of, append.clone());
            match self.calls.beside(committed).await {
                Ok(()) => return Ok(()),
                Err(AppendError::Fenced) => return Err(End::Lost("another process owns it")),
                Err(AppendError::Conflict | AppendError::Exists | AppendError::Deleted) => {
                    return Err(End::Lost("its journal goes on differently"));
                }
                Err(AppendError::Unavailable(error)) => self.wait_for_store(error, &mut pause).await?,
            }
        }
    }

    /// Notes that lead to no event get their verdicts all the same, from nobody but the owner.
    async fn settle(&mut self, verdicts: Vec<Verdict>) -> Result<(), End> {
        let mut pause = APPEND_RETRY_FIRST;
        loop {
            let settled = self.engine.inner.store.settle(self.state.saga, self.state.epoch, verdicts.clone());
            match settled.await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(End::Lost("another process owns it")),
                Err(error) => self.wait_for_store(error, &mut pause).await?,
            }
        }
    }

    async fn wait_for_store(&mut self, error: StoreError, pause: &mut Duration) -> Result<(), End> {
        let saga = self.state.saga;
        if matches!(error, StoreError::Corrupt { .. } | StoreError::Refused { .. }) {
            tracing::error!(saga.id = %saga, %error, "the store does not take this append");
            return Err(End::Lost("the store does not take its append"));
        }
        if *pause == APPEND_RETRY_FIRST {
            tracing::warn!(saga.id = %saga, %error, "the store is away; waiting for it");
        }
        tokio::select! {
            biased;
            () = self.member.over.cancelled() => return Err(End::LeaseEnded),
            () = self.calls.beside(tokio::time::sleep(*pause)) => {}
        }
        *pause = (*pause * 2).min(APPEND_RETRY_MOST);
        Ok(())
    }

    /// Hands out what is owed and not in flight.
    fn dispatch(&mut self) -> Owed {
        let now = self.engine.inner.clock.now();
        let stopping = self.engine.stopping();
        let undoing = self.state.status == Status::Compensating;
        let mut wake_at: Option<Time> = None;
        let mut withdrawals = Vec::new();
        self.family.forget_owed();
        for command in outstanding(&self.definition, &self.state) {
            match command {
                Command::Finish => return Owed::Nothing,
                Command::Lock { .. } => {
                    let at = self.look_at_lock.unwrap_or(now);
                    wake_at = Some(wake_at.map_or(at, |before| before.min(at)));
                }
                // Run apart: it needs the store.
                Command::Family(errand) => self.family.owe(errand),
                Command::Wake { at } => wake_at = Some(wake_at.map_or(at, |before| before.min(at))),
                Command::Probe { call, attempt, .. } if stopping || self.calls.has(&call, attempt) => {}
                Command::Probe { call, attempt, due_at } if due_at <= now => self.ask(call, attempt, now),
                Command::Probe { due_at, .. } => {
                    wake_at = Some(wake_at.map_or(due_at, |before| before.min(due_at)));
                }
                Command::Call { call, attempt, due_at } => {
                    let due_at = due_at.max(self.not_before(&call));
                    let given_up = undoing && call.op == Op::Action;
                    if given_up && self.calls.withdraw(&call, attempt) {
                        // The saga failed before this attempt had its turn.
                        withdrawals.push(Input::Withdrawn { call, attempt });
                    } else if self.calls.has(&call, attempt) || stopping {
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

    /// What it owes its family, as far as the store lets it. Answers what is learnt by it.
    async fn run_errands(&mut self) -> Vec<Input> {
        let mut news = Vec::new();
        for errand in self.family.left() {
            let of = Saga { definition: &self.definition, state: &self.state, owner: self.member.id };
            let ran = self.calls.beside(self.engine.run_errand(&of, &errand)).await;
            let now = self.engine.inner.clock.now();
            match ran {
                Ok(learnt) => {
                    self.family.did(errand, now);
                    news.extend(learnt);
                }
                Err(error) => {
                    tracing::warn!(saga.id = %self.state.saga, %error, "its family is not told now; trying again");
                    self.family.failed(now);
                    break;
                }
            }
        }
        news
    }

    fn is_to_look_at_locks(&self) -> bool {
        let due = self.look_at_lock.is_none_or(|at| at <= self.engine.inner.clock.now());
        due && self.state.next_lock().is_some() && !self.engine.stopping()
    }

    /// What its queues say, if that is news. Nothing else is under way: no step has begun.
    async fn look_at_locks(&mut self) -> Vec<Input> {
        let (places, looked) = self.engine.places(&self.state).await;
        let now = self.engine.inner.clock.now();
        self.look_at_lock = Some(now + LOOK_AT_LOCK_EVERY);
        if let Err(error) = looked {
            tracing::debug!(saga.id = %self.state.saga, %error, "the queue of a lock cannot be read now");
        }
        let waits = self.state.locks.queued.is_some();
        let news = places.iter().any(|place| place.held) || (!waits && !places.is_empty());
        if places.iter().any(|place| place.held) {
            self.waits_since = None;
        }
        if places.last().is_some_and(|last| !last.held) {
            self.waits_since.get_or_insert(now);
        }
        if news { vec![Input::LocksAnswered(places)] } else { vec![] }
    }

    /// A plain service has no tombstone: an action that the dead owner sent must have had its time before it is undone.
    fn not_before(&self, call: &CallId) -> Time {
        let Some((_, step)) = self.definition.step(&call.step) else { return Time(i64::MIN) };
        let Some(action) = step.call_of(Op::Action) else { return Time(i64::MIN) };
        match (self.adopted_at, self.engine.inner.catalogue.get(&action.service)) {
            (Some(adopted_at), Some(service)) if call.op == Op::Compensate && service.contract == Contract::Plain => {
                adopted_at + action.timeout.unwrap_or(service.timeout)
            }
            _ => Time(i64::MIN),
        }
    }

    /// What may be expected of the service that is called.
    fn terms_of(&self, call: &CallId) -> Terms {
        let called = self.definition.step(&call.step).and_then(|(_, step)| step.call_of(call.op));
        let service = called.and_then(|called| self.engine.inner.catalogue.get(&called.service));
        service.map(|service| service.terms()).unwrap_or_default()
    }

    /// Sends an attempt whose intent is durable.
    fn send(&mut self, call: CallId, attempt: u32) {
        let prepared = self.prepare(&call, attempt);
        let owner = (self.member.clone(), self.state.saga, self.state.epoch);
        self.calls.begin(&self.engine, Attempt { call, attempt, asked_at: None, prepared, owner });
    }

    /// Asks whether an attempt was applied; from now on, at the earliest.
    fn ask(&mut self, call: CallId, attempt: u32, now: Time) {
        let prepared = probes::prepare(&self.engine.inner.catalogue, &self.definition, &self.state, &call, attempt);
        let owner = (self.member.clone(), self.state.saga, self.state.epoch);
        self.calls.begin(&self.engine, Attempt { call, attempt, asked_at: Some(now), prepared, owner });
    }

    fn prepare(&mut self, call: &CallId, attempt: u32) -> Result<(Request, Terms), String> {
        let decided = self.rendered.iter().position(|(rendered, _)| rendered == call);
        let rendered = match decided.map(|at| self.rendered.swap_remove(at).1) {
            Some(rendered) => rendered,
            None => render(&self.definition, &self.state, call)?,
        };
        let intended = self.state.call(call).and_then(|call| call.request.clone());
        if intended.as_ref() != Some(&rendered.digest) {
            return Err("the request renders differently than when it was intended".to_owned());
        }
        let service = self.engine.inner.catalogue.get(&rendered.service);
        let service = service.ok_or_else(|| format!("the catalogue has no service {}", rendered.service))?;
        let (_, step) = self.definition.step(&call.step).expect("invariant: an intended call has a step");
        let timeout = step.call_of(call.op).and_then(|call| call.timeout);
        let of = (self.state.saga, &*self.state.started);
        let token = || Some(self.engine.inner.tokens.of(self.state.saga, call));
        let headers = call_headers(&self.definition, of, call, (attempt, self.state.epoch), token);
        let terms = service.terms();
        let (started, timeout) = (self.state.started.clone(), timeout.unwrap_or(service.timeout));
        Ok((Request { rendered, headers, started, timeout }, terms))
    }

    async fn release(&mut self) -> End {
        let mut events = Vec::new();
        self.decide(Input::Released, &mut events);
        match self.append(events, true, Vec::new()).await {
            Ok(()) => {
                self.pass_on().await;
                End::Released
            }
            Err(end) => end,
        }
    }

    /// Word of a free lock that came while it let go would be lost with this memory.
    async fn pass_on(&mut self) {
        self.mailbox.close();
        let mut freed = false;
        while let Ok(message) = self.mailbox.try_recv() {
            freed |= matches!(message, Message::LockFreed { note: None });
        }
        self.engine.inner.registry.remove(self.state.saga, &self.post);
        if freed && let Err(error) = self.engine.tell_lock_freed(self.state.saga).await {
            tracing::debug!(saga.id = %self.state.saga, %error, "a sleeper is not told that its lock is free; it looks for itself");
        }
    }

    fn tell(&mut self) {
        let summary = self.state.summary();
        let attention = summary.attention;
        let ended = summary.status.is_terminal().then(|| Ended {
            status: summary.status,
            output: self.state.output.clone(),
            whole: self
                .journal
                .take()
                .map(|journal| Whole { definition: self.definition.clone(), journal: journal.into() }),
        });
        self.progress.send_if_modified(|progress| {
            let news = (progress.ended.is_some(), progress.attention) != (ended.is_some(), attention);
            *progress = Progress { attention, ended };
            news
        });
    }
}

async fn wake(engine: &Engine, at: Option<Time>) {
    match at {
        Some(at) => engine.inner.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The state of a journal as it is stored.
pub(crate) fn folded(saga: SagaId, journal: &[Recorded]) -> Result<State, StoreError> {
    fold(saga, journal).map_err(|illegal| StoreError::Corrupt { reason: illegal.to_string() })
}
