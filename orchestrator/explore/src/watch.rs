//! The judge reads the journal, event by event, as it is written. It knows the rules from the contract and asks nobody who
//! decided what was meant.

use amends_core::{
    definition::{Side, StepIx},
    event::{AttentionReason, Cause, Event, Probed, Recorded},
    ids::{CallId, Op, StepName},
};

use crate::{
    findings::{Code, Raised, Severity},
    kids,
    model::{Key, Model, Undone, Unit},
    node::Node,
};

pub(crate) fn see(model: &Model<'_>, node: &mut Node, recorded: &Recorded) {
    rows(model, node, recorded);
    match &recorded.event {
        Event::CallIntended { call, attempt, pivot, .. } => intended(model, node, call, *attempt, *pivot),
        Event::CallSucceeded { call, .. } => {
            let key = model.key(call);
            let read = &mut node.book_mut(key.unit).read;
            match key.op {
                Op::Action => {
                    (read.open, read.accepted, read.succeeded, read.may) = (false, false, true, true);
                    if call.index.is_none() {
                        node.watch.done.add(usize::from(key.unit.step));
                    }
                }
                Op::Compensate => (read.undo_open, read.undone) = (false, true),
            }
        }
        Event::CallUnusable { call, .. } | Event::CallUnknown { call, .. } => {
            let key = model.key(call);
            closed(node, key);
            if key.op == Op::Action {
                let read = &mut node.book_mut(key.unit).read;
                (read.may, read.in_doubt) = (true, true);
                node.watch.pivot_settled &= model.step(key.unit).side != Side::Pivot;
            }
        }
        Event::CallRejected { call, acked, .. } => {
            let key = model.key(call);
            closed(node, key);
            let pivot = key.op == Op::Action && model.step(key.unit).side == Side::Pivot;
            let read = &mut node.book_mut(key.unit).read;
            if pivot && *acked {
                // Its barrier stands behind it.
                read.may = false;
            }
            node.watch.pivot_settled |= pivot && !read.may;
        }
        Event::CallNotSent { call, .. } | Event::CallWithdrawn { call, .. } => {
            let key = model.key(call);
            closed(node, key);
            let pivot = key.op == Op::Action && model.step(key.unit).side == Side::Pivot;
            node.watch.pivot_settled |= pivot && !node.book(key.unit).read.may;
        }
        Event::CallAccepted { call, .. } => {
            let key = model.key(call);
            closed(node, key);
            node.book_mut(key.unit).read.accepted = true;
        }
        Event::CallProbed { call, verdict, .. } if *verdict == Probed::NotApplied => {
            let key = model.key(call);
            node.book_mut(key.unit).read.in_doubt = false;
            node.watch.pivot_settled |= model.step(key.unit).side == Side::Pivot;
        }
        Event::StepFailed { step, index, .. } => {
            let unit = model.key(&CallId { step: step.clone(), index: *index, op: Op::Action }).unit;
            if node.book(unit).read.accepted {
                let read = &mut node.book_mut(unit).read;
                (read.may, read.accepted) = (true, false);
            }
        }
        Event::StepSkipped { step } | Event::SleepEnded { step } => done(model, node, step),
        Event::SignalTaken { step, .. } => done(model, node, step),
        Event::ItemsListed { step, items } if items.is_empty() => done(model, node, step),
        Event::SignalReceived { .. } => node.watch.signals = node.watch.signals.saturating_add(1),
        Event::CompensationStarted { cause } => {
            if node.watch.pivot_intended && !node.watch.pivot_settled {
                violation(model, Code::Pivot, None, "undoing began although the pivot may have happened");
            }
            node.watch.undoing = true;
            kids::cancelled(node);
            deadline(model, node, cause);
        }
        Event::SagaSucceeded { output_error, .. } => {
            no_output(model, output_error.as_deref());
            node.watch.succeeded = true;
        }
        Event::SagaCompleted { output_error, .. } => {
            no_output(model, output_error.as_deref());
            kids::all_settled(model, node);
            node.watch.ended = true;
        }
        Event::SagaCompensated => {
            all_undone(model, node);
            node.watch.ended = true;
        }
        Event::AttentionRaised { call, reason, detail } => attention(model, node, call, *reason, detail),
        other => kids::see(model, node, other),
    }
    for_each_done(model, node, &recorded.event);
}

/// Invariants 2 and 7, row by row.
fn rows(model: &Model<'_>, node: &mut Node, recorded: &Recorded) {
    let watch = &mut node.watch;
    let epoch = watch.epoch + u64::from(recorded.event == Event::Adopted);
    if watch.ended {
        violation(model, Code::Journal, None, "something follows the end");
    }
    if recorded.seq != watch.seq + 1 || recorded.at < watch.at {
        violation(model, Code::Journal, None, "the journal is not dense, or goes back in time");
    }
    if recorded.epoch != epoch {
        violation(model, Code::Epochs, None, "a row carries an epoch that is not its owner's");
    }
    (watch.seq, watch.at, watch.epoch) = (recorded.seq, recorded.at, recorded.epoch);
}

fn closed(node: &mut Node, key: Key) {
    let read = &mut node.book_mut(key.unit).read;
    match key.op {
        Op::Action => (read.open, read.accepted) = (false, false),
        Op::Compensate => read.undo_open = false,
    }
}

fn no_output(model: &Model<'_>, why: Option<&str>) {
    if let Some(why) = why {
        let message = format!("the saga completes, and its output has no value: {why}");
        raise(model, Code::NoOutput, None, message);
    }
}

pub(crate) fn done(model: &Model<'_>, node: &mut Node, step: &StepName) {
    if let Some((ix, _)) = model.truth.step(step) {
        node.watch.done.add(ix);
    }
}

/// A step with items is done when all of them are.
fn for_each_done(model: &Model<'_>, node: &mut Node, event: &Event) {
    if let Event::CallSucceeded { call, .. } | Event::ChildSucceeded { call, .. } = event
        && call.index.is_some()
        && call.op == Op::Action
        && node.state.output_of(call.step.as_str()).is_some()
    {
        done(model, node, &call.step);
    }
}

fn intended(model: &Model<'_>, node: &mut Node, call: &CallId, attempt: u32, pivot: bool) {
    let key = model.key(call);
    let step = model.step(key.unit);
    let ix = usize::from(key.unit.step);
    let read = node.book(key.unit).read;
    match key.op {
        Op::Action => {
            if node.watch.undoing {
                violation(model, Code::Order, Some(key.unit), "an action is intended after undoing began");
            }
            if let Some(need) = model.truth.steps[ix].needs.iter().find(|need| !node.watch.done.has(**need)) {
                let need = &model.truth.steps[*need].name;
                violation(
                    model,
                    Code::Order,
                    Some(key.unit),
                    &format!("{} begins before {need} is done", model.words(key.unit)),
                );
            }
            if read.open || read.succeeded || read.accepted || attempt != read.intended + 1 {
                violation(model, Code::Journal, Some(key.unit), "two attempts at once, or one too many");
            }
            if step.once && read.in_doubt {
                violation(
                    model,
                    Code::NotAgain,
                    Some(key.unit),
                    "it may have happened, must not be sent twice, and is",
                );
            }
            if pivot != (step.side == Side::Pivot) {
                violation(model, Code::Pivot, Some(key.unit), "the journal is wrong about which call is the pivot's");
            }
            node.watch.pivot_intended |= step.side == Side::Pivot;
            let read = &mut node.book_mut(key.unit).read;
            (read.intended, read.open) = (attempt, true);
        }
        Op::Compensate => {
            if read.undone || read.undo_open || attempt != read.undo_intended + 1 {
                violation(model, Code::Journal, Some(key.unit), "two attempts at once, or one too many");
            }
            if attempt == 1 {
                undo_begins(model, node, key.unit, ix);
            }
            let read = &mut node.book_mut(key.unit).read;
            (read.undo_intended, read.undo_open) = (attempt, true);
        }
    }
}

/// Invariant 5: only what may have happened is undone, after everything that depended on it, and beside no action.
fn undo_begins(model: &Model<'_>, node: &Node, unit: Unit, ix: StepIx) {
    if !node.watch.undoing || !node.book(unit).read.may {
        violation(model, Code::Order, Some(unit), "what did not happen is undone");
    }
    undo_after_actions(model, node, unit);
    undo_in_turn(model, node, unit, ix);
}

/// Nothing of a call or a child is undone before all that needed it.
pub(crate) fn undo_in_turn(model: &Model<'_>, node: &Node, unit: Unit, ix: StepIx) {
    kids::undone_before(model, node, unit, ix);
    for (other, book) in &node.units {
        let later = &model.truth.steps[usize::from(other.step)];
        let depends = later.ancestors.contains(&ix) && model.step(*other).undo == Undone::ByCall;
        if depends && book.read.may && !book.read.undone {
            let message =
                format!("{} is undone before {}, which depended on it", model.words(unit), model.words(*other));
            violation(model, Code::Order, Some(unit), &message);
        }
    }
}

/// Of a call or a child.
pub(crate) fn undo_after_actions(model: &Model<'_>, node: &Node, unit: Unit) {
    if let Some((other, _)) = node.units.iter().find(|(_, book)| book.read.open) {
        let message = format!("{} is undone while {} is on the wire", model.words(unit), model.words(*other));
        violation(model, Code::Order, Some(unit), &message);
    }
}

/// At the end of undoing: exactly what may have happened has been undone.
fn all_undone(model: &Model<'_>, node: &Node) {
    for (unit, book) in &node.units {
        let owed = book.read.may && model.step(*unit).undo == Undone::ByCall;
        if owed != book.read.undone {
            let what = if owed { "may have happened, and is not undone" } else { "did not happen, and is undone" };
            violation(model, Code::Order, Some(*unit), &format!("{} {what}", model.words(*unit)));
        }
    }
    kids::all_undone(model, node);
}

/// The deadline has come although nobody made time run: it cut something off.
fn deadline(model: &Model<'_>, node: &Node, cause: &Cause) {
    if *cause != Cause::DeadlinePassed || node.used.deadline {
        return;
    }
    for (key, _) in &node.outages {
        let intended = node.book(key.unit).read.intended;
        if let (Op::Action, Some(most)) = (key.op, model.attempts(*key))
            && intended < most
        {
            let message =
                format!("the deadline cuts off `{}` after {intended} of {most} attempts", model.name(key.unit));
            raise(model, Code::DeadlineCutsRetries, Some(model.name(key.unit)), message);
        }
    }
    if node.used.silence {
        for (step, _) in node.state.waits() {
            let message = format!("the deadline comes before the timeout of `{step}`");
            raise(model, Code::DeadlineCutsRetries, Some(step), message);
        }
    }
}

/// Who needs a person, and whose fault that is.
fn attention(model: &Model<'_>, node: &Node, call: &CallId, reason: AttentionReason, detail: &str) {
    let name = &call.step;
    let (code, message) = match (call.op, reason) {
        (Op::Compensate, AttentionReason::Rejected) if node.book(model.key(call).unit).nothing_refused => (
            Code::NothingToUndoRefused,
            format!(
                "the service of `{name}` refuses to undo what it does not know, and it never happened or is undone"
            ),
        ),
        (Op::Compensate, AttentionReason::Rejected) => {
            (Code::UndoRefused, format!("if the undo of `{name}` is refused, the saga waits for a person"))
        }
        (Op::Action, AttentionReason::Rejected) => (
            Code::RefusedBehindPivot,
            format!(
                "`{name}` stands behind the pivot: a no can neither be undone nor tried again, and waits for a person"
            ),
        ),
        (_, AttentionReason::RefusedHere) => {
            let way = if call.op == Op::Action { "" } else { "the undo of " };
            (Code::CannotBeSent, format!("{way}`{name}` cannot be sent: {detail}"))
        }
        // It is asked.
        (_, AttentionReason::RejectedAfterUnknown) if model.step(model.key(call).unit).probe => return,
        (_, AttentionReason::RejectedAfterUnknown) => (
            Code::PivotInDoubt,
            format!(
                "the no of `{name}` after a lost answer says nothing about the attempt before it, and waits for a person"
            ),
        ),
        (_, AttentionReason::Unresolved) => (
            Code::NotAskedAfter,
            format!(
                "`{name}` may have happened, must not be sent twice, and nobody can be asked: it waits for a person"
            ),
        ),
        (_, AttentionReason::TimedOut) => (
            Code::NeverTold,
            format!(
                "behind the pivot nothing ends `{name}` but what it waits for: if it never comes, the saga never ends"
            ),
        ),
        (_, AttentionReason::Unusable) => {
            (Code::Useless, format!("a reply of `{name}` that is of no use waits for a person"))
        }
        (_, AttentionReason::ChildCompensated) => (
            Code::RefusedBehindPivot,
            format!(
                "`{name}` stands behind the pivot: if its saga is undone, nobody can do without it, and it waits for a person"
            ),
        ),
        (_, AttentionReason::AttemptsExhausted | AttentionReason::StaleEpoch | AttentionReason::OtherBody) => return,
    };
    let calls = model.steps[usize::from(model.key(call).unit.step)].as_ref();
    let certain = code == Code::RefusedBehindPivot && calls.is_some_and(|step| step.says_no);
    let severity = if certain { Severity::Error } else { code.severity() };
    model.raise(Raised { code, severity, step: Some(name.to_string()), message });
}

pub(crate) fn violation(model: &Model<'_>, code: Code, unit: Option<Unit>, message: &str) {
    let step = unit.map(|unit| model.name(unit).to_string());
    model.raise(Raised { code, severity: Severity::Violation, step, message: message.to_owned() });
}

pub(crate) fn raise(model: &Model<'_>, code: Code, step: Option<&StepName>, message: String) {
    model.raise(Raised { code, severity: code.severity(), step: step.map(ToString::to_string), message });
}
