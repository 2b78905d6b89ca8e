//! Drives one saga through a plan the way the engine does: write first, then act; dispatch what is owed and not in flight.

use std::{sync::Arc, time::Duration};

use amends_core::{
    Begin, Callback, CanCallBack, CanSignal, Command, Input, Reply, Signal, Terms, begin, can_call_back, can_signal,
    decide,
    definition::{CallStep, Definition, Kind, Side, Undo},
    event::{Event, Recorded},
    evolve, fold,
    ids::{CallId, LockName, Op, SagaId, StepName},
    outstanding,
    state::{Phase, State, StepState, Waiting},
    summary::Status,
    time::Time,
};

use crate::{
    laws,
    plan::{self, Fate, Move, Plan},
    world::{World, unit},
};

/// One rule switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    FailingStepNotUndone,
    TimeoutMeansNotSent,
    UnknownNotSticky,
    WrongOrder,
    IfIgnored,
    SleepEndsEarly,
    SignalLost,
    LastSignalFirst,
    NoConcurrency,
    PivotLikeAnyStep,
    DoesNotAwait,
    AdoptionForgets,
    CallbackLost,
    AcceptedForgotten,
    NoTombstones,
    NoIdempotency,
    RefusalsNotStored,
    SentTwice,
    ProbeNotAwaited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Ended(Status),
    /// A call is halted: an operator has to say how it goes on.
    WaitsForAPerson,
}

/// One attempt on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) call: CallId,
    pub(crate) attempt: u32,
    pub(crate) epoch: u64,
}

pub(crate) struct Run {
    /// The one that decides; a broken rule may be in it.
    definition: Definition,
    broken: Broken,
    pivot: Option<StepName>,
    terms: Terms,
    pub(crate) state: State,
    pub(crate) journal: Vec<Recorded>,
    now: Time,
    wire: Vec<Request>,
    /// Given up by their sender, and not arrived yet.
    late: Vec<Request>,
    /// Signals that were acknowledged: name and payload.
    acknowledged: Vec<(String, serde_json::Value)>,
    /// What participants have to say of what they accepted.
    callbacks: Vec<Callback>,
    /// Those of them that were acknowledged, and decide their calls.
    decided: Vec<Callback>,
    world: World,
}

/// Runs a plan, then fine weather until the end, then everything that was late arrives; and checks every law.
pub(crate) fn run(plan: &Plan, broken: Broken) -> Result<Outcome, String> {
    let mut run = Run::start(plan, broken);
    for step in &plan.moves {
        run.make(step)?;
    }
    run.runs_out(plan)
}

/// The journal of a plan.
pub(crate) fn journal(plan: &Plan) -> (State, Vec<Recorded>) {
    let mut run = Run::start(plan, Broken::Nothing);
    for step in &plan.moves {
        run.make(step).expect("lawful");
    }
    run.fine_weather().expect("lawful");
    (run.state, run.journal)
}

impl Run {
    fn start(plan: &Plan, broken: Broken) -> Self {
        Self::with_locks(plan, broken, SagaId(uuid::Uuid::from_u128(11)), [].into())
    }

    /// One of many, which takes these locks.
    pub(crate) fn with_locks(plan: &Plan, broken: Broken, saga: SagaId, locks: Arc<[LockName]>) -> Self {
        let mut definition = plan.definition();
        let pivot = definition.steps.iter().find(|step| step.side == Side::Pivot).map(|step| step.name.clone());
        for step in &mut definition.steps {
            match broken {
                Broken::WrongOrder => step.ancestors.clear(),
                Broken::IfIgnored => step.condition = None,
                Broken::NoConcurrency => {
                    if let Kind::Call(CallStep { each: Some(each), .. }) = &mut step.kind {
                        each.concurrency = 9;
                    }
                }
                Broken::SentTwice => {
                    if let Kind::Call(call) = &mut step.kind {
                        call.idempotent = true;
                    }
                }
                Broken::ProbeNotAwaited => {
                    if let Kind::Call(CallStep { probe: Some(probe), .. }) = &mut step.kind {
                        probe.settle = Some(Duration::ZERO);
                    }
                }
                Broken::PivotLikeAnyStep if step.side == Side::Pivot => step.side = Side::Before,
                _ => {}
            }
        }
        let with = Begin { locks, ..Begin::root(1, plan::input()) };
        let now = Time(1_000_000_000_000);
        let journal = begin(&definition, saga, with, now);
        let state = fold(saga, &journal).expect("a start folds");
        let world = World::new(plan.barrier, plan.unusable(), broken);
        let terms = Terms { barrier: plan.barrier, ..Terms::default() };
        Self {
            definition,
            broken,
            pivot,
            terms,
            state,
            journal,
            now,
            wire: vec![],
            late: vec![],
            acknowledged: vec![],
            callbacks: vec![],
            decided: vec![],
            world,
        }
    }

    /// Fine weather until the end, then everything that was late arrives; and every law.
    pub(crate) fn runs_out(&mut self, plan: &Plan) -> Result<Outcome, String> {
        let outcome = self.fine_weather()?;
        for request in std::mem::take(&mut self.late) {
            // Twice: the network may double what it delays.
            self.world.arrives(&request, true);
            self.world.arrives(&request, true);
        }
        // And whoever accepted something and heard no more of it means to finish it.
        for unit in self.world.accepted() {
            self.world.finish(&unit, true);
        }
        let truth = plan.definition();
        laws::of_the_journal(&truth, &self.journal, &self.state)?;
        laws::of_the_signals(&self.journal, &self.acknowledged)?;
        laws::of_the_callbacks(&self.journal, &self.decided)?;
        if outcome != Outcome::WaitsForAPerson {
            laws::of_the_effects(&truth, &self.state, &self.world.ledger)?;
        }
        Ok(outcome)
    }

    pub(crate) fn input(&mut self, input: Input) -> Result<(), String> {
        let mut seen = self.state.clone();
        for step in seen.steps.values_mut() {
            if let StepState::Calling(call) = step {
                match (self.broken, &input) {
                    (Broken::UnknownNotSticky, Input::Answered { reply: Reply::Answered(answer), .. })
                        if answer.status == 409 =>
                    {
                        call.may_have_happened = false;
                    }
                    // As if nothing that is open had left.
                    (Broken::AdoptionForgets, Input::Adopted { .. }) => seen.released = true,
                    // As if a 202 were no answer at all.
                    (Broken::AcceptedForgotten, _) if matches!(call.phase, Phase::Accepted { .. }) => {
                        call.phase = Phase::Halted;
                    }
                    _ => {}
                }
            }
        }
        for step in seen.steps.values_mut() {
            if let (Broken::SleepEndsEarly, StepState::Waiting(Waiting::Sleep { until })) = (self.broken, step) {
                *until = Time(0);
            }
        }
        if self.broken == Broken::LastSignalFirst {
            seen.signals.reverse();
        }
        if self.broken == Broken::DoesNotAwait && seen.status == Status::Compensating {
            let answered = |name: &StepName| matches!(&input, Input::Answered { call, .. } if call.step == *name);
            seen.steps.retain(|name, step| answered(name) || !matches!(step, StepState::Calling(_)));
        }
        for mut event in decide(&self.definition, &seen, input, self.now) {
            if let Event::CallIntended { call, pivot, .. } = &mut event.event
                && self.broken == Broken::PivotLikeAnyStep
            {
                *pivot = call.op == Op::Action && self.pivot.as_ref() == Some(&call.step);
            }
            let state = evolve(self.state.clone(), &event).map_err(|illegal| illegal.to_string())?;
            self.journal.push(event);
            self.state = state;
        }
        if self.broken == Broken::FailingStepNotUndone
            && let Some(amends_core::event::Cause::StepFailed { step, .. }) = &self.state.cause
            && let Some(ix) = self.definition.steps.iter().position(|known| known.name == *step)
            && self.state.calls().all(|(call, _)| call.op == Op::Action)
        {
            // From here on the decisions think that there is nothing to undo in it.
            let Kind::Call(call) = &mut self.definition.steps[ix].kind else { return Ok(()) };
            call.undo = Undo::Nothing { reason: "broken".to_owned() };
        }
        Ok(())
    }

    /// What may be sent now. What was intended and is not needed any more is called back.
    fn sendable(&mut self) -> Result<Vec<Request>, String> {
        let undoing = self.state.status == Status::Compensating;
        let (now, epoch) = (self.now, self.state.epoch);
        let mut sendable = Vec::new();
        for command in outstanding(&self.definition, &self.state) {
            let Command::Call { call, attempt, due_at } = command else { continue };
            if self.wire.iter().any(|request| request.call == call && request.attempt == attempt) {
            } else if undoing && call.op == Op::Action {
                self.input(Input::Withdrawn { call, attempt })?;
            } else if due_at <= now {
                sendable.push(Request { call, attempt, epoch });
            }
        }
        Ok(sendable)
    }

    pub(crate) fn make(&mut self, step: &Move) -> Result<(), String> {
        let pick = |which: u8, count: usize| (count > 0).then(|| usize::from(which) % count);
        match step {
            Move::Send(which) => {
                let sendable = self.sendable()?;
                if let Some(at) = pick(*which, sendable.len()) {
                    self.wire.push(sendable[at].clone());
                }
            }
            Move::Answer(which, fate) => {
                if let Some(at) = pick(*which, self.wire.len()) {
                    let request = self.wire.remove(at);
                    self.meets(request, *fate)?;
                }
            }
            Move::Late(which) => {
                if let Some(at) = pick(*which, self.late.len()) {
                    let request = self.late.remove(at);
                    self.world.arrives(&request, true);
                }
            }
            Move::Crash { arrived, clock_back } => {
                for (nth, request) in std::mem::take(&mut self.wire).into_iter().enumerate() {
                    if arrived >> (nth % 8) & 1 == 1 {
                        self.world.arrives(&request, true);
                    } else {
                        self.late.push(request);
                    }
                }
                self.now =
                    if *clock_back { Time(self.now.0 - 3_600_000_000) } else { self.now + Duration::from_secs(5) };
                self.input(Input::Adopted { epoch: self.state.epoch + 1 })?;
            }
            Move::Release => {
                if self.wire.is_empty() {
                    self.input(Input::Released)?;
                    self.input(Input::CancelRequested { reason: None })?;
                    self.input(Input::Adopted { epoch: self.state.epoch + 1 })?;
                }
            }
            Move::Finish(which, good) => {
                let accepted = self.world.accepted();
                if let Some(at) = pick(*which, accepted.len()) {
                    self.finish(&accepted[at], *good);
                }
            }
            Move::CallBack(which) => {
                if let Some(at) = pick(*which, self.callbacks.len()) {
                    self.call_back(self.callbacks[at].clone())?;
                }
            }
            Move::Signal(name, number) => {
                let key = (number % 2 == 0).then(|| number.to_string());
                self.signal(&format!("g{name}"), key, *number)?;
            }
            Move::Cancel => self.input(Input::CancelRequested { reason: None })?,
            Move::Probe(fate) => self.probe(*fate)?,
            Move::UntilDue => self.until_due()?,
            Move::Wait(millis) => {
                self.now = self.now + Duration::from_millis(u64::from(*millis));
                self.input(Input::TimePassed)?;
            }
        }
        Ok(())
    }

    /// A signal comes, and is acknowledged if it is taken in.
    fn signal(&mut self, name: &str, key: Option<String>, number: u8) -> Result<(), String> {
        let payload = serde_json::json!(number);
        let signal =
            Signal { name: name.into(), key: key.map(|key| key.as_str().into()), payload: payload.clone().into() };
        if can_signal(&self.definition, &self.state, &signal) == CanSignal::Yes && !self.state.released {
            self.acknowledged.push((name.to_owned(), payload));
            if self.broken == Broken::SignalLost {
                return Ok(());
            }
        }
        self.input(Input::Signalled(signal))
    }

    /// A participant finishes what it accepted, and has something to say.
    fn finish(&mut self, unit: &str, good: bool) {
        let (step, index) = match unit.split_once('[') {
            Some((step, index)) => (step, index.trim_end_matches(']').parse().ok()),
            None => (unit, None),
        };
        if let Some(said) = self.world.finish(unit, good) {
            let call = CallId { step: step.into(), index, op: Op::Action };
            self.callbacks.push(Callback { call, said });
        }
    }

    /// A callback comes, and is acknowledged if it decides its call.
    fn call_back(&mut self, callback: Callback) -> Result<(), String> {
        if can_call_back(&self.definition, &self.state, &callback) == CanCallBack::Yes && !self.state.released {
            self.decided.push(callback.clone());
            if self.broken == Broken::CallbackLost {
                return Ok(());
            }
        }
        self.input(Input::CalledBack { callback, terms: self.terms.clone() })
    }

    /// The first probe that is due is sent and answered.
    fn probe(&mut self, fate: Fate) -> Result<(), String> {
        let due = |command| match command {
            Command::Probe { call, attempt, due_at } if due_at <= self.now => Some((call, attempt)),
            _ => None,
        };
        let Some((call, attempt)) = outstanding(&self.definition, &self.state).into_iter().find_map(due) else {
            return Ok(());
        };
        // What was sent so long ago has arrived or is lost: that is what settling means.
        let since = self.journal.iter().rev().find_map(|recorded| match &recorded.event {
            Event::ProbeIntended { call: asked, .. } if *asked == call => Some(recorded.at),
            _ => None,
        });
        if since.is_some_and(|since| self.now >= since + plan::SETTLE) {
            self.late.retain(|request| request.call != call);
        }
        let reply = match fate {
            Fate::LostBefore | Fate::LostAfter => Reply::Lost { reason: "timeout".to_owned() },
            Fate::NotSent => Reply::NotSent { reason: "refused".to_owned() },
            Fate::Fenced => self.world.fenced(),
            Fate::Refused => self.world.busy(),
            Fate::Accepted | Fate::Doubled | Fate::Later => self.world.asked(&call),
        };
        let asked_at = self.now;
        self.input(Input::Probed { call, attempt, asked_at, reply, terms: self.terms.clone() })
    }

    fn until_due(&mut self) -> Result<(), String> {
        let owed = outstanding(&self.definition, &self.state).into_iter();
        let next = owed.filter_map(|command| match command {
            Command::Call { due_at, .. } => Some(due_at),
            Command::Probe { due_at, .. } => Some(due_at),
            Command::Wake { at } => Some(at),
            Command::Lock { .. } | Command::Family(_) | Command::Finish => None,
        });
        if let Some(next) = next.filter(|due| *due > self.now).min() {
            self.now = next;
            self.input(Input::TimePassed)?;
        }
        Ok(())
    }

    fn meets(&mut self, request: Request, fate: Fate) -> Result<(), String> {
        let lost = || Reply::Lost { reason: "timeout".to_owned() };
        let not_sent = || Reply::NotSent { reason: "refused".to_owned() };
        let reply = match fate {
            Fate::Accepted => self.world.arrives(&request, true),
            Fate::Later => {
                let lets = self.definition.step(&request.call.step).and_then(|(_, step)| step.call()?.verdict_within);
                self.world.accepts(&request, lets.is_some())
            }
            Fate::Refused => {
                // The network has kept a copy.
                self.late.push(request.clone());
                self.world.arrives(&request, false)
            }
            Fate::Doubled => {
                self.late.push(request.clone());
                self.world.arrives(&request, true);
                self.world.arrives(&request, true)
            }
            Fate::LostBefore => {
                self.late.push(request.clone());
                lost()
            }
            Fate::LostAfter => {
                self.world.arrives(&request, true);
                lost()
            }
            Fate::NotSent => not_sent(),
            Fate::Fenced => self.world.fenced(),
        };
        let reply = match reply {
            Reply::Lost { .. } if self.broken == Broken::TimeoutMeansNotSent => not_sent(),
            reply => reply,
        };
        let Request { call, attempt, .. } = request;
        self.input(Input::Answered { call, attempt, reply, terms: self.terms.clone() })
    }

    /// Everything is answered well and time passes: within bounds the saga ends, or a person has to look.
    fn fine_weather(&mut self) -> Result<Outcome, String> {
        const DECISIONS: usize = 400;
        for _ in 0..DECISIONS {
            if self.state.status.is_terminal() {
                return Ok(Outcome::Ended(self.state.status));
            }
            let sendable = self.sendable()?;
            self.wire.extend(sendable);
            if let Some(request) = self.wire.pop() {
                self.meets(request, Fate::Accepted)?;
                continue;
            }
            let waits = |(id, call): (CallId, &amends_core::state::CallState)| {
                matches!(call.phase, Phase::Accepted { .. }).then_some(id)
            };
            let accepted = self.state.calls().find_map(waits);
            if let Some(accepted) = accepted {
                self.finish(&unit(&accepted), true);
                let said = self.callbacks.iter().find(|callback| callback.call == accepted);
                let said = said.cloned().ok_or("accepted by nobody")?;
                self.call_back(said)?;
                if self.broken == Broken::CallbackLost {
                    return Err("a callback that was acknowledged is lost".to_owned());
                }
                continue;
            }
            // What was accepted and not heard of is finished, so that asking gets an answer.
            let asked: Vec<CallId> = self
                .state
                .calls()
                .filter(|(_, call)| matches!(call.phase, Phase::Probing(_)))
                .map(|(id, _)| id)
                .collect();
            for call in asked {
                self.finish(&unit(&call), true);
            }
            self.probe(Fate::Accepted)?;
            let owed = outstanding(&self.definition, &self.state);
            let postponed = self.state.calls().any(|(_, call)| matches!(call.phase, Phase::Postponed { .. }));
            let calls =
                postponed || owed.iter().any(|command| matches!(command, Command::Call { .. } | Command::Probe { .. }));
            let refused = |step: &StepState| matches!(step, StepState::Refused);
            let halted = self.state.calls().any(|(_, call)| call.phase == Phase::Halted)
                || self.state.steps.values().any(refused);
            let awaited = self.state.waits().find_map(|(_, waiting)| match waiting {
                Waiting::Signal { signal, .. } => Some(signal.to_string()),
                Waiting::Sleep { .. } => None,
            });
            let sleeps = self.state.waits().next().is_some();
            match (calls || sleeps, halted) {
                (true, _) if !calls && awaited.is_some() => {
                    self.signal(awaited.as_deref().unwrap_or_default(), None, 99)?;
                }
                (true, _) => self.until_due()?,
                (false, true) if self.state.attention.is_empty() => {
                    return Err("halted, and nobody is asked".to_owned());
                }
                (false, true) => return Ok(Outcome::WaitsForAPerson),
                (false, false) if self.state.status.is_terminal() => {}
                (false, false) => return Err(format!("nothing is owed and it has not ended: {:?}", self.state)),
            }
        }
        Err(format!("not ended after {DECISIONS} decisions in fine weather"))
    }
}
