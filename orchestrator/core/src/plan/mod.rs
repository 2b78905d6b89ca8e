//! A run that is only imagined: every request that it would send if each call succeeded, with nothing sent.
//!
//! Why it exists: whoever writes a definition wants to see what goes over the wire, and what would undo it, before anything does.
//! The requests are made by the same functions as a saga's; only where an expression reads what a reply has not told yet,
//! a placeholder stands for its value. `tests/plan` proves that a real run sends what was planned.
//!
//! Who calls it: `amends plan`. **What it must never know:** how it is shown, and which headers the engine adds.

mod calls;
mod children;
mod waits;
mod world;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use self::world::{Seen, World};
pub use self::{
    calls::{PlannedCall, PlannedUndo},
    world::Placeholders,
};
use crate::{
    decide::{Begin, started},
    definition::{Definition, InputError, Kind, Known, Side, Step, StepIx},
    event::Started,
    ids::{Digest, SagaId, SignalName, StepName},
    labels, locks,
    render::{self, Rendered},
    time::Time,
};

/// What is taken as said by those who have not been asked.
#[derive(Clone, Debug, Default)]
pub struct Pretend {
    /// The outputs of steps; of a `for_each` a list.
    pub outputs: BTreeMap<StepName, Value>,
    /// The bodies of their replies, from which an output is computed; of a `for_each` a list, of an `await` the signal's payload.
    pub replies: BTreeMap<StepName, Value>,
    /// What children would be: they are planned, too, as far as their definitions are here.
    pub known: Known,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// A start would be refused for it.
    #[error("the input is not what the definition asks for")]
    Input(Vec<InputError>),
    #[error("{0}")]
    Labels(String),
    #[error("{0}")]
    Locks(String),
    #[error("there is no step `{step}` to pretend an output of; there are {}", known.join(", "))]
    NoStep { step: StepName, known: Vec<String> },
    /// What is pretended could not come from this step.
    #[error("step `{step}`: {why}")]
    Unfit { step: StepName, why: String },
}

/// What a run would do.
#[derive(Debug)]
pub struct Plan {
    pub saga: SagaId,
    pub started: Started,
    pub started_at: Time,
    /// In the order in which they begin.
    pub steps: Vec<Planned>,
    /// Of the saga, if it gets that far.
    pub output: Option<Result<Value, String>>,
    /// What stands in requests for values that are not known yet.
    pub placeholders: Placeholders,
}

impl Plan {
    /// It would not get to its end: a step of it, or of a child, would be refused.
    pub fn stops(&self) -> bool {
        self.steps.iter().any(|step| step.what.stops())
    }
}

/// One step.
#[derive(Debug)]
pub struct Planned {
    pub name: StepName,
    pub side: Side,
    pub needs: Vec<StepName>,
    /// Steps of one group begin together, as soon as all that they need is done; from 1.
    pub group: usize,
    pub condition: Option<Condition>,
    pub what: What,
}

/// Its `if`.
#[derive(Debug)]
pub struct Condition {
    pub text: String,
    /// `None`: it hangs on a reply; the step is planned as if it ran.
    pub holds: Option<bool>,
}

/// What it would do.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per step of a plan, and almost always the large one")]
pub enum What {
    /// A step before it cannot be made.
    NotReached,
    Skipped,
    /// The saga would not send it, and be undone; from the pivot on wait for a person.
    Refused {
        why: String,
    },
    Call(PlannedCall),
    Each(PlannedEach),
    Sleep {
        time: Duration,
    },
    /// Until then, or until the time that an expression says which hangs on a reply.
    Until {
        until: Result<Time, String>,
    },
    Await {
        signal: SignalName,
        timeout: Duration,
    },
    /// It would run these sagas as children.
    Children(PlannedChildren),
}

impl What {
    fn stops(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Children(children) => {
                children.children.iter().any(|child| matches!(&child.run, ChildRun::Planned(plan, _) if plan.stops()))
            }
            Self::NotReached
            | Self::Skipped
            | Self::Call(_)
            | Self::Each(_)
            | Self::Sleep { .. }
            | Self::Until { .. }
            | Self::Await { .. } => false,
        }
    }
}

/// The children of a step: one, or one for each item.
#[derive(Debug)]
pub struct PlannedChildren {
    pub name: Arc<str>,
    pub each: Option<PlannedItems>,
    pub children: Vec<PlannedChild>,
}

/// How a step runs for each item.
#[derive(Debug)]
pub struct PlannedItems {
    /// The list, if it hangs on a reply: then one stands for all.
    pub unknown: Option<String>,
    pub concurrency: u32,
}

/// One child.
#[derive(Debug)]
pub struct PlannedChild {
    pub saga: SagaId,
    pub index: Option<u32>,
    /// Placeholders in it are to be shown by [`Placeholders::shown`].
    pub input: Value,
    pub run: ChildRun,
}

/// What a child would do.
#[derive(Debug)]
pub enum ChildRun {
    /// Its definition is not here.
    NotHere,
    /// Its input hangs on what a reply has not told yet.
    Hangs,
    Planned(Box<Plan>, Arc<Definition>),
}

/// A step that calls once for each item.
#[derive(Debug)]
pub struct PlannedEach {
    /// The list, if it hangs on a reply: then one call stands for all.
    pub unknown: Option<String>,
    pub concurrency: u32,
    pub calls: Vec<PlannedCall>,
}

/// The bytes of a call. Placeholders are to be shown by [`Placeholders::shown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub rendered: Rendered,
    /// `None`: it hangs on a value that is not known yet.
    pub digest: Option<Digest>,
}

/// Plans a run from its start to its end.
///
/// # Errors
/// The start would be refused, or what is pretended does not fit.
pub fn plan(definition: &Definition, saga: SagaId, with: Begin, at: Time, pretend: &Pretend) -> Result<Plan, NoPlan> {
    definition.check_input(&with.input).map_err(NoPlan::Input)?;
    check_names(definition, pretend)?;
    let labels = labels(definition, saga, &with, at).map_err(NoPlan::Labels)?;
    let mut with = Begin { labels, ..with };
    with.locks = locks(definition, saga, &with, at).map_err(NoPlan::Locks)?;
    run(definition, saga, with, at, pretend)
}

/// A run that may begin like this.
fn run(definition: &Definition, saga: SagaId, with: Begin, at: Time, pretend: &Pretend) -> Result<Plan, NoPlan> {
    let started = started(definition, with, at);
    let placeholders = Placeholders::new(definition, &started, pretend);
    let mut world = World::new(saga, &started, at, placeholders);
    let groups = groups(definition);
    let mut order: Vec<StepIx> = (0..definition.steps.len()).collect();
    order.sort_by_key(|ix| (groups[*ix], *ix));

    let mut steps = Vec::with_capacity(order.len());
    let mut stopped_in = None;
    for ix in order {
        let step = &definition.steps[ix];
        let (condition, what) = match stopped_in {
            Some(group) if group < groups[ix] => (None, What::NotReached),
            _ => planned(step, &mut world, pretend)?,
        };
        if what.stops() {
            stopped_in = stopped_in.or(Some(groups[ix]));
        }
        steps.push(Planned {
            name: step.name.clone(),
            side: step.side,
            needs: step.needs.iter().map(|need| definition.steps[*need].name.clone()).collect(),
            group: groups[ix],
            condition,
            what,
        });
    }
    let output = (stopped_in.is_none() && definition.output.is_some())
        .then(|| render::output_by(definition, &|expression, budget| world.evaluate(None, expression, budget)));
    let placeholders = world.into_placeholders();
    Ok(Plan { saga, started, started_at: at, steps, output, placeholders })
}

fn check_names(definition: &Definition, pretend: &Pretend) -> Result<(), NoPlan> {
    let unknown = |name: &&StepName| definition.step(name).is_none();
    match pretend.outputs.keys().chain(pretend.replies.keys()).find(unknown) {
        Some(step) => {
            let known = definition.steps.iter().map(|step| step.name.to_string()).collect();
            Err(NoPlan::NoStep { step: step.clone(), known })
        }
        None => Ok(()),
    }
}

fn planned(step: &Step, world: &mut World<'_>, pretend: &Pretend) -> Result<(Option<Condition>, What), NoPlan> {
    let (mut condition, refused) = match &step.condition {
        None => (None, None),
        Some(expression) if world.hangs(None, expression) => {
            (Some(Condition { text: expression.text().to_owned(), holds: None }), None)
        }
        Some(expression) => {
            let holds =
                render::condition_by(expression, &|expression, budget| world.evaluate(None, expression, budget));
            let (holds, refused) = match holds {
                Ok(holds) => (Some(holds), None),
                Err(why) => (None, Some(why)),
            };
            (Some(Condition { text: expression.text().to_owned(), holds }), refused)
        }
    };
    if let Some(why) = refused {
        condition = None;
        return Ok((condition, What::Refused { why }));
    }
    if condition.as_ref().is_some_and(|condition| condition.holds == Some(false)) {
        return Ok((condition, What::Skipped));
    }
    let unfit = |why| NoPlan::Unfit { step: step.name.clone(), why };
    let what = match &step.kind {
        Kind::Call(call) => calls::plan(step, call, world, pretend).map_err(unfit)?,
        Kind::Wait(wait) => waits::plan(step, wait, world, pretend).map_err(unfit)?,
        Kind::Saga(child) => children::plan(step, child, world, pretend).map_err(unfit)?,
    };
    Ok((condition, what))
}

/// When each step begins, counted in steps that must be done before: the longest way to it.
fn groups(definition: &Definition) -> Vec<usize> {
    let mut groups = vec![1; definition.steps.len()];
    // Source order need not be order of dependency. The graph has no circle, so this ends after its longest way.
    loop {
        let before = groups.clone();
        for (ix, step) in definition.steps.iter().enumerate() {
            groups[ix] = step.needs.iter().map(|need| groups[*need] + 1).max().unwrap_or(1);
        }
        if groups == before {
            return groups;
        }
    }
}

/// A pretended output, or what is known of it without.
fn pretended(step: &Step, pretend: &Pretend) -> Option<Seen> {
    pretend.outputs.get(&step.name).cloned().map(Seen::Known)
}
