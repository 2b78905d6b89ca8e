//! The process dies where the plan says, and comes back without the plan.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::Event,
    town::{Plan, Town},
    words::Op,
};
use anyhow::Result;

const SOON: Duration = Duration::from_secs(10);

/// Returns the attempts of the charge's action that its service saw.
async fn dies_at(point: &str) -> Result<Vec<u32>> {
    let mut town = Town::start(Plan::orders().patient().allowing_faults()).await?;
    town.client()?.set_faults(&format!("rules: [{{ step: charge, op: action, abort: {point} }}]\n")).await?;
    let saga = town.begin(Town::order(1, 100)).await?;
    let died = town.orchestrator.exited(SOON).await?;
    assert!(!died.success(), "{point}: {died}");
    assert!(town.orchestrator.log()?.contains("fault injected: this process dies"), "{point}: it says why");
    town.crash().await?;
    assert_eq!(town.client()?.faults().await?.rules, [], "{point}: it would die for ever");
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed, "{point}");
    let journal = town.journal(saga).await?;
    assert!(journal.iter().any(|row| row.event == Event::Adopted), "{point}: it was adopted");
    let seen = town.wire(saga, "charge", Op::Action).iter().map(|request| request.attempt).collect();
    town.audit().await?;
    Ok(seen)
}

#[tokio::test]
async fn a_process_that_dies_before_it_sends_has_sent_nothing_and_its_successor_asks_again() -> Result<()> {
    assert_eq!(dies_at("before-send").await?, [2]);
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_with_the_answer_in_hand_has_written_nothing_of_it() -> Result<()> {
    assert_eq!(dies_at("after-send").await?, [1, 2]);
    Ok(())
}
