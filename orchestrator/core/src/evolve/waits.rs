//! How waits end without what they waited for.

use crate::{
    event::FailedStep,
    ids::{CallId, Op},
    state::{State, StepState, Waiting},
    summary::Status,
    time::Time,
};

/// The wait goes on, and nothing ends it any more but its signal.
pub(super) fn timed_out(state: &mut State, call: &CallId, at: Time) -> Result<(), &'static str> {
    match (call.op, state.steps.get_mut(&call.step)) {
        (Op::Action, Some(StepState::Waiting(Waiting::Signal { until, .. })))
            if until.is_some_and(|until| until <= at) =>
        {
            *until = None;
            Ok(())
        }
        _ => Err("its time is not over"),
    }
}

pub(super) fn wait_failed(waiting: &Waiting, how: FailedStep, status: Status, at: Time) -> Result<(), &'static str> {
    match (how, waiting, status) {
        (FailedStep::TimedOut, Waiting::Signal { until: Some(until), .. }, Status::Running) if *until <= at => Ok(()),
        (FailedStep::CutShort, _, Status::Compensating) => Ok(()),
        _ => Err("a wait ends when its time is over, or with the saga's failure"),
    }
}
