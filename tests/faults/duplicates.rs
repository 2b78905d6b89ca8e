//! Networks that deliver more than once.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    proxy::{Action, Injected, Rule},
    town::{Effects, Plan, Town},
    wait::until_true,
};
use anyhow::Result;

use crate::{BEFORE_PIVOT, STEPS, all, assert_effects, order_rejected_at};

/// Every request of every service suffers this.
fn everywhere(town: &Town, action: &Action) -> Vec<Injected> {
    town.services.values().map(|service| service.proxy.inject(Rule::every(action.clone()))).collect()
}

async fn everything_is_delivered(copies: u32, at_once: bool) -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let faults = everywhere(&town, &Action::Duplicate { copies, at_once });
    let done = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
    assert_effects(&town, done.id, &all(&STEPS, Effects::DONE)).await?;
    let undone = town.run(order_rejected_at("ship"), SagaStatus::Compensated).await?;
    assert_effects(&town, undone.id, &all(&BEFORE_PIVOT, Effects::UNDONE)).await?;
    faults.iter().for_each(|fault| fault.assert_fired_at_least(2));
    for request in town.services.values().flat_map(|service| service.proxy.log()) {
        assert_eq!(request.copies.len(), copies as usize, "{}", request.call);
    }
    town.audit().await
}

#[tokio::test]
async fn every_call_delivered_twice_has_one_effect() -> Result<()> {
    everything_is_delivered(2, false).await
}

#[tokio::test]
async fn every_call_delivered_five_times_at_once_has_one_effect() -> Result<()> {
    everything_is_delivered(5, true).await
}

#[tokio::test]
async fn copies_of_every_call_that_come_later_change_nothing() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let after = Duration::from_millis(150);
    let faults = everywhere(&town, &Action::ReplayLate { after, lost: false });
    let done = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
    let undone = town.run(order_rejected_at("ship"), SagaStatus::Compensated).await?;
    faults.iter().for_each(|fault| fault.assert_fired_at_least(2));
    until_true("the last copy has been answered", Duration::from_secs(10), || {
        town.services.values().all(|service| service.proxy.late() == 0)
    })
    .await?;
    let log = || town.services.values().flat_map(|service| service.proxy.log());
    assert!(log().all(|request| request.copies.len() == 2 && request.copies.iter().all(|copy| copy.answer.is_some())));
    assert_effects(&town, done.id, &all(&STEPS, Effects::DONE)).await?;
    assert_effects(&town, undone.id, &all(&BEFORE_PIVOT, Effects::UNDONE)).await?;
    town.audit().await
}
