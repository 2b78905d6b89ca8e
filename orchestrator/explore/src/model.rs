//! What does not change in an exploration: the definition, seen as numbers; what each service is like; what it would answer.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use amends_core::{
    Begin, Terms,
    definition::{Definition, Kind, Side, Wait},
    event::Recorded,
    ids::{CallId, Op, SagaId, ServiceName, SignalName, StepName},
    labels, locks, render,
    state::{Life, State, StepState, Undoable},
    time::Time,
};
use serde_json::Value;

use crate::{
    coverage::Coverage,
    findings::Raised,
    given::Given,
    setup::{Broken, Contract, Setup},
    steps::{payload, step_model},
    story::{self, Line},
};

/// 2030-01-01T00:00:00Z: the time at which every run begins.
pub(crate) const START: Time = Time(1_893_456_000_000_000);

/// It cannot be explored.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("the input does not fit the schema of `{saga}`{places}")]
    Input { saga: String, places: String },
    #[error("it cannot be started like this: {0}")]
    Start(String),
    #[error(
        "`{saga}` runs `{child}` as a child, and there is no definition of `{child}` at hand: put it into the same folder"
    )]
    Child { saga: String, child: String },
    #[error("the definition does not parse again")]
    Definition,
}

/// A step, or one item of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Unit {
    pub(crate) step: u16,
    pub(crate) item: Option<u16>,
}

/// One call: its action or its compensation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) unit: Unit,
    pub(crate) op: Op,
}

/// What is known of a step's calls.
pub(crate) struct StepModel {
    pub(crate) name: StepName,
    pub(crate) side: Side,
    /// Its place in [`Model::services`], of action and compensation.
    pub(crate) action_at: usize,
    pub(crate) undo_at: Option<usize>,
    /// It changes something: a GET does not.
    pub(crate) effect: bool,
    /// Sending it again is the same as sending it once, by HTTP's own definition.
    pub(crate) repeats: (bool, bool),
    pub(crate) undo: Undone,
    /// The definition says that it must not be sent twice.
    pub(crate) once: bool,
    pub(crate) later: bool,
    pub(crate) probe: bool,
    pub(crate) attempts: (Option<u32>, Option<u32>),
    pub(crate) timeouts: (Duration, Duration),
    /// A status that is a definite no, if there is one.
    pub(crate) no: Option<u16>,
    pub(crate) undo_no: Option<u16>,
    /// The definition, or the catalogue, says which noes there are: so there are some.
    pub(crate) says_no: bool,
    /// Its `output` needs the body.
    pub(crate) reads_body: bool,
    /// Its undo reads its own output, which a lost reply takes away.
    pub(crate) undo_reads_output: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) output: Arc<Value>,
}

/// How the definition says that it is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undone {
    ByCall,
    Nothing,
    Never,
}

pub(crate) struct ServiceModel {
    pub(crate) name: ServiceName,
    pub(crate) contract: Contract,
    pub(crate) terms: Terms,
}

/// All of it, and where what is found goes.
pub(crate) struct Model<'d> {
    /// The definition as it is.
    pub(crate) truth: &'d Definition,
    /// The one that decides; a broken rule may be in it.
    pub(crate) decides: Definition,
    pub(crate) steps: Vec<Option<StepModel>>,
    pub(crate) services: Vec<ServiceModel>,
    pub(crate) signals: Vec<(SignalName, Arc<Value>)>,
    pub(crate) broken: Broken,
    /// A plan that is played.
    pub(crate) given: Option<Rc<Given>>,
    pub(crate) saga: SagaId,
    /// What it is started with, if it is the root.
    pub(crate) begin: Begin,
    /// What the judge has noticed in the step that is made just now.
    pub(crate) raised: RefCell<Vec<Raised>>,
    /// What happens, told; only in a replay. One story for a whole family.
    pub(crate) told: Option<Rc<RefCell<Vec<Line>>>>,
    /// Of whom it is told just now, where there is more than one saga.
    pub(crate) whose: RefCell<Option<String>>,
    /// Every event so far, by saga; only in a replay.
    pub(crate) journal: RefCell<BTreeMap<SagaId, Vec<Recorded>>>,
    pub(crate) coverage: RefCell<Coverage>,
}

impl<'d> Model<'d> {
    /// A saga that is started with this.
    pub(crate) fn root(
        definition: &'d Definition,
        setup: &Setup,
        input: &Value,
        told: Option<Rc<RefCell<Vec<Line>>>>,
        given: Option<Rc<Given>>,
    ) -> Result<Self, Unfit> {
        definition.check_input(input).map_err(|errors| Unfit::Input {
            saga: definition.name.to_string(),
            places: errors.iter().map(|error| format!("\n  /input{}: {}", error.pointer, error.message)).collect(),
        })?;
        let saga = SagaId::derived(&definition.name, "explore");
        let mut begin = Begin::root(definition.version.unwrap_or(1), input.clone());
        begin.labels = labels(definition, saga, &begin, START).map_err(Unfit::Start)?;
        begin.locks = locks(definition, saga, &begin, START).map_err(Unfit::Start)?;
        Self::of(definition, setup, begin, told, given)
    }

    /// One that may be started, as the root or as a child.
    pub(crate) fn of(
        definition: &'d Definition,
        setup: &Setup,
        begin: Begin,
        told: Option<Rc<RefCell<Vec<Line>>>>,
        given: Option<Rc<Given>>,
    ) -> Result<Self, Unfit> {
        let mut decides = Definition::parse(&definition.source, None).map_err(|_| Unfit::Definition)?;
        decides.version = definition.version;
        break_definition(&mut decides, setup.broken);
        let saga = SagaId::derived(&definition.name, "explore");
        let mut services = Vec::new();
        let steps = definition
            .steps
            .iter()
            .map(|step| match &step.kind {
                Kind::Call(call) => Some(step_model(&step.name, step.side, call, setup, &mut services)),
                Kind::Wait(_) | Kind::Saga(_) => None,
            })
            .collect();
        let mut signals: Vec<(SignalName, Arc<Value>)> = Vec::new();
        for step in &definition.steps {
            if let Kind::Wait(Wait::Signal(awaited)) = &step.kind
                && !signals.iter().any(|(name, _)| *name == awaited.signal)
            {
                signals.push((awaited.signal.clone(), Arc::new(payload(definition, &awaited.signal))));
            }
        }
        Ok(Self {
            truth: definition,
            decides,
            steps,
            services,
            signals,
            broken: setup.broken,
            given,
            saga,
            begin,
            raised: RefCell::default(),
            told,
            whose: RefCell::default(),
            journal: RefCell::default(),
            coverage: RefCell::new(Coverage::new(definition)),
        })
    }

    pub(crate) fn key(&self, call: &CallId) -> Key {
        let step = self.truth.step(&call.step).map_or(0, |(ix, _)| ix);
        let item = call.index.map(|index| u16::try_from(index).unwrap_or(u16::MAX));
        Key { unit: Unit { step: u16::try_from(step).unwrap_or(u16::MAX), item }, op: call.op }
    }

    pub(crate) fn call_id(&self, key: Key) -> CallId {
        CallId { step: self.name(key.unit).clone(), index: key.unit.item.map(u32::from), op: key.op }
    }

    pub(crate) fn name(&self, unit: Unit) -> &StepName {
        &self.truth.steps[usize::from(unit.step)].name
    }

    /// Only steps that call have units.
    pub(crate) fn step(&self, unit: Unit) -> &StepModel {
        self.steps[usize::from(unit.step)].as_ref().expect("invariant: only steps that call are called")
    }

    /// The service that this call goes to.
    pub(crate) fn service_at(&self, key: Key) -> usize {
        let step = self.step(key.unit);
        match key.op {
            Op::Action => step.action_at,
            Op::Compensate => step.undo_at.unwrap_or(step.action_at),
        }
    }

    pub(crate) fn service(&self, key: Key) -> &ServiceModel {
        &self.services[self.service_at(key)]
    }

    pub(crate) fn timeout(&self, key: Key) -> Duration {
        let step = self.step(key.unit);
        match key.op {
            Op::Action => step.timeouts.0,
            Op::Compensate => step.timeouts.1,
        }
    }

    pub(crate) fn attempts(&self, key: Key) -> Option<u32> {
        let step = self.step(key.unit);
        match key.op {
            Op::Action => step.attempts.0,
            Op::Compensate => step.attempts.1,
        }
    }

    pub(crate) fn words(&self, unit: Unit) -> String {
        unit.item.map_or_else(|| self.name(unit).to_string(), |item| format!("{}[{item}]", self.name(unit)))
    }

    /// Written down, with what is told of it.
    pub(crate) fn write(&self, now: Time, saga: SagaId, recorded: &Recorded) {
        if self.told.is_some() {
            self.journal.borrow_mut().entry(saga).or_default().push(recorded.clone());
            self.tell(|| Line::event(now, story::event(&recorded.event)));
        }
    }

    /// Says it, if somebody listens.
    pub(crate) fn tell(&self, line: impl FnOnce() -> Line) {
        if let Some(told) = &self.told {
            let saga = self.whose.borrow().clone();
            told.borrow_mut().push(Line { saga, ..line() });
        }
    }

    pub(crate) fn raise(&self, raised: Raised) {
        self.raised.borrow_mut().push(raised);
    }

    /// Whether the compensation, as it can be rendered now, is another request than it would be with the action's reply.
    pub(crate) fn is_blind(&self, state: &State, key: Key) -> bool {
        let step = self.step(key.unit);
        if key.op == Op::Action || !step.undo_reads_output {
            return false;
        }
        let (id, mut knowing) = (self.call_id(key), state.clone());
        match knowing.steps.get_mut(&id.step) {
            Some(StepState::Compensating { was, .. }) => know(was, &step.output),
            Some(StepState::Each(each)) => {
                let life = each.lives.get_mut(id.index.unwrap_or_default() as usize);
                if let Some(Some(Life::Compensating { was, .. })) = life {
                    know(was, &step.output);
                }
            }
            _ => return false,
        }
        match (render(self.truth, state, &id), render(self.truth, &knowing, &id)) {
            (Ok(now), Ok(knowing)) => now != knowing,
            _ => false,
        }
    }
}

fn know(was: &mut Undoable, output: &Arc<Value>) {
    *was = Undoable::Succeeded { output: output.clone() };
}

fn break_definition(definition: &mut Definition, broken: Broken) {
    for step in &mut definition.steps {
        match broken {
            Broken::UndoesInAnyOrder => step.ancestors.clear(),
            Broken::PivotLikeAnyStep if step.side == Side::Pivot => step.side = Side::Before,
            Broken::SendsTwice => {
                if let Kind::Call(call) = &mut step.kind {
                    call.idempotent = true;
                }
            }
            _ => {}
        }
    }
}
