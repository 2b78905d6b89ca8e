//! The judge of families: what each side says of the other, at every moment, and that they end as one. It reads what the journals
//! of both have told `kids` and `watch`; they share no commit.

use amends_core::{
    ids::{CallId, SagaId},
    summary::Status,
};

use super::{Family, Models};
use crate::{
    ends,
    findings::Code,
    model::{Model, Unit},
    node::Kid,
    watch::violation,
};

/// Whoever is undone leaves no child standing, whoever is done has none undone, and every child is known to its parent.
pub(super) fn moment(models: &Models<'_>, family: &Family) {
    for (nth, node) in family.sagas() {
        let model = family.model(models, nth);
        for (unit, kid) in node.kids.iter().filter(|(_, kid)| kid.pinned) {
            let child = family.find(child_of(model, node.state.saga, *unit));
            match child {
                Some(child) => pair(model, *unit, *kid, node.state.status, family.node(child).state.status),
                None if node.state.status.is_terminal() => {
                    violation(model, Code::Effects, Some(*unit), "it has ended, and its child was never made");
                }
                None => {}
            }
        }
        if let Some(parent) = &node.state.started.parent {
            let above = family.find(parent.saga);
            let known = above.is_some_and(|above| {
                let unit = family.model(models, above).key(&parent.call()).unit;
                family.node(above).kids.iter().any(|(known, kid)| *known == unit && kid.pinned)
            });
            if !known {
                violation(model, Code::Journal, None, "a child of which its parent's journal knows nothing");
            }
        }
    }
}

fn child_of(model: &Model<'_>, parent: SagaId, unit: Unit) -> SagaId {
    let CallId { step, index, .. } = model.call_id(crate::model::Key { unit, op: amends_core::ids::Op::Action });
    SagaId::of_child(parent, step.as_str(), index)
}

fn pair(model: &Model<'_>, unit: Unit, kid: Kid, parent: Status, child: Status) {
    let say = |message: &str| violation(model, Code::Effects, Some(unit), message);
    if matches!(parent, Status::Compensating | Status::Compensated) && child == Status::Completed {
        say("the parent is undone, and its child is completed");
    }
    if kid.settled && !matches!(child, Status::Succeeded | Status::Completed) {
        say("its parent has settled it, and it is undone");
    }
    if kid.undone && !matches!(child, Status::Compensating | Status::Compensated) {
        say("its parent says that it is undone, and it stands");
    }
    if kid.succeeded && parent == Status::Running && !matches!(child, Status::Succeeded | Status::Completed) {
        say("its parent says that it has succeeded, and it has not");
    }
}

/// Nothing follows any more.
pub(crate) fn end(models: &Models<'_>, family: &Family, faults: u8) {
    // Whoever waits for a person makes his whole family wait.
    let excused = family.sagas().any(|(_, node)| !node.state.attention.is_empty());
    let faults = faults.max(u8::from(family.met_plan()));
    for (nth, node) in family.sagas() {
        ends::judge(family.model(models, nth), node, faults, excused);
    }
    let root = family.root.state.status;
    let mixed = |status: Status| status.is_terminal() && status != root;
    if root.is_terminal() && family.sagas().any(|(_, node)| mixed(node.state.status)) {
        violation(
            models.root(),
            Code::Effects,
            None,
            "the family has not ended as one: some completed, some compensated",
        );
    }
}

/// Whether every journal folds to the state of its saga. Only where they were kept.
pub(crate) fn folds(models: &Models<'_>, family: &Family) {
    for (nth, node) in family.sagas() {
        ends::folds(family.model(models, nth), node);
    }
}
