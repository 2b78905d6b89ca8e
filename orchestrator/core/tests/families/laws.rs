//! What must be true of a family when everything has come to an end.

use amends_core::{
    definition::Side,
    ids::{Op, SagaId},
    state::{ChildStands, State, StepState},
    summary::Status,
};

use crate::world::{Effect, Member, World};

pub(crate) fn kept(world: &World) -> Result<(), String> {
    for (saga, member) in &world.sagas {
        if let Some(parent) = &member.state.started.parent {
            let above = &world.sagas[&parent.saga];
            as_a_child(member, above)?;
        }
        effects(world, *saga, member)?;
    }
    in_turn(world)
}

/// Who is still on his way, and whether he should not be.
pub(crate) fn why_not_over(world: &World) -> String {
    for child in world.sagas.values() {
        let Some(parent) = &child.state.started.parent else { continue };
        let above = &world.sagas[&parent.saga].state;
        let undone = matches!(above.status, Status::Compensating | Status::Compensated);
        if undone && child.state.status == Status::Completed {
            return format!("{} is undone and has a child that is completed", above.started.name);
        }
        if above.status.is_terminal() && !child.state.status.is_terminal() {
            return format!("{} is left behind as {:?}", child.state.started.name, child.state.status);
        }
    }
    let left = world.sagas.values().filter(|member| !member.state.status.is_terminal());
    let left: Vec<_> = left.map(|member| (&member.state.started.name, member.state.status)).collect();
    format!("the family is not over: {left:?}")
}

/// A child ends as its parent's step says, and as its parent ends.
fn as_a_child(child: &Member, above: &Member) -> Result<(), String> {
    let parent = child.state.started.parent.as_ref().expect("it is one");
    let known = above.state.child(&parent.call());
    let name = &child.state.started.name;
    let Some(known) = known.filter(|known| known.pinned.is_some()) else {
        return Err(format!("{name} is a child that its parent never heard of"));
    };
    let stands = child.state.status;
    if above.state.status == Status::Compensated && stands == Status::Completed {
        return Err(format!("{} is undone and has a child that is completed", above.state.started.name));
    }
    match (known.stands, stands) {
        (ChildStands::Settled, Status::Completed) | (ChildStands::Compensated, Status::Compensated) => Ok(()),
        // Somebody waits for a person, and the rest of the family with him.
        (ChildStands::UnderWay | ChildStands::Succeeded, _) if !above.state.status.is_terminal() => Ok(()),
        (known, stands) => Err(format!("{name} is {stands:?}, and its parent thinks {known:?}")),
    }
}

/// Completed: each step was done. Compensated: what was done is undone.
fn effects(world: &World, saga: SagaId, member: &Member) -> Result<(), String> {
    for step in member.definition.steps.iter().filter(|step| step.call().is_some()) {
        let of = |op| {
            world
                .effects
                .iter()
                .any(|effect| effect.saga == saga && effect.call.step == step.name && effect.call.op == op)
        };
        let (done, undone) = (of(Op::Action), of(Op::Compensate));
        let right = match member.state.status {
            Status::Completed => done && !undone,
            Status::Compensated => !done || undone || step.side != Side::Before && refused(&member.state, step),
            _ => true,
        };
        if !right {
            let name = &member.state.started.name;
            return Err(format!("{name} {:?}: {} done {done}, undone {undone}", member.state.status, step.name));
        }
    }
    Ok(())
}

/// A pivot that was lost and then refused by its service's barrier has not happened; this world's services have no memory.
fn refused(state: &State, step: &amends_core::definition::Step) -> bool {
    matches!(state.step(&step.name), Some(StepState::Failed(_)))
}

/// Steps stand in a row: everything of a later one, children included, is undone before anything of an earlier one is.
fn in_turn(world: &World) -> Result<(), String> {
    for (saga, member) in &world.sagas {
        let undone: Vec<(usize, usize)> = world
            .effects
            .iter()
            .enumerate()
            .filter(|(_, effect)| effect.call.op == Op::Compensate)
            .filter_map(|(at, effect)| Some((at, step_of(world, *saga, effect)?)))
            .collect();
        for (at, step) in &undone {
            if let Some((_, earlier)) = undone.iter().find(|(before, earlier)| before < at && earlier < step) {
                let name = |ix: &usize| &member.definition.steps[*ix].name;
                return Err(format!(
                    "{}: {} was undone before {}",
                    member.state.started.name,
                    name(earlier),
                    name(step)
                ));
            }
        }
    }
    Ok(())
}

/// Which step of `saga` an effect belongs to, if it is its own or of one below it.
fn step_of(world: &World, saga: SagaId, effect: &Effect) -> Option<usize> {
    let (mut at, mut step) = (effect.saga, effect.call.step.clone());
    while at != saga {
        let parent = world.sagas[&at].state.started.parent.as_ref()?;
        (at, step) = (parent.saga, parent.step.clone());
    }
    world.sagas[&saga].definition.step(&step).map(|(ix, _)| ix)
}
