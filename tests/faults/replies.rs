//! Requests and replies that are lost: what may have happened is found out, or undone.

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    proxy::{Action, Rule},
    town::{Effects, Plan, Town},
    words::Op,
};
use anyhow::Result;

use crate::{BEFORE_PIVOT, STEPS, all, assert_effects, before, order_rejected_at, outcomes};

/// Where a fault of the wire is, seen from the participant.
#[derive(Clone, Copy, PartialEq)]
enum Lost {
    /// It never had the request, or not all of it.
    Request,
    /// It has done it and said so.
    Reply,
}

/// One order for each step, whose first attempt suffers this; all complete with one effect each.
async fn first_attempts_suffer(action: Action, lost: Lost) -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for step in STEPS {
        let fault = town.inject_rule(step, Rule::action_of(step, action.clone()).attempts(1..=1));
        let saga = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
        fault.assert_fired(1);
        town.heal();
        let wire = town.wire(saga.id, step, Op::Action);
        assert_eq!(wire.iter().map(|request| request.attempt).collect::<Vec<_>>(), [1, 2], "{step}");
        assert_eq!(wire[0].digest, wire[1].digest, "{step} sends the same bytes again");
        let answers: Vec<_> =
            wire.iter().map(|request| request.copies.first().and_then(|c| c.answer.as_ref())).collect();
        assert_eq!(answers[0].is_some(), lost == Lost::Reply, "{step}: where it was meant: {:?}", wire[0]);
        if let (Some(first), Some(second)) = (answers[0], answers[1]) {
            assert_eq!((first.status, &first.body), (second.status, &second.body), "{step}: the stored reply");
        }
        assert_eq!(outcomes(&town, saga.id, step).await?, ["unknown", "succeeded"], "{step}");
        assert_effects(&town, saga.id, &all(&STEPS, Effects::DONE)).await?;
    }
    town.audit().await
}

#[tokio::test]
async fn a_lost_reply_at_any_step_leaves_one_effect() -> Result<()> {
    first_attempts_suffer(Action::CutAfterRequest, Lost::Reply).await
}

#[tokio::test]
async fn a_lost_request_at_any_step_is_sent_again() -> Result<()> {
    first_attempts_suffer(Action::CutBeforeRequest, Lost::Request).await
}

#[tokio::test]
async fn a_request_cut_in_its_middle_at_any_step_is_sent_again() -> Result<()> {
    first_attempts_suffer(Action::CutWithinRequest(120), Lost::Request).await
}

#[tokio::test]
async fn a_reply_cut_in_its_middle_at_any_step_leaves_one_effect() -> Result<()> {
    first_attempts_suffer(Action::CutWithinResponse(60), Lost::Reply).await
}

#[tokio::test]
async fn a_gateway_that_gives_up_on_a_step_that_was_done_leaves_one_effect() -> Result<()> {
    for status in [502, 503, 504] {
        first_attempts_suffer(Action::StatusInstead(status, "<h1>not now</h1>".to_owned()), Lost::Reply).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_success_without_the_ack_that_is_due_is_asked_again() -> Result<()> {
    first_attempts_suffer(Action::Status(200, r#"{"id":"x","tracking":"x"}"#.to_owned()), Lost::Request).await
}

#[tokio::test]
async fn a_step_whose_every_reply_is_lost_is_undone_itself() -> Result<()> {
    done_and_never_said(Action::CutAfterRequest).await
}

#[tokio::test]
async fn a_step_that_is_done_and_answers_500_to_its_last_attempt_is_undone_itself() -> Result<()> {
    done_and_never_said(Action::StatusInstead(500, "broken".to_owned())).await
}

/// One order for each step that can be undone, of which every attempt is done and this comes back instead of the answer.
async fn done_and_never_said(action: Action) -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for step in BEFORE_PIVOT {
        let lost = town.inject(step, action.clone());
        let saga = town.run(Town::order(2, 500), SagaStatus::Compensated).await?;
        lost.assert_fired(3);
        town.heal();
        let mut undone = before(step).to_vec();
        undone.push(step);
        assert_effects(&town, saga.id, &all(&undone, Effects::UNDONE)).await?;
        undone.reverse();
        assert_eq!(town.undone(saga.id).await?, undone);
    }
    town.audit().await
}

#[tokio::test]
async fn a_step_whose_every_request_is_lost_gets_a_null_compensation() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for step in BEFORE_PIVOT {
        let lost = town.inject(step, Action::CutBeforeRequest);
        let saga = town.run(Town::order(2, 500), SagaStatus::Compensated).await?;
        lost.assert_fired(3);
        town.heal();
        let mut effects = all(before(step), Effects::UNDONE);
        effects.push((step, Effects::NULL));
        assert_effects(&town, saga.id, &effects).await?;
    }
    town.audit().await
}

/// Nothing comes back until the timeout is over, three times; then the compensation is there first.
#[tokio::test]
async fn a_step_that_times_out_without_being_done_gets_a_null_compensation_and_arrives_too_late() -> Result<()> {
    const ATTEMPTS: usize = 2;
    let plan = Plan::orders();
    let hasty = format!("  charge:\n    timeout: 400ms\n    retry: {{ attempts: {ATTEMPTS}, backoff: 10ms }}\n");
    let definition = plan.definition.replace("  charge:\n", &hasty);
    let town = Town::start(plan.with_definition(&definition)).await?;
    let silent = town.inject("charge", Action::Keep);
    let saga = town.run(Town::order(2, 500), SagaStatus::Compensated).await?;
    silent.assert_fired(ATTEMPTS as u64);
    assert_eq!(outcomes(&town, saga.id, "charge").await?, ["unknown"; ATTEMPTS]);
    let mut effects = all(before("charge"), Effects::UNDONE);
    effects.push(("charge", Effects::NULL));
    assert_effects(&town, saga.id, &effects).await?;
    let answers = town.service("payments").proxy.release().await?;
    let said: Vec<_> = answers.iter().map(|answer| (answer.status, answer.acked)).collect();
    assert_eq!(said, [(409, true); ATTEMPTS], "{answers:?}");
    assert!(answers.iter().all(|answer| answer.body.contains("already-compensated")), "{answers:?}");
    assert_effects(&town, saga.id, &effects).await?;
    town.audit().await
}

#[tokio::test]
async fn lost_replies_of_compensations_leave_one_undoing_each() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let lost: Vec<_> = BEFORE_PIVOT
        .iter()
        .map(|step| town.inject_rule(step, Rule::compensation_of(step, Action::CutAfterRequest).attempts(1..=2)))
        .collect();
    let saga = town.run(order_rejected_at("ship"), SagaStatus::Compensated).await?;
    lost.iter().for_each(|lost| lost.assert_fired(2));
    assert_effects(&town, saga.id, &all(&BEFORE_PIVOT, Effects::UNDONE)).await?;
    town.audit().await
}

#[tokio::test]
async fn nothing_is_undone_while_the_pivot_is_unknown() -> Result<()> {
    let town = Town::start(Plan::orders().patient()).await?;
    let lost = town.inject_rule("ship", Rule::action_of("ship", Action::CutAfterRequest).attempts(1..=8));
    let saga = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
    lost.assert_fired(8);
    for step in BEFORE_PIVOT {
        assert!(town.wire(saga.id, step, Op::Compensate).is_empty(), "{step} was not undone meanwhile");
    }
    assert_effects(&town, saga.id, &all(&STEPS, Effects::DONE)).await?;
    town.audit().await
}

#[tokio::test]
async fn a_step_behind_the_pivot_is_asked_until_it_is_done() -> Result<()> {
    let town = Town::start(Plan::orders().patient()).await?;
    let away =
        town.inject_rule("confirm", Rule::action_of("confirm", Action::Status(503, String::new())).attempts(1..=8));
    let saga = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
    away.assert_fired(8);
    assert_effects(&town, saga.id, &all(&STEPS, Effects::DONE)).await?;
    town.audit().await
}
