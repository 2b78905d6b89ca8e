//! The items of a step that calls once for each.

use amends_core::{
    definition::Step,
    ids::{CallId, Op},
    state::{Each, Life, StepState},
};
use amends_protocol::v1::{ItemView, StepStatus};
use serde_json::Value;

use super::{attempts::Calls, calling, failed};

/// `None`: it is no such step, or has not come to its items.
pub(super) fn views(step: &Step, stands: &StepState, calls: &mut Calls) -> Option<Vec<ItemView>> {
    let StepState::Each(each) = stands else { return None };
    let items = each.items.iter().zip(&each.lives).zip(0_u32..);
    let view = |((item, life), index): ((&Value, &Option<Life>), u32)| {
        let mut of = |op| calls.take(&CallId { step: step.name.clone(), index: Some(index), op });
        let (action, undo) = (of(Op::Action), of(Op::Compensate));
        ItemView {
            index,
            status: status(life.as_ref()),
            item: item.clone(),
            output: life.as_ref().and_then(Life::output).map(|output| Value::clone(output)).filter(|o| !o.is_null()),
            attempts: action.attempts,
            undo_attempts: undo.attempts,
            refused: undo.refused.or(action.refused),
        }
    };
    Some(items.map(view).collect())
}

fn status(life: Option<&Life>) -> StepStatus {
    match life {
        None => StepStatus::Pending,
        Some(Life::Calling(call)) => calling(call),
        Some(Life::Succeeded { .. }) => StepStatus::Succeeded,
        Some(Life::Failed(how)) => failed(*how),
        Some(Life::Compensating { .. }) => StepStatus::Compensating,
        Some(Life::Compensated) => StepStatus::Compensated,
    }
}

/// What is said of the step is what is most to be looked at among its items.
pub(super) fn status_of(each: &Each) -> StepStatus {
    const FIRST: [StepStatus; 8] = [
        StepStatus::Compensating,
        StepStatus::Calling,
        StepStatus::Waiting,
        StepStatus::Unresolved,
        StepStatus::Unusable,
        StepStatus::Rejected,
        StepStatus::Failed,
        StepStatus::Compensated,
    ];
    let statuses: Vec<StepStatus> = each.lives.iter().map(|life| status(life.as_ref())).collect();
    match FIRST.into_iter().find(|first| statuses.contains(first)) {
        Some(found) => found,
        None if statuses.iter().all(|status| *status == StepStatus::Succeeded) => StepStatus::Succeeded,
        // Some have succeeded, and none is under way just now.
        None => StepStatus::Calling,
    }
}
