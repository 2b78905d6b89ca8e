//! The orchestrator: an input is decided by the functions that decide for real, and every event passes the judge. This is
//! where its rules are broken for the negative controls.

use amends_core::{
    Input, Reply, decide_in_place,
    event::Recorded,
    faults::Moment,
    ids::Op,
    state::{Life, Phase, State, StepState},
    summary::Status,
};

use crate::{
    apply::crashes,
    choices::{Crash, Gone},
    given,
    model::Model,
    node::{Before, Node},
    setup::Broken,
    watch,
};

/// One decision, one commit. `false`: a plan made the process die before it was written, and another one has taken over.
pub(crate) fn feed(model: &Model<'_>, node: &mut Node, input: Input) -> bool {
    if model.broken != Broken::Nothing {
        break_before(model, node, &input);
        if model.broken == Broken::LosesSignals && matches!(input, Input::Signalled(_)) {
            return true;
        }
    }
    let before = given::is_about_commits(model).then(|| node.state.clone());
    let decision = decide_in_place(&model.decides, &mut node.state, input, node.now);
    if let Some(before) = before
        && dies(model, node, &[Moment::Intent, Moment::Outcome], &decision.events)
    {
        node.state = before;
        crashes(model, node, Crash::alike(Gone::Done));
        return false;
    }
    let mut events = decision.events;
    for recorded in &mut events {
        if model.broken == Broken::PivotLikeAnyStep {
            pretend_pivot(model, &mut recorded.event);
        }
        watch::see(model, node, recorded);
        model.write(node.now, node.state.saga, recorded);
    }
    if model.broken == Broken::HaltsInSilence {
        node.state.attention.clear();
    }
    if model.broken == Broken::StateBesideJournal && node.state.status.is_terminal() {
        node.state.past_return = !node.state.past_return;
    }
    if dies(model, node, &[Moment::Written], &events) {
        crashes(model, node, Crash::alike(Gone::Done));
    }
    true
}

/// Whether the process dies at one of these moments of a commit, because a plan says so.
fn dies(model: &Model<'_>, node: &Node, moments: &[Moment], events: &[Recorded]) -> bool {
    given::dies(model, moments, (node.state.saga, &*node.state.started), Some(node), events)
}

fn break_before(model: &Model<'_>, node: &mut Node, input: &Input) {
    match (model.broken, input) {
        (Broken::SendsBeforeWriting, Input::Answered { .. } | Input::TimePassed | Input::CalledBack { .. }) => {
            let (state, watch, units) = (node.state.clone(), node.watch, node.units.clone());
            node.before = Some(Box::new(Before { state, watch, units }));
        }
        (Broken::UnknownNotSticky, Input::Answered { call, reply: Reply::Answered(answer), .. })
            if (400..500).contains(&answer.status) =>
        {
            match node.state.steps.get_mut(&call.step) {
                Some(StepState::Calling(call)) => call.may_have_happened = false,
                Some(StepState::Each(each)) => {
                    for life in each.lives.iter_mut().flatten() {
                        if let Life::Calling(call) = life {
                            call.may_have_happened = false;
                        }
                    }
                }
                _ => {}
            }
        }
        // As if nothing that is open had left.
        (Broken::AdoptionForgets, Input::Adopted { .. }) => node.state.released = true,
        (Broken::UndoesBesideActions, _) if node.state.status == Status::Compensating => {
            forget_actions(&mut node.state, input);
        }
        _ => {}
    }
}

fn forget_actions(state: &mut State, input: &Input) {
    state.steps.retain(|name, step| {
        let answered = matches!(input, Input::Answered { call, .. } if call.step == *name);
        let open = matches!(step, StepState::Calling(call) if matches!(call.phase, Phase::Open { .. }));
        answered || !open
    });
}

fn pretend_pivot(model: &Model<'_>, event: &mut amends_core::event::Event) {
    use amends_core::{definition::Side, event::Event};
    if let Event::CallIntended { call, pivot, .. } = event {
        let side = model.truth.step(&call.step).map(|(_, step)| step.side);
        *pivot = call.op == Op::Action && side == Some(Side::Pivot);
    }
}
