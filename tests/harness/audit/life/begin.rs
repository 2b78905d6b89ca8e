//! What may begin when: calls, waits, lists of items, and steps that turn out not to run.

use super::{Life, Outcome, Status};
use crate::{
    audit::shape::{Shape, Step, Undone},
    words::{Call, Op},
};

/// Whether this call may be made now.
pub(super) fn intend(life: &Life, shape: &Shape, call: &Call) -> Result<(), String> {
    let step = shape.step(&call.step).ok_or("the definition has no such step")?;
    let wanted = match call.op {
        Op::Action => Status::Running,
        Op::Compensate => Status::Compensating,
    };
    if life.status != wanted {
        return Err(format!("not while the saga is {}", life.status.as_str()));
    }
    if let Some(before) = life.call(call) {
        let over = before.outcomes().any(|outcome| match outcome {
            Outcome::Succeeded | Outcome::Unusable | Outcome::Withdrawn => true,
            Outcome::Rejected { .. } => !life.attention.contains(call),
            Outcome::NotSent | Outcome::Unknown => false,
        });
        if before.open().is_some() || before.accepted().is_some() || over || life.failed.contains_key(call) {
            return Err("the call is under way or over".to_owned());
        }
    }
    let right = match (step.each, call.index, life.items.get(&call.step)) {
        (false, None, _) => true,
        (true, Some(index), Some(items)) => (index as usize) < *items,
        _ => false,
    };
    if !right {
        return Err("it calls for itself, or once for each item of its list".to_owned());
    }
    match call.op {
        Op::Action if life.skipped.contains(&call.step) || life.refused.contains(&call.step) => {
            Err("the step does not run".to_owned())
        }
        Op::Action => needs_are_met(life, &step.needs),
        Op::Compensate if step.undone == Undone::ByCall => Ok(()),
        Op::Compensate => Err("the step has no compensation".to_owned()),
    }
}

fn needs_are_met(life: &Life, needs: &[String]) -> Result<(), String> {
    match needs.iter().find(|needed| !life.done(needed)) {
        Some(needed) => Err(format!("it needs {needed}, which is not done")),
        None => Ok(()),
    }
}

/// Whether this child may be decided upon now.
pub(super) fn intend_child(life: &Life, shape: &Shape, call: &Call) -> Result<(), String> {
    let step = shape.step(&call.step).filter(|step| step.saga.is_some()).ok_or("this step runs no child")?;
    let right = match (step.each, call.index, life.items.get(&call.step)) {
        (false, None, _) => true,
        (true, Some(index), Some(items)) => (index as usize) < *items,
        _ => false,
    };
    if life.status != Status::Running || call.op != Op::Action || !right {
        return Err("it cannot run a child now, or not this one".to_owned());
    }
    if life.skipped.contains(&call.step) || life.refused.contains(&call.step) {
        return Err("the step does not run".to_owned());
    }
    needs_are_met(life, &step.needs)
}

/// A step is found to have no call to make.
pub(super) fn begin_without_call(life: &Life, shape: &Shape, name: &str) -> Result<(), String> {
    let step = shape.step(name).ok_or("the definition has no such step")?;
    if !step.conditional && !step.each && step.waits.as_deref() != Some("until") {
        return Err("this step cannot be skipped or refused".to_owned());
    }
    may_begin(life, step)
}

fn may_begin(life: &Life, step: &Step) -> Result<(), String> {
    let name = &step.name;
    let begun = life.calls.keys().any(|call| call.step == *name)
        || life.kids.keys().any(|call| call.step == *name)
        || life.skipped.contains(name)
        || life.refused.contains(name)
        || life.waits.knows(name)
        || life.items.contains_key(name)
        || life.failed.contains_key(&Call::action(name));
    if life.status != Status::Running || begun {
        return Err("this step cannot begin now".to_owned());
    }
    needs_are_met(life, &step.needs)
}

/// The list of a step that calls once for each.
pub(super) fn list(life: &mut Life, shape: &Shape, name: &str, items: usize) -> Result<(), String> {
    let step = shape.step(name).filter(|step| step.each).ok_or("this step calls for no items")?;
    may_begin(life, step)?;
    life.items.insert(name.to_owned(), items);
    Ok(())
}

pub(super) fn wait(
    life: &mut Life,
    shape: &Shape,
    name: &str,
    signal: Option<&String>,
    until: i64,
) -> Result<(), String> {
    let step = shape.step(name).ok_or("the definition has no such step")?;
    let kind = if signal.is_some() { step.waits.as_deref() == Some("await") } else { step.waits.is_some() };
    if !kind {
        return Err("the definition does not let it wait for that".to_owned());
    }
    may_begin(life, step)?;
    life.waits.begin(name, signal, until);
    Ok(())
}
