//! A turn of a saga in the words of the wire.

use amends_core::{
    Lifecycle,
    event::{self, Cause, Event, Failure, Recorded, Started},
    ids::{Op, SagaId},
    time::Time,
};
use amends_protocol::v1::{self, EventAttention, EventData, EventType, EventView, SPEC_VERSION, SagaStatus};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// The event of a row of a journal; `None`: it is none. `attention_cleared`: the row stands for that nobody has to look any more.
pub fn word(
    source: &str,
    saga: SagaId,
    started: &Started,
    recorded: &Recorded,
    attention_cleared: bool,
) -> Option<EventView> {
    let turn = if attention_cleared { Lifecycle::AttentionCleared } else { Lifecycle::of(&recorded.event)? };
    let kind = kind(turn);
    let mut id = format!("{saga}:{}", recorded.seq);
    if attention_cleared {
        // The row may be an event by itself, too.
        id.push_str(":attention_cleared");
    }
    let mut data = EventData {
        saga: saga.0,
        name: started.name.to_string(),
        version: started.version,
        status: status(turn),
        labels: started.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        parent: started.parent.as_ref().map(|parent| parent.saga.0),
        output: None,
        output_error: None,
        cause: None,
        attention: None,
    };
    match &recorded.event {
        Event::SagaCompleted { output, output_error } => {
            data.output = Some(Value::clone(output)).filter(|output| !output.is_null());
            data.output_error.clone_from(output_error);
        }
        Event::CompensationStarted { cause: why } => data.cause = Some(cause(why)),
        Event::AttentionRaised { call, reason, detail } if !attention_cleared => {
            data.attention = Some(EventAttention {
                step: call.step.to_string(),
                op: match call.op {
                    Op::Action => v1::Op::Action,
                    Op::Compensate => v1::Op::Compensate,
                },
                index: call.index,
                reason: attention_reason(*reason),
                detail: detail.clone(),
            });
        }
        _ => {}
    }
    Some(EventView {
        specversion: SPEC_VERSION.to_owned(),
        id,
        source: source.to_owned(),
        kind,
        subject: saga.to_string(),
        time: time(recorded.at),
        datacontenttype: "application/json".to_owned(),
        data,
    })
}

fn kind(turn: Lifecycle) -> EventType {
    match turn {
        Lifecycle::Started => EventType::SagaStarted,
        Lifecycle::Compensating => EventType::SagaCompensating,
        Lifecycle::Completed => EventType::SagaCompleted,
        Lifecycle::Compensated => EventType::SagaCompensated,
        Lifecycle::AttentionRaised => EventType::AttentionRaised,
        Lifecycle::AttentionCleared => EventType::AttentionCleared,
    }
}

fn status(turn: Lifecycle) -> Option<SagaStatus> {
    match turn {
        Lifecycle::Started => Some(SagaStatus::Running),
        Lifecycle::Compensating => Some(SagaStatus::Compensating),
        Lifecycle::Completed => Some(SagaStatus::Completed),
        Lifecycle::Compensated => Some(SagaStatus::Compensated),
        // It goes on as it was.
        Lifecycle::AttentionRaised | Lifecycle::AttentionCleared => None,
    }
}

/// Why a saga is undone, for programs.
pub fn cause(cause: &Cause) -> v1::CauseKind {
    match cause {
        Cause::StepFailed { step, index, failure, reason } => v1::CauseKind::StepFailed {
            step: step.to_string(),
            index: *index,
            failure: match failure {
                Failure::Rejected => v1::Failure::Rejected,
                Failure::Unusable => v1::Failure::Unusable,
                Failure::AttemptsExhausted => v1::Failure::AttemptsExhausted,
                Failure::RefusedHere => v1::Failure::RefusedHere,
                Failure::TimedOut => v1::Failure::TimedOut,
                Failure::Unresolved => v1::Failure::Unresolved,
                Failure::ChildCompensated => v1::Failure::ChildCompensated,
            },
            reason: reason.clone(),
        },
        Cause::Cancelled { reason } => v1::CauseKind::Cancelled { reason: reason.clone() },
        Cause::DeadlinePassed => v1::CauseKind::DeadlinePassed,
        Cause::UndoneByParent => v1::CauseKind::UndoneByParent,
    }
}

/// Why a person has to look, in words of the wire.
pub fn attention_reason(reason: event::AttentionReason) -> v1::AttentionReason {
    match reason {
        event::AttentionReason::AttemptsExhausted => v1::AttentionReason::AttemptsExhausted,
        event::AttentionReason::Rejected => v1::AttentionReason::Rejected,
        event::AttentionReason::RefusedHere => v1::AttentionReason::RefusedHere,
        event::AttentionReason::Unusable => v1::AttentionReason::Unusable,
        event::AttentionReason::RejectedAfterUnknown => v1::AttentionReason::RejectedAfterUnknown,
        event::AttentionReason::StaleEpoch => v1::AttentionReason::StaleEpoch,
        event::AttentionReason::OtherBody => v1::AttentionReason::OtherBody,
        event::AttentionReason::TimedOut => v1::AttentionReason::TimedOut,
        event::AttentionReason::Unresolved => v1::AttentionReason::Unresolved,
        event::AttentionReason::ChildCompensated => v1::AttentionReason::ChildCompensated,
    }
}

/// Years beyond chrono's calendar are its last one.
fn time(time: Time) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
