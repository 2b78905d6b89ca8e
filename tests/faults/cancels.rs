//! Somebody changes their mind.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    proxy::Action,
    town::{Effects, Plan, Town},
    wait::until_true,
    words::Op,
};
use anyhow::Result;

use crate::{STEPS, all, assert_effects};

const SOON: Duration = Duration::from_secs(10);
const SLOW: Action = Action::Delay(Duration::from_millis(400));

#[tokio::test]
async fn a_cancel_before_the_pivot_undoes_what_was_done_and_what_is_in_flight() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let slow = town.inject("charge", SLOW);
    let saga = town.begin(Town::order(2, 500)).await?;
    until_true("the charge is in flight", SOON, || slow.fired() == 1).await?;
    let client = town.client()?;
    for _ in 0..3 {
        client.cancel(saga, Some("changed my mind".to_owned())).await?;
    }
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Compensated);
    assert!(town.wire(saga, "ship", Op::Action).is_empty(), "nothing new was started");
    assert_effects(&town, saga, &all(&["open", "reserve", "charge"], Effects::UNDONE)).await?;
    town.audit().await
}

#[tokio::test]
async fn a_cancel_after_the_pivot_was_sent_is_refused_and_the_saga_completes() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let slow = town.inject("ship", SLOW);
    let saga = town.begin(Town::order(2, 500)).await?;
    until_true("the pivot is in flight", SOON, || slow.fired() == 1).await?;
    let error = town.client()?.cancel(saga, None).await.expect_err("refused");
    assert_eq!(error.problem().map(|problem| problem.status), Some(409), "{error}");
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    assert_effects(&town, saga, &all(&STEPS, Effects::DONE)).await?;
    town.audit().await
}
