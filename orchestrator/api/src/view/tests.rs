//! Views of journals written by hand.

use std::sync::Arc;

use amends_core::{
    definition::Definition,
    event::{AttentionReason, Cause, Event, FailedStep, Failure, Parent, Recorded, Started},
    ids::{CallId, Digest, SagaId},
    time::Time,
};
use amends_protocol::v1::{self, AttemptOutcome, CauseKind, SagaStatus, StepStatus};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{time, view};

const DEFINITION: &str = r#"
saga: place-order
deadline: 1h
steps:
  reserve:
    call: inventory POST /reservations
    output: { reservation: "${{ response.body.id }}" }
    compensate: { call: "inventory DELETE /reservations/${{ saga.id }}" }
  charge:
    call: payments POST /charges
    compensate: { call: "payments POST /charges/${{ saga.id }}/refund" }
  ship:
    pivot: true
    call: shipping POST /shipments
output: { order: "${{ saga.id }}" }
"#;

const SAGA: SagaId = SagaId(Uuid::from_u128(7));
const START: i64 = 1_795_539_661_000_000;

/// A journal in the making: each event is a second after the one before it.
struct Journal {
    events: Vec<Recorded>,
    epoch: u64,
}

impl Journal {
    fn started() -> Self {
        let mut journal = Self { events: Vec::new(), epoch: 1 };
        journal.then(Event::SagaStarted(Box::new(Started {
            name: "place-order".into(),
            version: 3,
            definition: definition().digest,
            input: Arc::new(json!({ "sku": "tea" })),
            labels: Map::from_iter([("shop".to_owned(), json!("north"))]),
            deadline_at: Some(at(3600)),
            locks: [].into(),
            traceparent: None,
            parent: None,
        })));
        journal
    }

    fn then(&mut self, event: Event) -> &mut Self {
        if event == Event::Adopted {
            self.epoch += 1;
        }
        let seq = self.events.len() as u64 + 1;
        self.events.push(Recorded { seq, epoch: self.epoch, at: at(self.events.len() as i64), event });
        self
    }

    fn intended(&mut self, call: &CallId, attempt: u32) -> &mut Self {
        let due_at = at(self.events.len() as i64);
        self.then(Event::CallIntended {
            call: call.clone(),
            attempt,
            due_at,
            request: Digest::of(&[b"x"]),
            pivot: call.step.as_str() == "ship",
        })
    }

    fn succeeded(&mut self, call: &CallId, attempt: u32, output: Value) -> &mut Self {
        self.then(Event::CallSucceeded { call: call.clone(), attempt, status: 200, output: Arc::new(output) })
    }

    fn done(&mut self, call: &CallId, output: Value) -> &mut Self {
        self.intended(call, 1).succeeded(call, 1, output)
    }

    fn unknown(&mut self, call: &CallId, attempt: u32, status: Option<u16>, reason: &str) -> &mut Self {
        self.then(Event::CallUnknown { call: call.clone(), attempt, status, reason: reason.into() })
    }

    fn rejected(&mut self, call: &CallId, attempt: u32, reason: &str) -> &mut Self {
        self.then(Event::CallRejected { call: call.clone(), attempt, status: 402, acked: true, reason: reason.into() })
    }

    fn failed(&mut self, step: &str, how: FailedStep, failure: Failure, reason: &str) -> &mut Self {
        self.then(Event::StepFailed { step: step.into(), index: None, how });
        let cause = Cause::StepFailed { step: step.into(), index: None, failure, reason: reason.into() };
        self.then(Event::CompensationStarted { cause })
    }

    fn view(&self) -> v1::SagaView {
        view(SAGA, &self.events, &definition()).unwrap()
    }
}

fn definition() -> Definition {
    Definition::parse(DEFINITION, None).unwrap()
}

fn at(seconds: i64) -> Time {
    Time(START + seconds * 1_000_000)
}

fn action(step: &str) -> CallId {
    CallId::action(&step.into())
}

fn undo(step: &str) -> CallId {
    CallId::compensate(&step.into())
}

fn statuses(view: &v1::SagaView) -> Vec<StepStatus> {
    view.steps.iter().map(|step| step.status).collect()
}

#[test]
fn a_fresh_saga_shows_what_it_was_started_with_and_what_is_to_come() {
    let view = Journal::started().intended(&action("reserve"), 1).view();
    assert_eq!((view.id, view.name.as_str(), view.version, view.epoch), (SAGA.0, "place-order", 3, 1));
    assert_eq!(view.definition, definition().digest.to_string());
    assert_eq!(
        (view.status, view.input, &view.labels["shop"]),
        (SagaStatus::Running, json!({ "sku": "tea" }), &json!("north"))
    );
    assert_eq!((view.started_at, view.updated_at, view.ended_at), (time(at(0)), time(at(1)), None));
    assert_eq!(view.deadline_at, Some(time(at(3600))));
    assert_eq!((view.cause, view.output, view.attention), (None, None, vec![]));

    let [reserve, charge, ship] = &view.steps[..] else { panic!("three steps") };
    assert_eq!((reserve.status, charge.status), (StepStatus::Calling, StepStatus::Pending));
    assert_eq!((reserve.needs.clone(), charge.needs.clone()), (vec![], vec!["reserve".to_owned()]));
    assert!(ship.pivot && !charge.pivot && ship.compensation.is_none());
    let open = &reserve.action.as_ref().unwrap().attempts[0];
    assert_eq!((open.attempt, open.ended_at, open.outcome), (1, None, None));
    let compensation = reserve.compensation.as_ref().unwrap();
    assert_eq!((compensation.service.as_str(), compensation.method.as_str()), ("inventory", "DELETE"));
    assert_eq!(compensation.path.as_deref(), Some("/reservations/${{ saga.id }}"));
    assert!(compensation.attempts.is_empty());
}

#[test]
fn a_completed_saga_shows_outputs_and_every_attempt_with_its_outcome() {
    let mut journal = Journal::started();
    journal.done(&action("reserve"), json!({ "reservation": "r-1" }));
    journal.intended(&action("charge"), 1).unknown(&action("charge"), 1, Some(503), "answered 503");
    journal.intended(&action("charge"), 2).succeeded(&action("charge"), 2, Value::Null);
    journal.done(&action("ship"), Value::Null);
    journal.then(Event::SagaCompleted { output: Arc::new(json!({ "order": "o" })), output_error: None });
    let view = journal.view();

    assert_eq!((view.status, view.output), (SagaStatus::Completed, Some(json!({ "order": "o" }))));
    assert_eq!(view.ended_at, Some(view.updated_at));
    assert_eq!(view.steps[0].output, Some(json!({ "reservation": "r-1" })));
    assert_eq!(view.steps[1].output, None);
    let attempts = &view.steps[1].action.as_ref().unwrap().attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!((attempts[0].outcome, attempts[0].status), (Some(AttemptOutcome::Unknown), Some(503)));
    assert_eq!(attempts[0].detail.as_deref(), Some("answered 503"));
    assert_eq!((attempts[0].intended_at, attempts[0].ended_at), (time(at(3)), Some(time(at(4)))));
    assert_eq!((attempts[1].outcome, attempts[1].status), (Some(AttemptOutcome::Success), Some(200)));
}

#[test]
fn an_output_that_could_not_be_computed_says_why() {
    let mut journal = Journal::started();
    for step in ["reserve", "charge", "ship"] {
        journal.done(&action(step), Value::Null);
    }
    let output_error = Some("steps.reserve.output is missing".to_owned());
    journal.then(Event::SagaCompleted { output: Arc::default(), output_error: output_error.clone() });
    let view = journal.view();
    assert_eq!((view.status, view.output, view.output_error), (SagaStatus::Completed, None, output_error));
}

#[test]
fn a_compensated_saga_says_why_in_a_sentence_and_how_it_was_undone() {
    let mut journal = Journal::started();
    journal.done(&action("reserve"), json!({ "reservation": "r-1" }));
    journal.intended(&action("charge"), 1).rejected(&action("charge"), 1, "402: insufficient funds");
    journal.failed("charge", FailedStep::Rejected, Failure::Rejected, "402: insufficient funds");
    journal.intended(&undo("reserve"), 1);
    let compensating = journal.view();
    assert_eq!(compensating.status, SagaStatus::Compensating);
    assert_eq!(statuses(&compensating), [StepStatus::Compensating, StepStatus::Rejected, StepStatus::Pending]);
    assert_eq!(compensating.steps[0].output, Some(json!({ "reservation": "r-1" })));

    journal.succeeded(&undo("reserve"), 1, Value::Null).then(Event::SagaCompensated);
    let view = journal.view();
    assert_eq!(view.status, SagaStatus::Compensated);
    assert_eq!(statuses(&view), [StepStatus::Compensated, StepStatus::Rejected, StepStatus::Pending]);
    let cause = view.cause.unwrap();
    assert_eq!(cause.summary, "charge was rejected by payments: 402 insufficient funds");
    assert!(matches!(cause.kind, CauseKind::StepFailed { step, .. } if step == "charge"));
    let attempts = &view.steps[0].compensation.as_ref().unwrap().attempts;
    assert_eq!(attempts[0].outcome, Some(AttemptOutcome::Success));
}

#[test]
fn every_cause_is_a_sentence() {
    let reserve = action("reserve");
    let mut exhausted = Journal::started();
    exhausted.intended(&reserve, 1).unknown(&reserve, 1, None, "no answer within 2s");
    let reason = "1 attempts; the last one: no answer within 2s";
    exhausted.failed("reserve", FailedStep::Unresolved, Failure::AttemptsExhausted, reason);
    let mut unusable = Journal::started();
    unusable.intended(&reserve, 1).then(Event::CallUnusable {
        call: reserve.clone(),
        attempt: 1,
        status: 200,
        reason: "the body is not JSON".into(),
    });
    unusable.failed("reserve", FailedStep::Unusable, Failure::Unusable, "the body is not JSON");
    let mut refused = Journal::started();
    refused.then(Event::CallRefused { call: reserve.clone(), reason: "input.sku is missing".into() });
    refused.failed("reserve", FailedStep::NeverSent, Failure::RefusedHere, "input.sku is missing");
    let mut cancelled = Journal::started();
    cancelled.then(Event::CancelRequested { reason: Some("changed my mind".into()) });
    cancelled.then(Event::CompensationStarted { cause: Cause::Cancelled { reason: Some("changed my mind".into()) } });
    let mut late = Journal::started();
    late.then(Event::CompensationStarted { cause: Cause::DeadlinePassed });

    for (journal, status, summary) in [
        (
            exhausted,
            StepStatus::Unresolved,
            "reserve got no usable answer from inventory: 1 attempts; the last one: no answer within 2s",
        ),
        (
            unusable,
            StepStatus::Unusable,
            "reserve was done by inventory, but its reply is of no use: the body is not JSON",
        ),
        (refused, StepStatus::Failed, "reserve could not be sent to inventory: input.sku is missing"),
        (cancelled, StepStatus::Pending, "it was cancelled: changed my mind"),
        (late, StepStatus::Pending, "it was not done by its deadline, 2026-11-24T18:01:01.000000Z"),
    ] {
        let view = journal.view();
        assert_eq!(view.cause.unwrap().summary, summary);
        assert_eq!(view.steps[0].status, status, "{summary}");
    }
}

#[test]
fn a_call_that_is_never_made_says_why() {
    let reserve = action("reserve");
    let mut journal = Journal::started();
    journal.then(Event::CallRefused { call: reserve, reason: "input.sku is missing".into() });
    journal.failed("reserve", FailedStep::NeverSent, Failure::RefusedHere, "input.sku is missing");
    let action = journal.view().steps[0].action.clone().unwrap();
    assert_eq!(action.refused.as_deref(), Some("input.sku is missing"));
    assert!(action.attempts.is_empty());
}

#[test]
fn attention_says_what_to_look_at_and_since_when_and_goes_when_it_is_over() {
    let ship = action("ship");
    let mut journal = Journal::started();
    journal.done(&action("reserve"), json!({ "reservation": "r-1" })).done(&action("charge"), Value::Null);
    journal.intended(&ship, 1).unknown(&ship, 1, Some(503), "answered 503");
    journal.then(Event::AttentionRaised {
        call: ship.clone(),
        reason: AttentionReason::AttemptsExhausted,
        detail: "1 attempts; the last one: answered 503".into(),
    });
    let view = journal.view();
    let [attention] = &view.attention[..] else { panic!("one") };
    assert_eq!((attention.step.as_str(), attention.op, attention.index), ("ship", v1::Op::Action, None));
    assert_eq!(attention.reason, v1::AttentionReason::AttemptsExhausted);
    assert_eq!(attention.detail, "1 attempts; the last one: answered 503");
    assert_eq!(attention.since, time(at(7)));
    journal.intended(&ship, 2).succeeded(&ship, 2, Value::Null);
    assert_eq!(journal.view().attention, vec![]);
}

#[test]
fn an_adopted_saga_shows_its_epoch_and_a_withdrawn_attempt_its_end() {
    let reserve = action("reserve");
    let mut journal = Journal::started();
    journal.intended(&reserve, 1).then(Event::Adopted);
    journal.unknown(&reserve, 1, None, "the orchestrator ended while this attempt was open").intended(&reserve, 2);
    journal.then(Event::CancelRequested { reason: None });
    journal.then(Event::CompensationStarted { cause: Cause::Cancelled { reason: None } });
    journal.then(Event::CallWithdrawn { call: reserve, attempt: 2 });
    journal.then(Event::StepFailed { step: "reserve".into(), index: None, how: FailedStep::Unresolved });
    let view = journal.view();
    assert_eq!(view.epoch, 2);
    let attempts = &view.steps[0].action.as_ref().unwrap().attempts;
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.unwrap()).collect();
    assert_eq!(outcomes, [AttemptOutcome::Unknown, AttemptOutcome::Withdrawn]);
    assert_eq!(view.steps[0].status, StepStatus::Unresolved);
}

#[test]
fn a_journal_that_this_machine_did_not_write_has_no_view() {
    let mut journal = Journal::started();
    journal.then(Event::SagaCompensated);
    assert!(view(SAGA, &journal.events, &definition()).is_err());
    assert!(view(SAGA, &[], &definition()).is_err());
}

const FAMILY: &str = r#"
saga: family
steps:
  one: { call: x POST /one, compensate: { call: x POST /one/undo } }
  kid: { saga: kid }
  each: { for_each: [1, 2], saga: kid }
"#;

#[test]
fn a_step_shows_its_children_and_a_child_its_parent() {
    let definition = Definition::parse(FAMILY, None).expect("a definition");
    let (one, kid) = (CallId::action(&"one".into()), CallId::action(&"kid".into()));
    let mut journal = Journal::started();
    let Event::SagaStarted(started) = &mut journal.events[0].event else { unreachable!("it begins") };
    let above = SagaId(Uuid::from_u128(3));
    started.parent = Some(Parent {
        saga: above,
        step: "son".into(),
        index: Some(1),
        line: vec!["grandparent".into()],
        locks: [].into(),
    });
    let child = SagaId::of_child(SAGA, "kid", None);
    let intended =
        Event::ChildIntended { call: kid.clone(), child, name: "kid".into(), input: Arc::new(json!({})), pivot: false };
    journal.done(&one, json!(null)).then(intended);
    let shown = |journal: &Journal| {
        let view = view(SAGA, &journal.events, &definition).expect("it folds");
        let children = view.steps[1].children.clone().expect("it runs children");
        assert_eq!(children.definition, "kid");
        (view.steps[1].status, children.sagas[0].clone(), view)
    };
    let (status, seen, view_now) = shown(&journal);
    assert_eq!(
        (status, seen.id, seen.version, seen.status),
        (StepStatus::Waiting, child.0, None, v1::ChildStatus::UnderWay)
    );
    let parent = view_now.parent.expect("it is a child");
    assert_eq!((parent.id, parent.step.as_str(), parent.index), (above.0, "son", Some(1)));
    assert_eq!(view_now.steps[2].children.as_ref().map(|children| children.sagas.len()), Some(0));
    assert_eq!(view_now.steps[0].children, None);
    journal.then(Event::ChildPinned { call: kid.clone(), version: 4, definition: Digest::of(&[b"kid"]) });
    journal.then(Event::ChildCompensated { call: kid.clone(), reason: "it was cancelled".into() });
    journal.failed("kid", FailedStep::Rejected, Failure::ChildCompensated, "it was cancelled");
    let (status, seen, view_now) = shown(&journal);
    assert_eq!((status, seen.version, seen.status), (StepStatus::Rejected, Some(4), v1::ChildStatus::Compensated));
    assert_eq!(seen.detail.as_deref(), Some("it was cancelled"));
    let cause = view_now.cause.expect("why");
    assert_eq!(cause.summary, "kid: its child, saga kid, is undone: it was cancelled");
}
