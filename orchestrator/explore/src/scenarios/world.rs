//! All that there is: the sagas of one family, their services, and the queue of what happens next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use amends_core::{
    Begin, Errand, Input, Reply, Said, begin_with,
    definition::Definition,
    event::Recorded,
    ids::{CallId, SagaId, StepName},
    labels, locks,
    scenario::{Asked, Ran, Scenario, Scenarios, at_times},
    state::State,
    time::Time,
};
use serde_json::Value;

use super::{
    Family, Played,
    script::Script,
    seen::Seen,
    services::Row,
    wire::{Place, Request},
};
use crate::{
    model::{START, Unfit},
    setup::Setup,
    story,
};

/// From one end of the wire to the other, and as long for a note to a relative.
pub(super) const ON_THE_WIRE: Duration = Duration::from_micros(500);

/// A run that has come to so much is not coming to an end: a compensation that fails for ever is asked for again for ever.
pub(super) const HAPPENINGS_MOST: u32 = 20_000;

/// One saga.
pub(super) struct Member {
    pub(super) definition: Arc<Definition>,
    pub(super) state: State,
    /// Attempts and probes that are not answered yet.
    pub(super) under_way: BTreeSet<(CallId, u32)>,
    /// Errands that were run and are still owed: once is enough.
    pub(super) ran: Vec<Errand>,
    /// Times for which it is woken.
    pub(super) woken: BTreeSet<Time>,
}

/// Something that happens.
#[derive(Debug)]
pub(super) enum Happens {
    /// A time has come for a saga.
    Wake(SagaId),
    /// A request reaches its service; `heard`: somebody waits for the answer.
    Arrives { request: Request, heard: bool },
    /// An answer, or that there is none, reaches the saga.
    Answered { request: Request, reply: Reply },
    /// A service that accepted a call has done it, or finds that it cannot. `nth`: by this callback of the scenario.
    Decides { place: Place, call: CallId, nth: usize },
    /// A service calls back.
    CalledBack { saga: SagaId, call: CallId, said: Said },
    /// A relative says something.
    Told { saga: SagaId, input: Input },
}

pub(super) struct World<'s> {
    pub(super) family: &'s Family,
    pub(super) scenario: &'s Scenario,
    pub(super) replies: &'s [(StepName, Value)],
    pub(super) setup: &'s Setup,
    pub(super) now: Time,
    queue: BTreeMap<(Time, u64), Happens>,
    queued: u64,
    happened: u32,
    pub(super) root: SagaId,
    pub(super) sagas: BTreeMap<SagaId, Member>,
    pub(super) rows: BTreeMap<Place, Row>,
    /// Of each fault and call: how many probes it might have befallen.
    pub(super) probes: BTreeMap<(usize, SagaId, CallId), u32>,
    pub(super) script: Script,
    pub(super) seen: Seen,
}

impl<'s> World<'s> {
    /// The saga has just been started, durably.
    pub(super) fn start(
        family: &'s Family,
        file: &'s Scenarios,
        scenario: &'s Scenario,
        setup: &'s Setup,
    ) -> Result<Self, Unfit> {
        let definition = &family.root;
        let input = at_times(&scenario.input, START);
        definition.check_input(&input).map_err(|errors| Unfit::Input {
            saga: definition.name.to_string(),
            places: errors.iter().map(|error| format!("\n  /input{}: {}", error.pointer, error.message)).collect(),
        })?;
        let root = SagaId::derived(&definition.name, &scenario.name);
        let mut begin = Begin::root(definition.version.unwrap_or(1), input);
        begin.labels = labels(definition, root, &begin, START).map_err(Unfit::Start)?;
        begin.locks = locks(definition, root, &begin, START).map_err(Unfit::Start)?;
        let mut world = Self {
            family,
            scenario,
            replies: &file.replies,
            setup,
            now: START,
            queue: BTreeMap::new(),
            queued: 0,
            happened: 0,
            root,
            sagas: BTreeMap::new(),
            rows: BTreeMap::new(),
            probes: BTreeMap::new(),
            script: Script::default(),
            seen: Seen::of(scenario),
        };
        let (state, decision) = begin_with(definition, root, begin, START);
        world.enter(definition.clone(), state, &decision.events);
        Ok(world)
    }

    /// To its end, or until it is plain that there is none.
    pub(super) fn run(&mut self) {
        self.drive(self.root);
        self.follow_script();
        while let Some(((at, _), next)) = self.queue.pop_first() {
            // A time that nobody waits for any more does not pass.
            if let Happens::Wake(saga) = next
                && self.sagas.get(&saga).is_none_or(|member| member.state.status.is_terminal())
            {
                continue;
            }
            self.now = self.now.max(at);
            self.happened += 1;
            if self.happened > HAPPENINGS_MOST {
                let why = format!("it has not ended after {HAPPENINGS_MOST} things have happened");
                self.seen.could_not(self.scenario.at, why);
                break;
            }
            self.happens(next);
            self.follow_script();
        }
        self.end_script();
    }

    fn happens(&mut self, next: Happens) {
        match next {
            Happens::Wake(saga) => self.input(saga, Input::TimePassed),
            Happens::Arrives { request, heard } => self.arrives(request, heard),
            Happens::Answered { request, reply } => self.answered(request, reply),
            Happens::Decides { place, call, nth } => self.decides(&place, &call, nth),
            Happens::CalledBack { saga, call, said } => self.called_back(saga, call, said),
            Happens::Told { saga, input } => self.input(saga, input),
        }
    }

    pub(super) fn later(&mut self, after: Duration, next: Happens) {
        self.at(self.now + after, next);
    }

    pub(super) fn at(&mut self, at: Time, next: Happens) {
        self.queued += 1;
        self.queue.insert((at, self.queued), next);
    }

    /// A saga that is there from now on.
    pub(super) fn enter(&mut self, definition: Arc<Definition>, state: State, events: &[Recorded]) {
        let saga = state.saga;
        let member = Member { definition, state, under_way: BTreeSet::new(), ran: Vec::new(), woken: BTreeSet::new() };
        self.sagas.insert(saga, member);
        events.iter().for_each(|recorded| self.write(saga, recorded));
    }

    /// What came of it.
    pub(super) fn played(self) -> Played {
        let root = &self.sagas[&self.root];
        let (done, skipped) = Ran::steps_of(&root.definition, &root.state);
        let why = match &root.state.cause {
            _ if !root.state.status.is_terminal() => self.seen.why_it_waits(),
            Some(cause) => story::why(cause),
            None => String::new(),
        };
        let ran = Ran {
            status: root.state.status.as_str().to_owned(),
            why,
            output: Value::clone(&root.state.output),
            done,
            skipped,
            ..self.seen.ran
        };
        let took_ms = u64::try_from(self.now.since(START).as_millis()).unwrap_or(u64::MAX);
        Played { ran, moments: self.seen.moments, touched: self.seen.touched, took_ms }
    }

    /// The definition that a saga of this step runs, and its reply.
    pub(super) fn reply(&self, step: &StepName) -> Value {
        let known = self.replies.iter().find(|(known, _)| known == step);
        known.map_or_else(|| Value::Object(serde_json::Map::new()), |(_, reply)| reply.clone())
    }

    /// The faults that may befall such a request, with their numbers.
    pub(super) fn faults(&self, step: &StepName, of: Asked) -> impl Iterator<Item = usize> + use<'s> {
        let (scenario, step) = (self.scenario, step.clone());
        (0..scenario.faults.len())
            .filter(move |nth| scenario.faults[*nth].step == step && scenario.faults[*nth].of == of)
    }
}
