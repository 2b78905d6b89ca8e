//! A definite no, at every place where one can be said.

use std::time::Duration;

use amends_protocol::v1::{AttentionReason, SagaStatus, StepStatus};
use amends_tests::{
    audit::journal::Event,
    proxy::{Action, Rule},
    town::{Effects, Plan, Town},
    wait::until,
    words::Op,
};
use anyhow::Result;

use crate::{BEFORE_PIVOT, STEPS, all, assert_effects, before, order_rejected_at, outcomes};

#[tokio::test]
async fn without_faults_an_order_completes_with_one_effect_each() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let saga = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
    assert_effects(&town, saga.id, &all(&STEPS, Effects::DONE)).await?;
    for step in STEPS {
        assert_eq!(town.wire(saga.id, step, Op::Action).len(), 1, "{step}");
    }
    let tracking = saga.output.as_ref().and_then(|output| output["tracking"].as_str());
    assert!(tracking.is_some_and(|tracking| !tracking.is_empty()), "{:?}", saga.output);
    town.audit().await
}

#[tokio::test]
async fn a_rejected_step_is_followed_by_the_undoing_of_exactly_its_predecessors() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for step in ["open", "reserve", "charge", "ship"] {
        let saga = town.run(order_rejected_at(step), SagaStatus::Compensated).await?;
        let wire = town.wire(saga.id, step, Op::Action);
        assert_eq!(wire.len(), 1, "{step} was rejected at once");
        let answer = wire[0].copies[0].answer.as_ref().expect("the service answered");
        assert!(answer.acked && (400..500).contains(&answer.status), "{step} was rejected by its service: {answer:?}");
        assert_effects(&town, saga.id, &all(before(step), Effects::UNDONE)).await?;
        let reversed: Vec<String> = before(step).iter().rev().map(ToString::to_string).collect();
        assert_eq!(town.undone(saga.id).await?, reversed, "in reverse order");
    }
    town.audit().await
}

#[tokio::test]
async fn a_rejection_behind_the_pivot_raises_attention_and_undoes_nothing() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let no = town.inject("confirm", Action::Acked(409));
    let saga = town.begin(Town::order(2, 500)).await?;
    attention(&town, saga, "confirm", AttentionReason::Rejected).await?;
    no.assert_fired(1);
    assert_effects(&town, saga, &all(before("confirm"), Effects::DONE)).await?;
    town.audit().await
}

#[tokio::test]
async fn a_rejected_compensation_raises_attention_and_its_predecessors_wait() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let no = town.inject_rule("reserve", Rule::compensation_of("reserve", Action::Acked(409)));
    let saga = town.begin(order_rejected_at("ship")).await?;
    attention(&town, saga, "reserve", AttentionReason::Rejected).await?;
    no.assert_fired(1);
    let effects = [("open", Effects::DONE), ("reserve", Effects::DONE), ("charge", Effects::UNDONE)];
    assert_effects(&town, saga, &effects).await?;
    assert!(town.wire(saga, "open", Op::Compensate).is_empty());
    town.audit().await
}

#[tokio::test]
async fn a_rejection_after_a_lost_attempt_does_not_clear_it() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for step in BEFORE_PIVOT {
        let lost = town.inject_rule(step, Rule::action_of(step, Action::CutAfterRequest).attempts(1..=1));
        let no = town.inject_rule(step, Rule::action_of(step, Action::Acked(402)));
        let saga = town.run(Town::order(2, 500), SagaStatus::Compensated).await?;
        lost.assert_fired(1);
        no.assert_fired(1);
        town.heal();
        assert_eq!(outcomes(&town, saga.id, step).await?, ["unknown", "rejected"], "{step}");
        let mut undone = before(step).to_vec();
        undone.push(step);
        assert_effects(&town, saga.id, &all(&undone, Effects::UNDONE)).await?;
    }
    town.audit().await
}

/// Neither word says whether it was done: the attempt counts as unknown, and the call is asked for again.
#[tokio::test]
async fn the_true_owner_that_is_told_that_it_is_not_or_that_its_bytes_are_others_asks_a_person() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for (status, word, reason) in [(409, "stale-epoch", "stale_epoch"), (422, "other-body", "other_body")] {
        let told = Rule::action_of("charge", Action::Refused(status, word)).attempts(1..=1);
        let told = town.inject_rule("charge", told);
        let saga = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
        told.assert_fired(1);
        town.heal();
        assert_eq!(outcomes(&town, saga.id, "charge").await?, ["unknown", "succeeded"], "{word}");
        let journal = town.journal(saga.id).await?;
        let raised: Vec<_> = journal
            .iter()
            .filter_map(|row| match &row.event {
                Event::AttentionRaised { call, reason } => Some((call.step.as_str(), reason.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(raised, [("charge", reason)]);
        assert!(saga.attention.is_empty(), "and it is over with the call");
        assert_effects(&town, saga.id, &all(&STEPS, Effects::DONE)).await?;
    }
    town.audit().await
}

#[tokio::test]
async fn a_pivot_that_was_lost_and_then_rejected_by_a_barrier_is_rejected() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let lost = town.inject_rule("ship", Rule::action_of("ship", Action::CutAfterRequest).attempts(1..=1));
    let saga = town.run(order_rejected_at("ship"), SagaStatus::Compensated).await?;
    lost.assert_fired(1);
    assert_eq!(town.wire(saga.id, "ship", Op::Action).len(), 2);
    let ship = saga.steps.iter().find(|step| step.name == "ship").expect("it has this step");
    assert_eq!(ship.status, StepStatus::Rejected);
    assert_effects(&town, saga.id, &all(before("ship"), Effects::UNDONE)).await?;
    town.audit().await
}

#[tokio::test]
async fn a_success_of_no_use_before_the_pivot_is_compensated_and_never_retried() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let useless = town.inject("reserve", Action::Acked(200));
    let saga = town.run(Town::order(2, 500), SagaStatus::Compensated).await?;
    useless.assert_fired(1);
    assert_effects(&town, saga.id, &[("open", Effects::UNDONE), ("reserve", Effects::NULL)]).await?;
    town.audit().await
}

#[tokio::test]
async fn a_success_of_no_use_at_the_pivot_raises_attention_and_undoes_nothing() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let useless = town.inject("ship", Action::Acked(200));
    let saga = town.begin(Town::order(2, 500)).await?;
    attention(&town, saga, "ship", AttentionReason::Unusable).await?;
    useless.assert_fired(1);
    assert_effects(&town, saga, &all(before("ship"), Effects::DONE)).await?;
    town.audit().await
}

/// Waits until the saga has raised attention at this step, for this reason.
async fn attention(town: &Town, saga: uuid::Uuid, step: &str, reason: AttentionReason) -> Result<()> {
    let client = town.client()?;
    let raised = until("attention", Duration::from_secs(20), async || {
        let view = client.saga(saga, Some(Duration::from_secs(2))).await?;
        assert!(!view.status.is_terminal(), "it must wait for a person: {view:#?}");
        Ok(view.attention.first().cloned())
    })
    .await?;
    assert_eq!((raised.step.as_str(), raised.reason), (step, reason));
    Ok(())
}
