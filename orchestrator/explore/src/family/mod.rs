//! A saga with its children, and theirs, in one world: each is driven by itself, and they speak by notes alone.
//!
//! Why it exists: a family ends as one, and what a failure does to a child is seen only where its parent is. A saga without
//! children is a family of one, and costs nothing more than a saga.
//!
//! Who calls it: `search` and `trace`. What is what: [`Models`] knows the definitions; [`Family`] is one moment; `turns` says what
//! may happen next, and to whom; `errands` carries out what a saga owes its family; `judge` holds both sides against each other.
//!
//! **What it must never know:** what a single saga does with what happens to it.

mod errands;
mod judge;
mod turns;

use std::{cell::RefCell, rc::Rc};

use amends_core::{
    Begin, Input,
    definition::{Definition, Known},
    event::Parent,
    ids::SagaId,
    time::Time,
};
use serde_json::Value;

pub(crate) use self::{
    judge::{end, folds},
    turns::{Turn, Turns, What, turns},
};
use crate::{
    apply::{self, crashes, pass},
    choices::{Choice, Crash, Gone},
    coverage::{self, Coverage},
    feed::feed,
    findings::Raised,
    given::Given,
    look::settle,
    model::{Model, Unfit},
    node::Node,
    setup::Setup,
    story::Line,
};

/// The root's model first, and then one for each definition that is run as a child.
pub(crate) struct Models<'d> {
    all: Vec<Model<'d>>,
    pub(crate) known: &'d Known,
}

impl<'d> Models<'d> {
    pub(crate) fn new(
        definition: &'d Definition,
        known: &'d Known,
        setup: &Setup,
        input: &Value,
        tells: bool,
    ) -> Result<Self, Unfit> {
        let told = tells.then(|| Rc::new(RefCell::default()));
        let given = setup.plan.clone().map(|plan| Rc::new(Given::new(plan)));
        let mut all = vec![Model::root(definition, setup, input, told.clone(), given.clone())?];
        let mut nth = 0;
        while let Some(model) = all.get(nth) {
            let parent = model.truth;
            for (_, child) in parent.children() {
                if all.iter().any(|model| model.truth.name == child.name) {
                    continue;
                }
                let missing = || Unfit::Child { saga: parent.name.to_string(), child: child.name.to_string() };
                let child = known.get(&child.name).ok_or_else(missing)?;
                let begin = Begin::root(version(child), Value::Null);
                all.push(Model::of(child, setup, begin, told.clone(), given.clone())?);
            }
            nth += 1;
        }
        Ok(Self { all, known })
    }

    pub(crate) fn root(&self) -> &Model<'d> {
        &self.all[0]
    }

    pub(crate) fn all(&self) -> &[Model<'d>] {
        &self.all
    }

    /// Nobody has children.
    pub(crate) fn are_one(&self) -> bool {
        self.all.len() == 1
    }

    /// The same anew, with nothing noticed and nothing tried.
    pub(crate) fn again(&self, setup: &Setup, tells: bool) -> Result<Self, Unfit> {
        Self::new(self.root().truth, self.known, setup, &self.root().begin.input, tells)
    }

    /// What the judge has noticed since, with the name of the saga where there is more than one.
    pub(crate) fn take_raised(&self) -> Vec<(Option<String>, Raised)> {
        let of = |model: &Model<'_>| {
            let saga = (!self.are_one()).then(|| model.truth.name.to_string());
            let raised = std::mem::take(&mut *model.raised.borrow_mut());
            raised.into_iter().map(move |raised| (saga.clone(), raised)).collect::<Vec<_>>()
        };
        self.all.iter().flat_map(of).collect()
    }

    /// What was tried of all of them.
    pub(crate) fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for model in &self.all {
            let saga = (!self.are_one()).then(|| model.truth.name.to_string());
            coverage.append(saga.as_deref(), &model.coverage.borrow());
        }
        coverage
    }

    pub(crate) fn forget_coverage(&self) {
        for model in &self.all {
            *model.coverage.borrow_mut() = Coverage::new(model.truth);
        }
    }

    /// How often each rule of the plan has fired since.
    pub(crate) fn take_fired(&self) -> Vec<u64> {
        self.root().given.as_ref().map(|given| given.take_fired()).unwrap_or_default()
    }

    /// A fault is about to befall this moment.
    pub(crate) fn note(&self, family: &Family, turn: Turn) {
        let nth = usize::from(turn.saga);
        let (model, node) = (family.model(self, nth), family.node(nth));
        let mut coverage = model.coverage.borrow_mut();
        match turn.what {
            What::Own(choice) => coverage.note(model, node, choice),
            What::ErrandThenCrash => coverage.note_kinship(model, node, coverage::TOLD_THEN_CRASH),
            What::AsleepAtBegin => coverage.note_kinship(model, node, coverage::BEGUN_LATE),
            What::HearTwice(_) => coverage.note_kinship(model, node, coverage::TOLD_TWICE),
            What::CrashAll(_) => coverage.note_kinship(model, node, coverage::ALL_CRASH),
            What::Errand | What::Hear(_) | What::LateBegin(_) => {}
        }
    }
}

/// Of every definition there is one version here.
fn version(definition: &Definition) -> u32 {
    definition.version.unwrap_or(1)
}

/// One moment of a run of them all.
#[derive(Clone)]
pub(crate) struct Family {
    pub(crate) root: Node,
    kin: Vec<Kin>,
    /// Notes that are durable and not heard.
    pub(crate) letters: Vec<Letter>,
    /// Children that somebody was about to make when he fell asleep.
    pub(crate) asleep: Vec<Asleep>,
    /// How far the plan that is played is used, if there is one.
    pub(crate) spent: Option<Box<[u32]>>,
}

#[derive(Clone)]
struct Kin {
    node: Node,
    /// Its place in [`Models`].
    model: usize,
}

#[derive(Clone)]
pub(crate) struct Letter {
    /// Told again it is the same.
    pub(crate) id: u128,
    to: usize,
    input: Input,
}

#[derive(Clone)]
pub(crate) struct Asleep {
    pub(crate) child: SagaId,
    model: usize,
    with: Begin,
}

/// A saga has just been started, durably.
pub(crate) fn start(models: &Models<'_>, budget: u8) -> Family {
    if !models.are_one() {
        *models.root().whose.borrow_mut() = Some(models.root().truth.name.to_string());
    }
    let given = models.root().given.as_ref();
    if let Some(given) = given {
        given.begin();
    }
    let root = apply::start(models.root(), budget);
    let spent = given.map(|given| given.spent());
    Family { root, kin: Vec::new(), letters: Vec::new(), asleep: Vec::new(), spent }
}

impl Family {
    /// No child is there, and nobody waits to make one.
    pub(crate) fn is_alone(&self) -> bool {
        self.kin.is_empty() && self.letters.is_empty() && self.asleep.is_empty()
    }

    pub(crate) fn sagas(&self) -> impl Iterator<Item = (usize, &Node)> {
        std::iter::once(&self.root).chain(self.kin.iter().map(|kin| &kin.node)).enumerate()
    }

    pub(crate) fn node(&self, nth: usize) -> &Node {
        if nth == 0 { &self.root } else { &self.kin[nth - 1].node }
    }

    fn node_mut(&mut self, nth: usize) -> &mut Node {
        if nth == 0 { &mut self.root } else { &mut self.kin[nth - 1].node }
    }

    pub(crate) fn model<'m, 'd>(&self, models: &'m Models<'d>, nth: usize) -> &'m Model<'d> {
        if nth == 0 { models.root() } else { &models.all[self.kin[nth - 1].model] }
    }

    /// What is asked of the plan next is asked in this moment.
    pub(crate) fn look_at_plan(&self, models: &Models<'_>) {
        if let (Some(given), Some(spent)) = (&models.root().given, &self.spent) {
            given.look_at(spent);
        }
    }

    /// Something has gone wrong as planned.
    pub(crate) fn met_plan(&self) -> bool {
        self.spent.as_ref().is_some_and(|spent| spent.iter().any(|times| *times > 0))
    }

    fn find(&self, saga: SagaId) -> Option<usize> {
        self.sagas().find(|(_, node)| node.state.saga == saga).map(|(nth, _)| nth)
    }

    /// Every saga has.
    pub(crate) fn has_ended(&self) -> bool {
        self.sagas().all(|(_, node)| node.look.ended)
    }

    /// Its place in the family, by the steps that lead to it: `pay[1]/`. Of the root nothing.
    pub(crate) fn path(&self, nth: usize) -> String {
        match &self.node(nth).state.started.parent {
            Some(parent) => {
                format!("{}{}/", self.find(parent.saga).map_or(String::new(), |above| self.path(above)), step(parent))
            }
            None => String::new(),
        }
    }

    /// Its definition's name, and which item of its step it is.
    pub(crate) fn title(&self, models: &Models<'_>, nth: usize) -> String {
        let index = self.node(nth).state.started.parent.as_ref().and_then(|parent| parent.index);
        let name = &self.model(models, nth).truth.name;
        index.map_or_else(|| name.to_string(), |index| format!("{name}[{index}]"))
    }

    /// What is told next is told of this one.
    fn speaks(&self, models: &Models<'_>, nth: usize) {
        let model = self.model(models, nth);
        if model.told.is_some() && !models.are_one() {
            *model.whose.borrow_mut() = Some(self.title(models, nth));
        }
    }

    fn now(&self) -> Time {
        self.sagas().map(|(_, node)| node.now).max().unwrap_or(self.root.now)
    }

    /// One world has one time: what of it has passed for one has passed for all.
    fn keep_time(&mut self, models: &Models<'_>) {
        let now = self.now();
        for nth in 0..=self.kin.len() {
            if self.node(nth).now < now {
                self.speaks(models, nth);
                let model = self.model(models, nth);
                let node = self.node_mut(nth);
                pass(model, node, now);
                settle(model, node);
            }
        }
    }
}

fn step(parent: &Parent) -> String {
    parent.index.map_or_else(|| parent.step.to_string(), |index| format!("{}[{index}]", parent.step))
}

pub(crate) fn apply(models: &Models<'_>, family: &mut Family, turn: Turn) {
    let Some(given) = &models.root().given else { return happen(models, family, turn) };
    family.look_at_plan(models);
    happen(models, family, turn);
    family.spent = Some(given.spent());
}

fn happen(models: &Models<'_>, family: &mut Family, turn: Turn) {
    if let (true, What::Own(choice)) = (models.are_one(), turn.what) {
        return apply::apply(models.root(), &mut family.root, choice);
    }
    let nth = usize::from(turn.saga);
    family.speaks(models, nth);
    match turn.what {
        What::Own(choice) => {
            if choice == Choice::Deadline {
                // Everybody's time is made to run.
                (0..=family.kin.len()).for_each(|nth| family.node_mut(nth).used.deadline = true);
            }
            apply::apply(family.model(models, nth), family.node_mut(nth), choice);
        }
        What::Errand => errands::run_next(models, family, nth, false),
        What::ErrandThenCrash => errands::run_next(models, family, nth, true),
        What::AsleepAtBegin => errands::fall_asleep(models, family, nth),
        What::LateBegin(which) => errands::wake_up(models, family, usize::from(which)),
        What::Hear(letter) => hear(models, family, usize::from(letter), false),
        What::HearTwice(letter) => hear(models, family, usize::from(letter), true),
        What::CrashAll(gone) => {
            for nth in 0..=family.kin.len() {
                if !family.node(nth).look.ended {
                    crash(models, family, nth, gone);
                }
            }
        }
    }
    family.keep_time(models);
    judge::moment(models, family);
}

fn crash(models: &Models<'_>, family: &mut Family, nth: usize, gone: Gone) {
    family.speaks(models, nth);
    let model = family.model(models, nth);
    let node = family.node_mut(nth);
    crashes(model, node, Crash::alike(gone));
    settle(model, node);
}

fn hear(models: &Models<'_>, family: &mut Family, letter: usize, twice: bool) {
    if letter >= family.letters.len() {
        return;
    }
    let heard = family.letters.remove(letter);
    let (to, model) = (heard.to, family.model(models, heard.to));
    let again = twice.then(|| heard.input.clone());
    let node = family.node_mut(to);
    let written = feed(model, node, heard.input.clone());
    if let Some(again) = again {
        feed(model, node, again);
    }
    settle(model, node);
    if !written {
        // It is consumed by the commit of what follows from it, and by nothing else.
        family.letters.push(heard);
    }
    if twice {
        model.tell(|| Line::note(family.node(to).now, "it is told twice".to_owned()));
    }
}
