//! One step.

use super::{
    callback,
    calls::{self, Defaults, Role},
    children,
    diagnostic::code,
    keys, limits,
    model::{CallStep, ChildStep, Each, Kind, Retry, Side, Step, Undo},
    node::{Key, Node, Tree},
    order::Place,
    probe,
    reader::{Fields, Reader},
    waits,
};
use crate::expr::Template;

/// Reads a step. `None` if anything about it is wrong; what is wrong has been said.
pub(super) fn read(
    reader: &mut Reader<'_>,
    (key, node): &(Key, Node),
    place: &Place,
    defaults: &Defaults,
    has_deadline: bool,
) -> Option<Step> {
    let named = reader.name(&key.name, key.at, "a step", false);
    let fields = reader.fields(node, &keys::STEP)?;
    let condition = match fields.get("if") {
        Some(node) => Some(reader.expression(node, "if")?),
        None => None,
    };
    if condition.is_some() && place.side == Side::Pivot {
        not_at_the_pivot(reader, &fields, "if");
    }
    let kind = match waits::kind(reader, &key.name, key.at, &fields)? {
        "call" => Kind::Call(call(reader, key, &fields, place.side, defaults, has_deadline)?),
        "saga" => Kind::Saga(child(reader, key, &fields, place.side)?),
        wait => Kind::Wait(waits::read(reader, &fields, wait)?),
    };
    Some(Step {
        name: key.name.as_str().into(),
        needs: place.needs.clone(),
        ancestors: place.ancestors.clone(),
        side: place.side,
        condition,
        kind,
    })
    .filter(|_| named)
}

fn call(
    reader: &mut Reader<'_>,
    key: &Key,
    fields: &Fields<'_>,
    side: Side,
    defaults: &Defaults,
    has_deadline: bool,
) -> Option<CallStep> {
    let action = calls::read(reader, fields, Role::Action, &Retry { ..defaults.retry }, defaults.timeout);
    if let Some(action) = &action
        && action.retry.attempts.is_none()
        && side == Side::Before
        && !has_deadline
    {
        let hint = "give the saga a `deadline`, or the step a number of attempts";
        let message = format!("step `{}` would be tried for ever", key.name);
        reader.error(code::UNLIMITED_WITHOUT_DEADLINE, key.at, message, hint);
    }
    let output = match fields.get("output") {
        Some(node) => Some(reader.template(node)?),
        None => None,
    };
    let each = each_of(reader, fields, side)?;
    let verdict_within = callback::verdict_within(reader, key, fields);
    let undo = undo(reader, key, fields, side, defaults, action.as_ref().and_then(|action| action.timeout));
    let idempotent = probe::idempotent(reader, fields, side);
    let probe = match fields.get("probe") {
        Some(node) => Some(probe::probe(reader, node, action.as_ref(), defaults.timeout)?),
        None => None,
    };
    let verdict_within = verdict_within.ok()?;
    Some(CallStep { action: action?, undo: undo?, output, verdict_within, each, idempotent: idempotent?, probe })
}

fn child(reader: &mut Reader<'_>, key: &Key, fields: &Fields<'_>, side: Side) -> Option<ChildStep> {
    let each = each_of(reader, fields, side)?;
    children::read(reader, (key, fields.get("saga")?), fields, side, each)
}

/// `None`: what it says about items is wrong.
fn each_of(reader: &mut Reader<'_>, fields: &Fields<'_>, side: Side) -> Option<Option<Each>> {
    if let Some(node) = fields.get("for_each") {
        return each(reader, fields, node, side).map(Some);
    }
    if fields.get("concurrency").is_some() {
        let hint = "it says how many items of `for_each` are called at once";
        reader.error(code::OF_ANOTHER_KIND, fields.key_at("concurrency"), "`concurrency` without `for_each`", hint);
    }
    Some(None)
}

fn each(reader: &mut Reader<'_>, fields: &Fields<'_>, node: &Node, side: Side) -> Option<Each> {
    if side == Side::Pivot {
        not_at_the_pivot(reader, fields, "for_each");
    }
    let concurrency = match fields.get("concurrency") {
        Some(node) => reader.integer(node, "concurrency", 1, limits::CONCURRENCY)?,
        None => 1,
    };
    let list = match &node.value {
        Tree::List(_) => reader.template(node)?,
        Tree::Text(_) => Template::Whole(reader.expression(node, "for_each")?),
        _ => {
            let message = format!("for_each is a list or an expression, not {}", node.what());
            reader.error(code::WRONG_TYPE, node.at, message, "for_each: \"${{ input.items }}\"");
            return None;
        }
    };
    Some(Each { list, concurrency })
}

/// The pivot is the one step of which everybody must know that it runs, and once.
fn not_at_the_pivot(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &str) {
    let hint = "let a step before it decide: what comes after the pivot may have it";
    reader.error(code::NOT_AT_THE_PIVOT, fields.key_at(what), format!("the pivot cannot have `{what}`"), hint);
}

/// Every call says how it is undone; from the pivot on nothing is.
fn undo(
    reader: &mut Reader<'_>,
    key: &Key,
    fields: &Fields<'_>,
    side: Side,
    defaults: &Defaults,
    step_timeout: Option<std::time::Duration>,
) -> Option<Undo> {
    let reason = fields.get("reason");
    match (side, fields.get("compensate")) {
        (Side::Before, None) => {
            let message = format!("step `{}` does not say how it is undone", key.name);
            let hint = "add `compensate: { call: … }`, or `compensate: none` with a `reason`; its reply can be lost even if it is the last step";
            reader.error(code::NO_COMPENSATION, key.at, message, hint);
            None
        }
        (Side::Before, Some(Node { value: Tree::Text(none), at })) if none == "none" => match reason {
            Some(reason) => {
                let text = reader.text(reason, "reason")?;
                if text.trim().is_empty() {
                    reader.error(code::NO_REASON, reason.at, "the reason is empty", "say why there is nothing to undo");
                    return None;
                }
                Some(Undo::Nothing { reason: text.to_owned() })
            }
            None => {
                let hint = "add `reason: …` beside it: why is there nothing to undo?";
                reader.error(code::NO_REASON, *at, "`compensate: none` without a reason", hint);
                None
            }
        },
        (Side::Before, Some(node)) => {
            if reason.is_some() {
                let hint = "`reason` goes with `compensate: none`";
                reader.error(code::NO_REASON, fields.key_at("reason"), "a reason without `compensate: none`", hint);
            }
            let inner = reader.fields(node, &keys::COMPENSATE)?;
            let timeout = step_timeout.or(defaults.timeout);
            calls::read(reader, &inner, Role::Compensation, &Retry::COMPENSATION, timeout).map(Undo::Call)
        }
        (Side::Pivot | Side::After, None) => Some(Undo::Never),
        (Side::Pivot | Side::After, Some(_)) => {
            let which = if side == Side::Pivot { "is the pivot" } else { "comes after the pivot" };
            let message = format!("step `{}` {which}: it is never undone", key.name);
            let hint = "take `compensate` out; from the pivot on steps are retried until they are done";
            reader.error(code::COMPENSATION_AFTER_PIVOT, fields.key_at("compensate"), message, hint);
            None
        }
    }
}
