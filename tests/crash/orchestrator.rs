//! The orchestrator dies, and what it had acknowledged or begun goes on.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::{Event, Recorded},
    process,
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::{until, until_true},
    words::Op,
};
use anyhow::Result;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_acknowledged_start_survives_a_kill_right_after_it() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    let mut sagas = Vec::new();
    for _ in 0..5 {
        for _ in 0..4 {
            sagas.push(town.begin(Town::order(1, 100)).await?);
        }
        town.crash().await?;
    }
    for saga in sagas {
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    }
    town.audit().await
}

#[tokio::test]
async fn a_kill_with_a_call_in_flight_at_any_step_leaves_one_effect() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    for step in ["open", "reserve", "charge", "ship", "confirm"] {
        let slow = Action::Delay(Duration::from_millis(300));
        let slow = town.inject_rule(step, Rule::action_of(step, slow).attempts(1..=1));
        let saga = town.begin(Town::order(1, 100)).await?;
        until_true("the call is in flight", SOON, || slow.fired() == 1).await?;
        town.crash().await?;
        town.heal();
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed, "{step}");
        let attempts: Vec<_> = town.wire(saga, step, Op::Action).iter().map(|r| (r.attempt, r.epoch)).collect();
        assert_eq!(attempts, [(1, 1), (2, 2)], "{step}: the next owner asks again");
        let journal = town.journal(saga).await?;
        assert!(journal.iter().any(|row| row.event == Event::Adopted), "{step}: it was adopted");
    }
    town.audit().await
}

#[tokio::test]
async fn a_second_kill_while_recovering_at_any_step_leaves_one_effect() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    for step in ["open", "reserve", "charge", "ship", "confirm"] {
        let lost = town.inject_rule(step, Rule::action_of(step, Action::Blackhole).attempts(1..=2));
        let saga = town.begin(Town::order(1, 100)).await?;
        for kill in 1..=2 {
            until_true("the call is in flight", SOON, || lost.fired() == kill).await?;
            town.crash().await?;
        }
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed, "{step}");
        town.heal();
        let attempts: Vec<_> = town.wire(saga, step, Op::Action).iter().map(|r| (r.attempt, r.epoch)).collect();
        assert_eq!(attempts, [(1, 1), (2, 2), (3, 3)], "{step}");
    }
    town.audit().await
}

#[tokio::test]
async fn a_kill_while_a_retry_waits_leaves_it_waiting_and_makes_nothing_unknown() -> Result<()> {
    let slow_retry = Plan::orders()
        .definition
        .replace("backoff: 20ms", "backoff: 3s")
        .replace("max_backoff: 200ms", "max_backoff: 3s");
    let mut town = Town::start(Plan::orders().with_definition(&slow_retry)).await?;
    let away =
        town.inject_rule("charge", Rule::action_of("charge", Action::Status(503, String::new())).attempts(1..=1));
    let saga = town.begin(Town::order(1, 100)).await?;
    until_true("the first attempt failed", SOON, || away.fired() == 1).await?;
    let waits =
        |row: &Recorded| matches!(&row.event, Event::CallIntended { call, attempt: 2, .. } if call.step == "charge");
    until("its retry is intended", SOON, async || Ok(town.journal(saga).await?.iter().any(waits).then_some(())))
        .await?;
    town.crash().await?;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    let attempts: Vec<_> = town.wire(saga, "charge", Op::Action).iter().map(|r| (r.attempt, r.epoch)).collect();
    assert_eq!(attempts, [(1, 1), (2, 2)], "the retry that was never sent is the next owner's");
    let unknown = town.journal(saga).await?.iter().filter(|row| matches!(row.event, Event::CallUnknown { .. })).count();
    assert_eq!(unknown, 1, "only the first attempt");
    town.audit().await
}

#[tokio::test]
async fn a_kill_with_a_compensation_in_flight_at_any_step_leaves_one_undoing() -> Result<()> {
    let mut town = Town::start(Plan::orders()).await?;
    for step in ["charge", "reserve", "open"] {
        let slow = Action::Delay(Duration::from_millis(300));
        let slow = town.inject_rule(step, Rule::compensation_of(step, slow).attempts(1..=1));
        let mut order = Town::order(1, 100);
        order["address"] = "unknown".into();
        let saga = town.begin(order).await?;
        until_true("the compensation is in flight", SOON, || slow.fired() == 1).await?;
        town.crash().await?;
        town.heal();
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Compensated, "{step}");
        assert_eq!(town.wire(saga, step, Op::Compensate).len(), 2, "{step}: the next owner asks again");
        assert_eq!(town.undone(saga).await?, ["charge", "reserve", "open"]);
    }
    town.audit().await
}

#[tokio::test]
async fn a_late_call_of_a_dead_owner_is_fenced_off() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    let held = town.inject_rule("charge", Rule::action_of("charge", Action::Hold { lost: true }).attempts(1..=1));
    let first = town.inject_rule("charge", Rule::action_of("charge", Action::Blackhole).attempts(2..=2));
    let saga = town.begin(Town::order(1, 100)).await?;
    until_true("the second attempt is in flight", SOON, || first.fired() == 1).await?;
    town.crash().await?;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    held.assert_fired(1);
    let answers = town.service("payments").proxy.release().await?;
    assert_eq!((answers.len(), answers[0].status), (1, 409), "{answers:?}");
    assert_eq!(answers[0].refused.as_deref(), Some("stale-epoch"), "{answers:?}");
    town.audit().await
}

#[tokio::test]
async fn a_second_orchestrator_on_the_same_file_is_refused_and_says_why() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let (status, said) = process::run(&town.second_orchestrator(), &["--listen", "127.0.0.1:0"]).await?;
    assert!(!status.success(), "{status}");
    assert!(said.contains("amends.db"), "it names the file: {said}");
    assert!(said.contains("is being served by process"), "it says who has it: {said}");
    town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    town.audit().await
}
