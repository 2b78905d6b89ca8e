//! Steps that run a saga as a child: what it would be started with, and the plan of its own run if its definition is here.

use serde_json::Value;

use super::{
    ChildRun, NoPlan, PlannedChild, PlannedChildren, PlannedItems, Pretend, What, calls, pretended, run,
    world::{Own, Seen, World},
};
use crate::{
    definition::{ChildStep, Step, limits},
    family::{self, Descent},
    ids::SagaId,
    labels, render,
};

pub(super) fn plan(step: &Step, child: &ChildStep, world: &mut World<'_>, pretend: &Pretend) -> Result<What, String> {
    let listed = match &child.each {
        None => Ok((vec![None], None)),
        Some(each) => calls::list(each, world).map(|(items, unknown)| {
            let items = items.into_iter().zip(0_u32..).map(Some).collect();
            (items, Some(PlannedItems { unknown, concurrency: each.concurrency }))
        }),
    };
    let told = told(step, child, world, pretend, listed.as_ref().map_or(0, |(items, _)| items.len()))?;
    let what = listed.and_then(|(items, each)| {
        let children = items.into_iter().map(|item| one((step, child), world, item, pretend));
        Ok(What::Children(PlannedChildren {
            name: child.name.clone(),
            each,
            children: children.collect::<Result<_, _>>()?,
        }))
    });
    let what = what.and_then(|what| Ok((told.map_or_else(|| of_plans(child, &what), Ok)?, what)));
    let (output, what) = what.unwrap_or_else(|why| (Seen::Absent, What::Refused { why }));
    world.done(step.name.as_str(), output);
    Ok(what)
}

/// Its output, if somebody pretends one; a reply is the output of the child.
fn told(
    step: &Step,
    child: &ChildStep,
    world: &World<'_>,
    pretend: &Pretend,
    items: usize,
) -> Result<Option<Seen>, String> {
    let Some(reply) = pretend.replies.get(&step.name) else { return Ok(pretended(step, pretend)) };
    let one = |index: Option<u32>, output: &Value| {
        let saga = SagaId::of_child(world.saga(), step.name.as_str(), index);
        render::child_output(child, saga, output, limits::OUTPUT_BYTES)
            .map_err(|why| format!("from this output of its child its own cannot be taken: {why}"))
    };
    if child.each.is_none() {
        return one(None, reply).map(|output| Some(Seen::Known(output)));
    }
    let replies = calls::of_each(reply, items)?;
    let outputs = replies.iter().zip(0_u32..).map(|(reply, index)| one(Some(index), reply));
    outputs.collect::<Result<_, _>>().map(|outputs| Some(Seen::Known(Value::Array(outputs))))
}

/// The step's output, if that of each child hangs on no reply. `Err`: it cannot be taken from a child's.
fn of_plans(child: &ChildStep, what: &What) -> Result<Seen, String> {
    let What::Children(PlannedChildren { each, children, .. }) = what else { return Ok(Seen::Absent) };
    if each.as_ref().is_some_and(|each| each.unknown.is_some()) {
        return Ok(Seen::Unknown);
    }
    let outputs = children.iter().map(|planned| of_plan(child, planned)).collect::<Result<Option<Vec<Value>>, _>>()?;
    Ok(match (outputs, each) {
        (None, _) => Seen::Unknown,
        (Some(outputs), Some(_)) => Seen::Known(Value::Array(outputs)),
        (Some(mut outputs), None) => outputs.pop().map_or(Seen::Absent, Seen::Known),
    })
}

fn of_plan(child: &ChildStep, planned: &PlannedChild) -> Result<Option<Value>, String> {
    let ChildRun::Planned(plan, _) = &planned.run else { return Ok(None) };
    let output = match &plan.output {
        // What stops it is shown where it stops.
        _ if plan.stops() => return Ok(None),
        Some(Ok(output)) if plan.placeholders.occur_in(&output.to_string()) => return Ok(None),
        Some(Ok(output)) => output,
        // A child tells its parent nothing if its output cannot be made.
        Some(Err(_)) | None => &Value::Null,
    };
    render::child_output(child, planned.saga, output, limits::OUTPUT_BYTES)
        .map(Some)
        .map_err(|why| format!("from the output of its child its own cannot be taken: {why}"))
}

/// `Err`: the step would be refused.
fn one(
    (step, child): (&Step, &ChildStep),
    world: &World<'_>,
    item: Option<(Seen, u32)>,
    pretend: &Pretend,
) -> Result<PlannedChild, String> {
    let index = item.as_ref().map(|(_, index)| *index);
    let own = Own { step: step.name.as_str(), output: Seen::Absent, item };
    let input = render::child_input_by(child, &|expression, budget| world.evaluate(Some(&own), expression, budget))?;
    let saga = SagaId::of_child(world.saga(), step.name.as_str(), index);
    let run = match pretend.known.get(&child.name) {
        None => ChildRun::NotHere,
        Some(_) if world.placeholders().occur_in(&input.to_string()) => ChildRun::Hangs,
        Some(definition) => {
            let version = definition.version.unwrap_or(1);
            let mut with = world.descent(step, index).begins(input.clone().into(), version);
            family::may_begin(&with, step.side, saga, (definition, version), world.at)?;
            with.labels = labels(definition, saga, &with, world.at)?;
            let pretend = Pretend { known: pretend.known.clone(), ..Pretend::default() };
            match run(definition, saga, with, world.at, &pretend) {
                Ok(plan) => ChildRun::Planned(Box::new(plan), definition.clone()),
                Err(NoPlan::Labels(why) | NoPlan::Locks(why) | NoPlan::Unfit { why, .. }) => return Err(why),
                Err(other @ (NoPlan::Input(_) | NoPlan::NoStep { .. })) => return Err(other.to_string()),
            }
        }
    };
    Ok(PlannedChild { saga, index, input, run })
}

impl<'a> World<'a> {
    fn descent(&self, step: &'a Step, index: Option<u32>) -> Descent<'a> {
        Descent { saga: self.saga(), started: self.started(), step, index }
    }
}
