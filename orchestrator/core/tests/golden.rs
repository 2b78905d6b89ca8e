//! How events are spelled in journals, frozen: a journal of years ago must be read for ever.
//!
//! `UPDATE_GOLDEN=1 cargo test -p amends-core --test golden` writes the file anew. A changed line is a journal that can no
//! longer be read; only new lines are fine.

use std::{fmt::Write as _, path::Path, sync::Arc};

use amends_core::{
    event::{AttentionReason, Cause, Event, FailedStep, Failure, Parent, Probed, Started, Verdict},
    ids::{CallId, Digest, Op, SagaId},
    summary::Status,
    time::Time,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, json};

const CAUSES: fn() -> Vec<Cause> = || {
    let failed =
        |failure| Cause::StepFailed { step: "charge".into(), index: None, failure, reason: "409: no cover".to_owned() };
    vec![
        failed(Failure::Rejected),
        failed(Failure::Unusable),
        failed(Failure::AttemptsExhausted),
        failed(Failure::RefusedHere),
        failed(Failure::TimedOut),
        failed(Failure::Unresolved),
        Cause::StepFailed {
            step: "charge".into(),
            index: Some(3),
            failure: Failure::Rejected,
            reason: "409: no cover".to_owned(),
        },
        Cause::Cancelled { reason: None },
        Cause::Cancelled { reason: Some("changed my mind".to_owned()) },
        Cause::DeadlinePassed,
        failed(Failure::ChildCompensated),
        Cause::UndoneByParent,
    ]
};

const HOW: [FailedStep; 6] = [
    FailedStep::Rejected,
    FailedStep::NeverSent,
    FailedStep::Unusable,
    FailedStep::Unresolved,
    FailedStep::TimedOut,
    FailedStep::CutShort,
];

const REASONS: [AttentionReason; 10] = [
    AttentionReason::AttemptsExhausted,
    AttentionReason::Rejected,
    AttentionReason::RefusedHere,
    AttentionReason::Unusable,
    AttentionReason::RejectedAfterUnknown,
    AttentionReason::StaleEpoch,
    AttentionReason::OtherBody,
    AttentionReason::TimedOut,
    AttentionReason::Unresolved,
    AttentionReason::ChildCompensated,
];

/// Each kind of event, with every optional part there and not there.
fn events() -> Vec<Event> {
    let call = CallId::action(&"charge".into());
    let item = CallId { index: Some(3), ..CallId::compensate(&"charge".into()) };
    let request = Digest::of(&[b"POST", b"/charges", b"{}"]);
    let output = Arc::new(json!({ "id": 7 }));
    let reason = || "connection refused".to_owned();
    let started = |full: bool| {
        let mut labels = Map::new();
        if full {
            labels.insert("tenant".to_owned(), json!("acme"));
        }
        Event::SagaStarted(Box::new(Started {
            name: "place-order".into(),
            version: 2,
            definition: Digest::of(&[b"saga: place-order"]),
            input: Arc::new(json!({ "sku": "a" })),
            labels,
            deadline_at: full.then_some(Time(1_795_539_661_000_123)),
            locks: [].into(),
            traceparent: full.then(|| "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            parent: None,
        }))
    };
    let intended = |call: &CallId, pivot| Event::CallIntended {
        call: call.clone(),
        attempt: 1,
        due_at: Time(1_795_539_661_000_123),
        request: request.clone(),
        pivot,
    };
    let probe_intended = |rejected| Event::ProbeIntended {
        call: call.clone(),
        attempt: 1,
        due_at: Time(1_795_539_661_000_123),
        rejected,
    };
    let probed = |verdict, status, due_at| Event::CallProbed {
        call: call.clone(),
        attempt: 1,
        verdict,
        status,
        reason: reason(),
        due_at,
    };
    let mut events = vec![
        started(false),
        started(true),
        Event::Adopted,
        Event::Released,
        intended(&call, false),
        intended(&call, true),
        intended(&item, false),
        Event::CallSucceeded { call: call.clone(), attempt: 1, status: 201, output: output.clone() },
        Event::CallSucceeded { call: call.clone(), attempt: 1, status: 204, output: Arc::new(json!(null)) },
        Event::CallUnusable { call: call.clone(), attempt: 1, status: 200, reason: reason() },
        Event::CallRejected { call: call.clone(), attempt: 1, status: 409, acked: true, reason: reason() },
        Event::CallNotSent { call: call.clone(), attempt: 1, reason: reason() },
        Event::CallUnknown { call: call.clone(), attempt: 1, status: None, reason: reason() },
        Event::CallUnknown { call: call.clone(), attempt: 1, status: Some(503), reason: reason() },
        Event::CallWithdrawn { call: call.clone(), attempt: 1 },
        Event::CallRefused { call: call.clone(), reason: reason() },
        Event::CallPostponed { call: call.clone(), until: Time(1_795_539_661_000_123) },
        probe_intended(false),
        probe_intended(true),
        probed(Probed::Applied, Some(200), None),
        probed(Probed::NotApplied, Some(404), None),
        probed(Probed::NotAppliedYet, Some(404), Some(Time(1_795_539_661_000_123))),
        probed(Probed::InProgress, Some(202), Some(Time(1_795_539_661_000_123))),
        probed(Probed::Unknown, None, Some(Time(1_795_539_661_000_123))),
        Event::CancelRequested { reason: None },
        Event::CancelRequested { reason: Some("changed my mind".to_owned()) },
        Event::SagaCompleted { output, output_error: None },
        Event::SagaCompleted {
            output: Arc::new(json!(null)),
            output_error: Some("`input.x` has no value here".to_owned()),
        },
        Event::SagaCompensated,
    ];
    events.push(Event::StepSkipped { step: "charge".into() });
    events.push(Event::StepRefused { step: "charge".into(), reason: "if: neither true nor false".to_owned() });
    let until = Time(1_795_539_661_000_123);
    events.push(Event::SleepStarted { step: "charge".into(), until });
    events.push(Event::SleepEnded { step: "charge".into() });
    events.push(Event::AwaitStarted { step: "charge".into(), signal: "approved".into(), until });
    let received = |key: Option<&str>, payload| Event::SignalReceived {
        signal: "approved".into(),
        key: key.map(Into::into),
        payload: Arc::new(payload),
    };
    events.push(received(None, json!(null)));
    events.push(received(Some("a-1"), json!({ "by": "ada" })));
    let taken =
        |output| Event::SignalTaken { step: "charge".into(), signal: "approved".into(), output: Arc::new(output) };
    events.push(taken(json!(null)));
    events.push(taken(json!({ "by": "ada" })));
    events.push(Event::ItemsListed { step: "charge".into(), items: [json!("a"), json!({ "n": 1 })].into() });
    events.push(Event::ItemsListed { step: "charge".into(), items: [].into() });
    events.push(Event::CallAccepted { call: call.clone(), attempt: 2, until });
    let called_back =
        |call: &CallId, verdict| Event::CallbackReceived { call: call.clone(), verdict, digest: request.clone() };
    events.push(called_back(&call, Verdict::Succeeded));
    events.push(called_back(&CallId { op: Op::Action, ..item.clone() }, Verdict::Rejected));
    let Event::SagaStarted(mut locked) = started(false) else { unreachable!("it is a start") };
    locked.locks = ["account:7".into(), "account:8".into()].into();
    events.push(Event::SagaStarted(locked));
    let arrived_at = Time(1_795_539_661_000_456);
    events.push(Event::LockQueued { lock: "account:7".into(), arrived_at });
    events.push(Event::LockTaken { lock: "account:7".into(), arrived_at });
    events.extend(HOW.map(|how| Event::StepFailed { step: "charge".into(), index: None, how }));
    events.push(Event::StepFailed { step: "charge".into(), index: Some(3), how: FailedStep::Unresolved });
    let raised = |reason| Event::AttentionRaised { call: call.clone(), reason, detail: "look".to_owned() };
    events.extend(REASONS.map(raised));
    events.extend(of_families(&call, &item, &request));
    events.extend(CAUSES().into_iter().map(|cause| Event::CompensationStarted { cause }));
    events
}

fn of_families(call: &CallId, item: &CallId, request: &Digest) -> Vec<Event> {
    let saga = |number| SagaId(uuid::Uuid::from_u128(number));
    let child = |index, locks: &[&str]| {
        Event::SagaStarted(Box::new(Started {
            name: "pay-claim".into(),
            version: 1,
            definition: Digest::of(&[b"saga: pay-claim"]),
            input: Arc::new(json!({ "claim": 7 })),
            labels: Map::new(),
            deadline_at: None,
            locks: [].into(),
            traceparent: None,
            parent: Some(Parent {
                saga: saga(7),
                step: "charge".into(),
                index,
                line: vec!["settle-claim".into()],
                locks: locks.iter().map(|lock| (*lock).into()).collect(),
            }),
        }))
    };
    let intended = |call: &CallId, pivot| Event::ChildIntended {
        call: call.clone(),
        child: saga(8),
        name: "pay-claim".into(),
        input: Arc::new(json!({ "claim": 7 })),
        pivot,
    };
    let (output, null) = (Arc::new(json!({ "id": 7 })), Arc::new(json!(null)));
    let action = CallId { op: Op::Action, ..item.clone() };
    let why = || "step charge failed: 409".to_owned();
    vec![
        child(None, &[]),
        child(Some(3), &["account:7"]),
        intended(call, false),
        intended(call, true),
        intended(&action, false),
        Event::ChildPinned { call: call.clone(), version: 2, definition: request.clone() },
        Event::ChildSucceeded { call: call.clone(), output: output.clone() },
        Event::ChildSucceeded { call: action.clone(), output: null.clone() },
        Event::ChildUnusable { call: call.clone(), reason: why() },
        Event::ChildUndoIntended { call: item.clone() },
        Event::ChildCompensated { call: call.clone(), reason: why() },
        Event::ChildCompensated { call: item.clone(), reason: why() },
        Event::ChildSettled { call: call.clone() },
        Event::SagaSucceeded { output, output_error: None },
        Event::SagaSucceeded { output: null, output_error: Some("`input.x` has no value here".to_owned()) },
        Event::SettledByParent,
    ]
}

/// Written and read back equal.
fn line<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> String {
    let text = serde_json::to_string(value).expect("JSON");
    assert_eq!(serde_json::from_str::<T>(&text).expect("what is written is read"), *value);
    text
}

/// A new kind of event must come here: this match does not compile without it.
fn is_listed(event: &Event) {
    match event {
        Event::SagaStarted(_)
        | Event::Adopted
        | Event::Released
        | Event::CallIntended { .. }
        | Event::CallSucceeded { .. }
        | Event::CallUnusable { .. }
        | Event::CallRejected { .. }
        | Event::CallNotSent { .. }
        | Event::CallUnknown { .. }
        | Event::CallWithdrawn { .. }
        | Event::CallAccepted { .. }
        | Event::CallbackReceived { .. }
        | Event::CallRefused { .. }
        | Event::LockQueued { .. }
        | Event::LockTaken { .. }
        | Event::StepSkipped { .. }
        | Event::StepRefused { .. }
        | Event::SleepStarted { .. }
        | Event::SleepEnded { .. }
        | Event::AwaitStarted { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::ItemsListed { .. }
        | Event::StepFailed { .. }
        | Event::AttentionRaised { .. }
        | Event::CancelRequested { .. }
        | Event::CompensationStarted { .. }
        | Event::SagaCompleted { .. }
        | Event::CallPostponed { .. }
        | Event::ProbeIntended { .. }
        | Event::CallProbed { .. }
        | Event::ChildIntended { .. }
        | Event::ChildPinned { .. }
        | Event::ChildSucceeded { .. }
        | Event::ChildUnusable { .. }
        | Event::ChildUndoIntended { .. }
        | Event::ChildCompensated { .. }
        | Event::ChildSettled { .. }
        | Event::SagaSucceeded { .. }
        | Event::SettledByParent
        | Event::SagaCompensated => {}
    }
}

#[test]
fn events_are_spelled_as_they_always_were() {
    let mut spelled = String::new();
    for event in events() {
        is_listed(&event);
        writeln!(spelled, "{}", line(&event)).expect("a text");
    }
    let statuses = [
        Status::Running,
        Status::Compensating,
        Status::Completed,
        Status::Compensated,
        Status::Abandoned,
        Status::Succeeded,
    ];
    for status in statuses {
        assert_eq!(line(&status), format!("\"{}\"", status.as_str()));
        assert_eq!(Status::parse(status.as_str()), Some(status));
        writeln!(spelled, "{}", line(&status)).expect("a text");
    }
    for op in [Op::Action, Op::Compensate] {
        assert_eq!(line(&op), format!("\"{}\"", op.as_str()));
        writeln!(spelled, "{}", line(&op)).expect("a text");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events.jsonl");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &spelled).expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file");
    for (nth, (now, before)) in spelled.lines().zip(golden.lines()).enumerate() {
        assert_eq!(now, before, "line {} of {}", nth + 1, path.display());
    }
    assert_eq!(spelled.lines().count(), golden.lines().count(), "{} is not complete", path.display());
}

#[test]
fn the_golden_file_alone_is_read_as_the_same_events() {
    let golden = include_str!("golden/events.jsonl");
    let read: Vec<Event> = golden.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(read, events());
}

#[test]
fn a_word_from_the_future_is_an_error_and_not_dropped() {
    for text in ["{\"kind\":\"saga_dreamt\"}", "{\"kind\":\"step_failed\",\"step\":\"a\",\"how\":\"softly\"}", "{}"] {
        assert!(serde_json::from_str::<Event>(text).is_err(), "{text}");
    }
}
