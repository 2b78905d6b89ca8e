//! Services that cannot be reached.

use std::time::Duration;

use amends_protocol::v1::{SagaStatus, StepStatus};
use amends_tests::{
    audit::journal::Event,
    proxy::{Action, Door},
    town::{Effects, Plan, Town},
    wait::until,
    words::Op,
};
use anyhow::Result;
use uuid::Uuid;

use crate::{STEPS, all, assert_effects, before, outcomes};

/// How many attempts of this step's action were not sent, by the journal.
async fn not_sent(town: &Town, saga: Uuid, step: &str) -> Result<usize> {
    Ok(outcomes(town, saga, step).await?.iter().filter(|outcome| **outcome == "not sent").count())
}

#[tokio::test]
async fn a_step_whose_service_refuses_connections_is_not_sent_and_not_compensated() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for step in ["open", "reserve", "charge", "ship"] {
        let proxy = &town.service(&town.service_of(step)).proxy;
        proxy.set_door(Door::Closed).await;
        let saga = town.run(Town::order(2, 500), SagaStatus::Compensated).await?;
        proxy.set_door(Door::Open).await;
        assert_eq!(not_sent(&town, saga.id, step).await?, 3, "{step}: the fault was there");
        let failed = saga.steps.iter().find(|view| view.name == step).expect("it has this step");
        assert_eq!(failed.status, StepStatus::Failed, "{step} was never sent");
        assert!(town.wire(saga.id, step, Op::Compensate).is_empty(), "{step} has nothing to undo");
        assert_effects(&town, saga.id, &all(before(step), Effects::UNDONE)).await?;
    }
    town.audit().await
}

#[tokio::test]
async fn a_service_that_comes_back_in_time_finishes_the_saga() -> Result<()> {
    let town = Town::start(Plan::orders().patient()).await?;
    for step in ["reserve", "charge", "ship"] {
        let proxy = &town.service(&town.service_of(step)).proxy;
        proxy.set_door(Door::Closed).await;
        let saga = town.begin(Town::order(2, 500)).await?;
        until("two attempts that were not sent", Duration::from_secs(20), async || {
            Ok((not_sent(&town, saga, step).await? >= 2).then_some(()))
        })
        .await?;
        proxy.set_door(Door::Open).await;
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed, "{step}");
        assert_effects(&town, saga, &all(&STEPS, Effects::DONE)).await?;
    }
    town.audit().await
}

#[tokio::test]
async fn a_connection_that_is_reset_before_a_byte_is_read_is_undone_exactly_if_it_may_have_carried_the_call()
-> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let payments = &town.service("payments").proxy;
    payments.set_door(Door::Resetting).await;
    let saga = town.begin(Town::order(2, 500)).await?;
    // Its compensation needs the service back.
    until("the charge is given up", Duration::from_secs(20), async || {
        let journal = town.journal(saga).await?;
        Ok(journal.iter().any(|row| matches!(row.event, Event::CompensationStarted { .. })).then_some(()))
    })
    .await?;
    payments.set_door(Door::Open).await;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Compensated);
    assert!(payments.connections() >= 3, "the fault was there");
    // The reset may arrive before the first byte is written (then nothing left) or after it: the journal knows which.
    let unsent = not_sent(&town, saga, "charge").await?;
    assert!(unsent <= 3, "three attempts");
    let mut effects = all(before("charge"), Effects::UNDONE);
    if unsent < 3 {
        effects.push(("charge", Effects::NULL));
    }
    assert_effects(&town, saga, &effects).await?;
    town.audit().await
}

#[tokio::test]
async fn a_service_that_says_nothing_holds_up_no_saga_that_does_not_need_it() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let silent = town.inject("ship", Action::Blackhole);
    let stuck = town.begin(Town::order(2, 500)).await?;
    until("the pivot is stuck", Duration::from_secs(10), async || Ok((silent.fired() > 0).then_some(()))).await?;
    for _ in 0..3 {
        town.run(crate::order_rejected_at("charge"), SagaStatus::Compensated).await?;
    }
    town.heal();
    assert_eq!(town.ended(stuck).await?.status, SagaStatus::Completed);
    town.audit().await
}
