//! Steps that run a saga as a child: what it would be started with. What it would do is a plan of its own.

use serde_json::Value;

use super::{
    PlannedChild, PlannedChildren, PlannedItems, Pretend, What, calls, pretended,
    world::{Own, Seen, World},
};
use crate::{
    definition::{ChildStep, Step, limits},
    ids::SagaId,
    render,
};

pub(super) fn plan(step: &Step, child: &ChildStep, world: &mut World<'_>, pretend: &Pretend) -> Result<What, String> {
    let listed = match &child.each {
        None => Ok((vec![None], None)),
        Some(each) => calls::list(each, world).map(|(items, unknown)| {
            let items = items.into_iter().zip(0_u32..).map(Some).collect();
            (items, Some(PlannedItems { unknown, concurrency: each.concurrency }))
        }),
    };
    let output = told(step, child, world, pretend, listed.as_ref().map_or(0, |(items, _)| items.len()))?;
    let what = listed.and_then(|(items, each)| {
        let children = items.into_iter().map(|item| one(step, child, world, item)).collect::<Result<_, _>>()?;
        Ok(What::Children(PlannedChildren { name: child.name.clone(), each, children }))
    });
    world.done(step.name.as_str(), output);
    Ok(what.unwrap_or_else(|why| What::Refused { why }))
}

/// Its output, if somebody pretends one; a reply is the output of the child.
fn told(step: &Step, child: &ChildStep, world: &World<'_>, pretend: &Pretend, items: usize) -> Result<Seen, String> {
    let Some(reply) = pretend.replies.get(&step.name) else {
        return Ok(pretended(step, pretend).unwrap_or(Seen::Unknown));
    };
    let one = |index: Option<u32>, output: &Value| {
        let saga = SagaId::of_child(world.saga(), step.name.as_str(), index);
        render::child_output(child, saga, output, limits::OUTPUT_BYTES)
            .map_err(|why| format!("from this output of its child its own cannot be taken: {why}"))
    };
    if child.each.is_none() {
        return one(None, reply).map(Seen::Known);
    }
    let replies = calls::of_each(reply, items)?;
    let outputs = replies.iter().zip(0_u32..).map(|(reply, index)| one(Some(index), reply));
    outputs.collect::<Result<_, _>>().map(|outputs| Seen::Known(Value::Array(outputs)))
}

fn one(step: &Step, child: &ChildStep, world: &World<'_>, item: Option<(Seen, u32)>) -> Result<PlannedChild, String> {
    let index = item.as_ref().map(|(_, index)| *index);
    let own = Own { step: step.name.as_str(), output: Seen::Absent, item };
    let input = render::child_input_by(child, &|expression, budget| world.evaluate(Some(&own), expression, budget))?;
    Ok(PlannedChild { saga: SagaId::of_child(world.saga(), step.name.as_str(), index), index, input })
}
