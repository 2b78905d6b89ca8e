//! What a saga owes its children and its parent, carried out: a child is another saga of the same world, and what one tells the
//! other is a note that is durable before the saga that tells goes on. This is where the rules of families are broken for the
//! negative controls.

use amends_core::{
    Begin, Errand, Input, Report, Settlement, begin_with, child_begins, child_may_begin, decide_in_place,
    faults::Moment,
    ids::{CallId, SagaId},
    labels, why_undone,
};

use super::{Asleep, Family, Kin, Letter, Models, crash, version};
use crate::{
    apply::born,
    choices::Gone,
    feed::feed,
    given,
    look::settle,
    setup::Broken,
    story::{AMENDS, Line},
};

/// Under which a child is driven: it is made asleep, and taken by whoever has a place for it.
const TAKEN: u64 = 2;

/// Does the first thing that is owed. `dies`: before anything that follows from it is written down.
pub(super) fn run_next(models: &Models<'_>, family: &mut Family, nth: usize, dies: bool) {
    let Some(errand) = family.node(nth).look.errands.first().cloned() else { return };
    let learnt = run(models, family, nth, &errand);
    if dies {
        return crash(models, family, nth, Gone::Lost);
    }
    family.speaks(models, nth);
    let model = family.model(models, nth);
    let node = family.node_mut(nth);
    node.ran.push(errand);
    if let Some(input) = learnt {
        feed(model, node, input);
    }
    settle(model, node);
}

/// He sets out to make a child, and falls asleep; another process takes over.
pub(super) fn fall_asleep(models: &Models<'_>, family: &mut Family, nth: usize) {
    let next = family.node(nth).look.errands.first().cloned();
    if let Some(Errand::Begin { call }) = next
        && let Some((child, model, with)) = begins(models, family, nth, &call)
    {
        family.asleep.push(Asleep { child, model, with });
    }
    let node = family.node(nth);
    family.model(models, nth).tell(|| Line::note(node.now, "the process falls asleep as it begins a child".to_owned()));
    crash(models, family, nth, Gone::Lost);
}

/// He wakes up, and does what he was about to do.
pub(super) fn wake_up(models: &Models<'_>, family: &mut Family, which: usize) {
    if which < family.asleep.len() {
        let Asleep { child, model, with } = family.asleep.remove(which);
        make(models, family, child, model, with);
    }
}

fn run(models: &Models<'_>, family: &mut Family, nth: usize, errand: &Errand) -> Option<Input> {
    let broken = models.root().broken;
    match errand {
        Errand::Pin { call } => Some(pin(models, family, nth, call)),
        Errand::Begin { call } => {
            let (child, model, with) = begins(models, family, nth, call)?;
            make(models, family, child, model, with);
            None
        }
        // If it is not there it is made, as one that is undone.
        Errand::Undo { call } => {
            let (child, model, with) = begins(models, family, nth, call)?;
            let there = family.find(child).is_some();
            if broken == Broken::ForgetsToUndoChildren || (broken == Broken::NoTombstoneForChildren && !there) {
                let report = Report::Compensated { reason: "it will be".to_owned() };
                return Some(Input::ChildReported { call: call.clone(), report });
            }
            if there {
                tell(models, family, nth, errand, Input::Settled(Settlement::Undo));
            } else {
                make(models, family, child, model, with);
            }
            None
        }
        Errand::Settle { call } => {
            if broken != Broken::ForgetsToSettleChildren {
                tell(models, family, nth, errand, Input::Settled(Settlement::Complete));
            }
            Some(Input::ChildTold { call: call.clone() })
        }
        Errand::ReportSuccess => {
            let output = family.node(nth).state.output.clone();
            report(models, family, nth, errand, Report::Succeeded { output });
            // Nobody undoes what has not failed, it thinks.
            (broken == Broken::ChildrenSettleThemselves).then_some(Input::Settled(Settlement::Complete))
        }
        Errand::ReportUndone => {
            if broken != Broken::LosesNotes {
                let reason = why_undone(&family.node(nth).state);
                report(models, family, nth, errand, Report::Compensated { reason });
            }
            Some(Input::Reported)
        }
    }
}

fn pin(models: &Models<'_>, family: &Family, nth: usize, call: &CallId) -> Input {
    let refused = |reason: String| Input::ChildRefused { call: call.clone(), reason };
    let (model, node) = (family.model(models, nth), family.node(nth));
    let Some(child) = node.state.child(call) else { return refused("the step runs no child".to_owned()) };
    let Some(known) = models.all().iter().find(|model| model.truth.name == child.name) else {
        return refused(format!("there is no saga {}", child.name));
    };
    let version = version(known.truth);
    match child_may_begin(model.truth, &node.state, call, (known.truth, version), node.now) {
        Ok(()) => Input::ChildPinned { call: call.clone(), version, definition: known.truth.digest.clone() },
        Err(why) => refused(why),
    }
}

/// The child of this call: its id, its place in [`Models`], and what it begins with.
fn begins(models: &Models<'_>, family: &Family, nth: usize, call: &CallId) -> Option<(SagaId, usize, Begin)> {
    let node = family.node(nth);
    let child = node.state.child(call)?;
    let place = models.all().iter().position(|model| model.truth.name == child.name)?;
    let known = models.all()[place].truth;
    let mut with = child_begins(family.model(models, nth).truth, &node.state, call, version(known))?;
    // It was looked at when the child was pinned.
    with.labels = labels(known, child.saga, &with, node.now).unwrap_or_default();
    Some((child.saga, place, with))
}

/// Whoever else made it was first.
fn make(models: &Models<'_>, family: &mut Family, child: SagaId, place: usize, with: Begin) {
    if family.find(child).is_some() {
        return;
    }
    let (model, now) = (&models.all()[place], family.now());
    if model.told.is_some() {
        let index = with.parent.as_ref().and_then(|parent| parent.index);
        let name = &model.truth.name;
        *model.whose.borrow_mut() = Some(index.map_or_else(|| name.to_string(), |index| format!("{name}[{index}]")));
    }
    let (mut state, begun) = begin_with(&model.decides, child, with, now);
    let mut events = begun.events;
    // Whoever dies before the child is there makes it again.
    if given::dies(model, &[Moment::Intent], (child, &*state.started), None, &events) {
        model.tell(|| Line::note(now, "the process dies before the child is there; another one makes it".to_owned()));
    }
    for input in [Input::Released, Input::Adopted { epoch: TAKEN }] {
        events.extend(decide_in_place(&model.decides, &mut state, input, now).events);
    }
    let mut node = born(model, state, &events, now, 0);
    node.used.deadline = family.root.used.deadline;
    family.kin.push(Kin { node, model: place });
}

fn report(models: &Models<'_>, family: &mut Family, nth: usize, errand: &Errand, report: Report) {
    let Some(parent) = &family.node(nth).state.started.parent else { return };
    let call = parent.call();
    tell(models, family, nth, errand, Input::ChildReported { call, report });
}

/// The same note again is no other, unless it has been heard: then it comes again.
fn tell(models: &Models<'_>, family: &mut Family, nth: usize, errand: &Errand, input: Input) {
    let Some((to, id)) = errand.letter(&family.node(nth).state) else { return };
    let (Some(to), id) = (family.find(to), id.as_u128()) else { return };
    let now = family.node(nth).now;
    family.model(models, nth).tell(|| {
        let receiver = format!("{AMENDS} ({})", family.title(models, to));
        Line::new(now, AMENDS, Some(&receiver), said(&input))
    });
    if !family.letters.iter().any(|letter| letter.id == id) {
        family.letters.push(Letter { id, to, input });
    }
}

/// What a note says.
pub(super) fn said(input: &Input) -> String {
    match input {
        Input::ChildReported { call, report } => {
            let step = call.index.map_or_else(|| call.step.to_string(), |index| format!("{}[{index}]", call.step));
            match report {
                Report::Succeeded { .. } => format!("{step} has succeeded"),
                Report::Compensated { reason } => format!("{step} is undone: {reason}"),
            }
        }
        Input::Settled(Settlement::Complete) => "nothing undoes it any more".to_owned(),
        Input::Settled(Settlement::Undo) => "it is to undo itself".to_owned(),
        _ => String::new(),
    }
}
