//! The process dies where the plan says, and comes back without the plan.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::{Event, Recorded},
    town::{Plan, Town},
    words::Op,
};
use anyhow::Result;

const SOON: Duration = Duration::from_secs(10);

/// A saga whose process died once.
struct Died {
    /// What of attempts was durable then: those of actions, and what came of them.
    durable: Vec<String>,
    /// The attempts of each step's action that its service saw, before and after.
    seen: Vec<(&'static str, Vec<u32>)>,
}

/// Dies at this point of `charge`, is started again, and comes to a good end.
async fn dies_at(point: &str) -> Result<Died> {
    let mut town = Town::start(Plan::orders().patient().allowing_faults()).await?;
    town.client()?.set_faults(&format!("rules: [{{ step: charge, op: action, abort: {point} }}]\n")).await?;
    let saga = town.begin(Town::order(1, 100)).await?;
    let died = town.orchestrator.exited(SOON).await?;
    assert!(!died.success(), "{point}: {died}");
    assert!(town.orchestrator.log()?.contains("fault injected: this process dies"), "{point}: it says why");
    let durable = town.journal(saga).await?.iter().filter_map(attempt).collect();
    town.crash().await?;
    assert_eq!(town.client()?.faults().await?.rules, [], "{point}: it would die for ever");
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed, "{point}");
    let journal = town.journal(saga).await?;
    assert!(journal.iter().any(|row| row.event == Event::Adopted), "{point}: it was adopted");
    let attempts = |step| town.wire(saga, step, Op::Action).iter().map(|request| request.attempt).collect();
    let seen = ["reserve", "charge", "ship"].map(|step| (step, attempts(step))).to_vec();
    town.audit().await?;
    Ok(Died { durable, seen })
}

fn attempt(row: &Recorded) -> Option<String> {
    match &row.event {
        Event::CallIntended { call, attempt, .. } => Some(format!("{} {attempt}", call.step)),
        Event::CallSucceeded { call, attempt } => Some(format!("{} {attempt} succeeded", call.step)),
        _ => None,
    }
}

#[tokio::test]
async fn a_process_that_dies_before_it_sends_has_sent_nothing_and_its_successor_asks_again() -> Result<()> {
    let died = dies_at("before-send").await?;
    assert_eq!(died.durable[3..], ["reserve 1 succeeded", "charge 1"]);
    assert_eq!(died.seen, [("reserve", vec![1]), ("charge", vec![2]), ("ship", vec![1])]);
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_with_the_answer_in_hand_has_written_nothing_of_it() -> Result<()> {
    for point in ["after-send", "before-commit"] {
        let died = dies_at(point).await?;
        assert_eq!(died.durable[3..], ["reserve 1 succeeded", "charge 1"], "{point}");
        assert_eq!(died.seen, [("reserve", vec![1]), ("charge", vec![1, 2]), ("ship", vec![1])], "{point}");
    }
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_before_it_writes_an_intent_has_not_written_what_it_follows_from() -> Result<()> {
    let died = dies_at("before-intent").await?;
    assert_eq!(died.durable[2..], ["reserve 1"], "reserved, and nothing durable of it");
    assert_eq!(died.seen, [("reserve", vec![1, 2]), ("charge", vec![1]), ("ship", vec![1])]);
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_after_it_wrote_an_outcome_has_not_sent_what_follows_from_it() -> Result<()> {
    let died = dies_at("after-commit").await?;
    assert_eq!(died.durable[4..], ["charge 1", "charge 1 succeeded", "ship 1"]);
    assert_eq!(died.seen, [("reserve", vec![1]), ("charge", vec![1]), ("ship", vec![2])]);
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_before_a_saga_is_durable_has_acknowledged_nothing() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient().allowing_faults()).await?;
    town.client()?.set_faults("rules: [{ step: open, abort: before-intent }]\n").await?;
    let mut start = town.start_of(Town::order(1, 100));
    start.key = Some("order-1".to_owned());
    assert!(town.client()?.start(&start).await.is_err(), "nobody answers");
    assert!(!town.orchestrator.exited(SOON).await?.success());
    town.crash().await?;
    let again = town.client()?.start(&start).await?;
    assert!(!again.replayed, "it was not there: {again:?}");
    assert_eq!(town.ended(again.saga.id).await?.status, SagaStatus::Completed);
    town.audit().await
}
