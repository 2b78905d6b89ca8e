//! The judge of children, as far as one journal tells of them: a child begins when its step may, is undone in its turn, and
//! nobody ends with one that stands otherwise.
//!
//! Who calls it: `watch`. What the journals of both sides say together is `family`'s to judge.

use amends_core::{
    definition::{Side, StepIx},
    event::Event,
    ids::Op,
};

use crate::{
    findings::Code,
    model::{Model, Unit},
    node::Node,
    watch::{done, undo_after_actions, undo_in_turn, violation},
};

pub(crate) fn see(model: &Model<'_>, node: &mut Node, event: &Event) {
    match event {
        Event::ChildIntended { call, pivot, .. } => {
            let unit = model.key(call).unit;
            intended(model, node, unit, *pivot);
            node.kid_mut(unit);
        }
        Event::CallRefused { call, .. } if call.op == Op::Action => {
            let unit = model.key(call).unit;
            let never = node.kids.iter().any(|(known, kid)| *known == unit && !kid.pinned);
            node.watch.pivot_settled |= never && side(model, unit) == Side::Pivot;
        }
        Event::ChildPinned { call, .. } => node.kid_mut(model.key(call).unit).pinned = true,
        Event::ChildSucceeded { call, .. } => {
            node.kid_mut(model.key(call).unit).succeeded = true;
            if call.index.is_none() {
                done(model, node, &call.step);
            }
        }
        Event::ChildUnusable { call, .. } => node.kid_mut(model.key(call).unit).succeeded = true,
        Event::ChildUndoIntended { call } => {
            let unit = model.key(call).unit;
            if !node.watch.undoing || !node.kid_mut(unit).pinned {
                violation(model, Code::Order, Some(unit), "what did not happen is undone");
            }
            if !node.kid_mut(unit).cancelled {
                undo_after_actions(model, node, unit);
            }
            undo_in_turn(model, node, unit, usize::from(unit.step));
        }
        Event::ChildCompensated { call, .. } => {
            let unit = model.key(call).unit;
            node.kid_mut(unit).undone = true;
            node.watch.pivot_settled |= call.op == Op::Action && side(model, unit) == Side::Pivot;
        }
        Event::ChildSettled { call } => {
            let unit = model.key(call).unit;
            if node.watch.undoing || !node.kid_mut(unit).succeeded {
                violation(model, Code::Order, Some(unit), "a child is settled that is not done, or to be undone");
            }
            node.kid_mut(unit).settled = true;
        }
        _ => {}
    }
}

/// Undoing begins.
pub(crate) fn cancelled(node: &mut Node) {
    for (_, kid) in node.kids.iter_mut().filter(|(_, kid)| !kid.succeeded) {
        kid.cancelled = true;
    }
}

fn side(model: &Model<'_>, unit: Unit) -> Side {
    model.truth.steps[usize::from(unit.step)].side
}

fn intended(model: &Model<'_>, node: &mut Node, unit: Unit, pivot: bool) {
    if node.watch.undoing {
        violation(model, Code::Order, Some(unit), "a child is intended after undoing began");
    }
    let step = &model.truth.steps[usize::from(unit.step)];
    if let Some(need) = step.needs.iter().find(|need| !node.watch.done.has(**need)) {
        let message = format!("{} begins before {} is done", model.words(unit), model.truth.steps[*need].name);
        violation(model, Code::Order, Some(unit), &message);
    }
    if pivot != (step.side == Side::Pivot) {
        violation(model, Code::Pivot, Some(unit), "the journal is wrong about which child is the pivot's");
    }
    node.watch.pivot_intended |= step.side == Side::Pivot;
}

/// Invariant 5: nothing is undone before the children that needed it are.
pub(crate) fn undone_before(model: &Model<'_>, node: &Node, unit: Unit, ix: StepIx) {
    for (other, kid) in &node.kids {
        let later = &model.truth.steps[usize::from(other.step)];
        if later.ancestors.contains(&ix) && kid.pinned && !kid.undone {
            let message =
                format!("{} is undone before {}, which depended on it", model.words(unit), model.words(*other));
            violation(model, Code::Order, Some(unit), &message);
        }
    }
}

/// At the end of undoing: no child that may be there stands.
pub(crate) fn all_undone(model: &Model<'_>, node: &Node) {
    for (unit, _) in node.kids.iter().filter(|(_, kid)| kid.pinned && !kid.undone) {
        violation(model, Code::Order, Some(*unit), &format!("{} may be there, and is not undone", model.words(*unit)));
    }
}

/// At the end: every child has been told that nothing undoes it any more.
pub(crate) fn all_settled(model: &Model<'_>, node: &Node) {
    for (unit, _) in node.kids.iter().filter(|(_, kid)| kid.pinned && !kid.settled) {
        violation(model, Code::Order, Some(*unit), &format!("{} is not settled at the end", model.words(*unit)));
    }
}
