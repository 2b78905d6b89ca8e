//! What cases begin with, in few words.

use std::sync::Arc;

use amends_core::{
    event::{Cause, Event, Recorded, Started},
    ids::{CallId, Digest, SagaId, StepName},
    summary::{Status, Summary},
    time::Time,
};
use serde_json::json;
use uuid::Uuid;

use crate::{Append, AppendError, Create, StartKey};

/// Makes a new saga that starts at this time.
pub fn create(at: i64) -> Append {
    create_with_id(SagaId(Uuid::now_v7()), at)
}

/// Makes a saga of this id.
pub fn create_with_id(saga: SagaId, at: i64) -> Append {
    let definition = Digest::of(&[b"place-order"]);
    let started = Event::SagaStarted(Box::new(Started {
        name: "place-order".into(),
        version: 1,
        definition: definition.clone(),
        input: Arc::new(json!({ "sku": "book", "quantity": 2 })),
        labels: serde_json::Map::new(),
        deadline_at: None,
        locks: [].into(),
        traceparent: None,
        parent: None,
    }));
    Append {
        saga,
        commit: Uuid::new_v4(),
        epoch: 1,
        events: vec![
            Recorded { seq: 1, epoch: 1, at: Time(at), event: started },
            Recorded { seq: 2, epoch: 1, at: Time(at + 1), event: withdrawn("open") },
        ],
        summary: summary(Status::Running),
        attention_cleared: None,
        create: Some(Create {
            owner: Uuid::nil(),
            name: "place-order".into(),
            version: 1,
            definition,
            key: None,
            parent: None,
        }),
        release: false,
        verdicts: Vec::new(),
    }
}

/// Makes a new saga of this owner.
pub fn create_by(owner: Uuid, at: i64) -> Append {
    let mut append = create(at);
    append.create.as_mut().expect("invariant: it creates").owner = owner;
    append
}

/// The same saga, started with a key.
pub fn keyed(mut append: Append) -> Append {
    let request = Digest::of(&[b"request"]);
    append.create.as_mut().expect("invariant: it creates").key = Some(StartKey { key: "key".into(), request });
    append
}

/// Goes on with a saga after `before`, with these events and this status.
pub fn next(before: &Append, status: Status, events: Vec<Event>) -> Append {
    let last = before.events.last().expect("invariant: an append has events");
    let events = events.into_iter().zip(1..).map(|(event, place)| Recorded {
        seq: last.seq + place,
        epoch: before.epoch,
        at: Time(last.at.0 + i64::try_from(place).expect("invariant: few events")),
        event,
    });
    let mut append = Append {
        saga: before.saga,
        commit: Uuid::new_v4(),
        epoch: before.epoch,
        events: events.collect(),
        summary: summary(status),
        attention_cleared: None,
        create: None,
        release: false,
        verdicts: Vec::new(),
    };
    if status.is_terminal() {
        append.summary.ended_at = append.events.last().map(|event| event.at);
    }
    append
}

/// Goes on with a saga after `before` by one step.
pub fn step(before: &Append) -> Append {
    next(before, Status::Running, vec![succeeded("open"), withdrawn("reserve")])
}

/// Ends a saga after `before`.
pub fn end(before: &Append) -> Append {
    next(before, Status::Compensated, vec![Event::SagaCompensated])
}

/// The same append in another ownership.
pub fn under_epoch(mut append: Append, epoch: u64) -> Append {
    append.epoch = epoch;
    append.events.iter_mut().for_each(|event| event.epoch = epoch);
    append
}

/// A summary in which nothing but the status stands out.
pub fn summary(status: Status) -> Summary {
    Summary { status, attention: false, wake_at: None, ended_at: None }
}

/// Something about this step, in few words.
pub fn withdrawn(step: &str) -> Event {
    Event::CallWithdrawn { call: CallId::action(&StepName::from(step)), attempt: 1 }
}

/// This step happened.
pub fn succeeded(step: &str) -> Event {
    let call = CallId::action(&StepName::from(step));
    Event::CallSucceeded { call, attempt: 1, status: 200, output: Arc::new(json!({ "id": 1 })) }
}

/// The saga is undone from here on.
pub fn compensation_started() -> Event {
    Event::CompensationStarted { cause: Cause::DeadlinePassed }
}

/// The answers in words that can be compared.
pub fn words(answers: &[Result<(), AppendError>]) -> Vec<&'static str> {
    let word = |answer: &Result<(), AppendError>| match answer {
        Ok(()) => "ok",
        Err(AppendError::Fenced) => "fenced",
        Err(AppendError::Conflict) => "conflict",
        Err(AppendError::Exists) => "exists",
        Err(AppendError::Deleted) => "deleted",
        Err(AppendError::Unavailable(crate::StoreError::Corrupt { .. })) => "corrupt",
        Err(AppendError::Unavailable(crate::StoreError::Refused { .. })) => "refused",
        Err(AppendError::Unavailable(crate::StoreError::Unavailable { .. })) => "unavailable",
    };
    answers.iter().map(word).collect()
}
