//! Waits and signals over a file: what was acknowledged and what is waited for outlives any kill.

use std::time::Duration;

use amends_client::{ClientError, Signal};
use amends_protocol::{
    problem::ProblemType,
    v1::{SagaStatus, StepStatus, WaitOutcome},
};
use amends_tests::{
    audit::journal::Event,
    town::{Plan, Town},
    wait::until,
    words::{self, Op},
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);
/// From here on an order has to be approved.
const LARGE: i64 = 50_000;

fn signal(name: &str, key: &str, payload: Value) -> Signal {
    Signal { name: name.to_owned(), key: Some(key.to_owned()), payload }
}

fn approved(by: &str) -> Signal {
    signal("approved", "approval-1", json!({ "by": by }))
}

fn delivered() -> Signal {
    signal("delivered", "delivery-1", json!({ "parcel": 7 }))
}

async fn waits(town: &Town, saga: Uuid, step: &str) -> Result<()> {
    until("it waits", SOON, async || {
        let view = town.client()?.saga(saga, None).await?;
        let found = view.steps.iter().find(|found| found.name == step).context("the definition has this step")?;
        Ok((found.status == StepStatus::Waiting).then_some(()))
    })
    .await
}

async fn count(town: &Town, saga: Uuid, wanted: impl Fn(&Event) -> bool) -> Result<usize> {
    Ok(town.journal(saga).await?.iter().filter(|row| wanted(&row.event)).count())
}

#[tokio::test]
async fn a_kill_in_a_wait_loses_neither_the_wait_nor_a_signal_right_after_its_202() -> Result<()> {
    let mut town = Town::start(Plan::approvals().patient()).await?;
    let saga = town.begin(Town::order(1, LARGE)).await?;
    waits(&town, saga, "approve").await?;
    town.crash().await?;
    waits(&town, saga, "approve").await?;
    town.client()?.signal(saga, &approved("ada")).await?;
    town.crash().await?;
    town.client()?.signal(saga, &approved("ada")).await.context("its answer may have been lost: it is asked again")?;
    waits(&town, saga, "delivered").await?;
    town.crash().await?;
    town.client()?.signal(saga, &delivered()).await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Completed);
    assert_eq!(view.output.context("it has an output")?["approved_by"], "ada");
    assert_eq!(view.labels["customer"], "ada");
    assert_eq!(count(&town, saga, |event| matches!(event, Event::SignalReceived { .. })).await?, 2);
    town.audit().await
}

#[tokio::test]
async fn signals_that_come_early_are_kept_over_kills_and_taken_once() -> Result<()> {
    let mut town = Town::start(Plan::approvals().patient()).await?;
    let mut sagas = Vec::new();
    for round in 0..3 {
        let saga = town.begin(Town::order(1, LARGE)).await?;
        for early in [delivered(), approved("bob"), delivered(), approved("bob")] {
            town.client()?.signal(saga, &early).await?;
        }
        town.crash().await.with_context(|| format!("round {round}"))?;
        sagas.push(saga);
    }
    for saga in sagas {
        let view = town.ended(saga).await?;
        assert_eq!((view.status, view.labels["large"].clone()), (SagaStatus::Completed, json!(true)));
        for (step, name) in [("approve", "approved"), ("delivered", "delivered")] {
            let taken = |event: &Event| matches!(event, Event::SignalTaken { step: by, .. } if by == step);
            assert_eq!(count(&town, saga, taken).await?, 1, "{name}");
        }
        let reused = town.client()?.signal(saga, &approved("mallory")).await;
        let Err(ClientError::Problem { problem, .. }) = reused else { panic!("{reused:?}") };
        assert_eq!((problem.status, problem.problem_type()), (409, Some(ProblemType::KeyReused)));
        let late = town.client()?.signal(saga, &signal("approved", "another", json!({ "by": "bob" }))).await;
        let Err(ClientError::Problem { problem, .. }) = late else { panic!("{late:?}") };
        assert_eq!((problem.status, problem.problem_type()), (410, Some(ProblemType::SagaEnded)));
    }
    town.audit().await
}

#[tokio::test]
async fn a_wait_that_times_out_while_nobody_is_there_is_seen_by_the_next_process() -> Result<()> {
    let short = Plan::approvals().definition.replace("timeout: 2d", "timeout: 1500ms");
    let mut town = Town::start(Plan::approvals().with_definition(&short)).await?;
    let saga = town.begin(Town::order(1, LARGE)).await?;
    waits(&town, saga, "approve").await?;
    town.orchestrator.kill().await?;
    let waited = |event: &Event| match event {
        Event::AwaitStarted { until, .. } => Some(*until),
        _ => None,
    };
    let over = town.journal(saga).await?.iter().find_map(|row| waited(&row.event)).context("it waits")?;
    until("its time is over", SOON, async || Ok((words::now() > over).then_some(()))).await?;
    town.orchestrator.restart().await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Compensated);
    let approve = view.steps.iter().find(|step| step.name == "approve").context("there")?;
    assert_eq!(approve.wait.as_ref().and_then(|wait| wait.outcome), Some(WaitOutcome::TimedOut));
    assert_eq!(town.undone(saga).await?, ["reserve", "open"]);
    town.audit().await
}

#[tokio::test]
async fn a_small_order_needs_nobody_and_one_for_later_sleeps_until_then_over_a_kill() -> Result<()> {
    let mut town = Town::start(Plan::approvals().patient()).await?;
    let small = town.begin(Town::order(1, 100)).await?;
    let mut order = Town::order(1, 100);
    let ship_at = words::now() + 2_500_000;
    order["ship_at"] = chrono::DateTime::from_timestamp_micros(ship_at).context("a time")?.to_rfc3339().into();
    let later = town.begin(order).await?;
    waits(&town, later, "hold").await?;
    town.crash().await?;
    for saga in [small, later] {
        town.client()?.signal(saga, &delivered()).await?;
        let view = town.ended(saga).await?;
        assert_eq!(view.status, SagaStatus::Completed);
        let status = |name: &str| view.steps.iter().find(|step| step.name == name).map(|step| step.status);
        assert_eq!(status("approve"), Some(StepStatus::Skipped));
        assert_eq!(status("hold") == Some(StepStatus::Skipped), saga == small);
    }
    let shipped = town.wire(later, "ship", Op::Action);
    assert!(shipped[0].arrived_at >= ship_at, "not before its time: {} < {ship_at}", shipped[0].arrived_at);
    town.audit().await
}

#[tokio::test]
async fn a_cancel_ends_a_wait_at_once() -> Result<()> {
    let town = Town::start(Plan::approvals().patient()).await?;
    let saga = town.begin(Town::order(1, LARGE)).await?;
    waits(&town, saga, "approve").await?;
    town.client()?.cancel(saga, Some("changed my mind".to_owned())).await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Compensated);
    assert_eq!(town.undone(saga).await?, ["reserve", "open"]);
    town.audit().await
}
