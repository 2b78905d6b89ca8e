//! Calls that are accepted now and decided later, over files and over many nodes: no kill loses a verdict, or makes one.

mod nodes;

use std::time::Duration;

use amends_client::ClientError;
use amends_protocol::{
    participant::CallbackToken,
    problem::ProblemType,
    v1::{AttemptOutcome, CallbackRequest, SagaStatus, StepStatus},
};
use amends_tests::{
    audit::journal::Event,
    proxy::{Action, Rule},
    town::{Effects, Plan, Scene, Town},
    wait::until,
    words::{self, Op},
};
use anyhow::{Context, Result};
use serde_json::json;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);

fn booked() -> CallbackRequest {
    CallbackRequest::Succeeded { body: json!({ "tracking": "told-by-the-test" }) }
}

fn refused() -> CallbackRequest {
    CallbackRequest::Rejected { reason: Some("no driver".to_owned()) }
}

/// Nobody but the test calls back.
fn never() -> Plan {
    Plan::later("36h").patient()
}

async fn waits(town: &Town, saga: Uuid) -> Result<()> {
    until("it waits for the carrier", SOON, async || {
        let view = town.client()?.saga(saga, None).await?;
        Ok(view.steps.iter().any(|step| step.name == "ship" && step.status == StepStatus::Waiting).then_some(()))
    })
    .await
}

/// The token, as soon as shipping has it.
async fn token(scene: &Scene, saga: Uuid) -> Result<CallbackToken> {
    until("shipping has accepted", SOON, async || scene.token(saga, "ship").await).await
}

async fn count(town: &Town, saga: Uuid, wanted: impl Fn(&Event) -> bool) -> Result<usize> {
    Ok(town.journal(saga).await?.iter().filter(|row| wanted(&row.event)).count())
}

fn is_problem(answer: Result<(), ClientError>, status: u16, kind: ProblemType) {
    let Err(ClientError::Problem { problem, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!((problem.status, problem.problem_type()), (status, Some(kind)));
}

#[tokio::test]
async fn a_kill_between_the_202_and_the_callback_loses_neither() -> Result<()> {
    let mut town = Town::start(Plan::later("6s").patient()).await?;
    let saga = town.begin(Town::order(1, 100)).await?;
    waits(&town, saga).await?;
    town.crash().await?;
    waits(&town, saga).await?;
    // Shipping books and calls back while nobody is there, again and again.
    town.orchestrator.kill().await?;
    until("it is booked", SOON, async || {
        let told = town.effects(saga).await?;
        Ok((told.get("ship") == Some(&Effects::DONE) && is_booked(&town).await?).then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    town.orchestrator.restart().await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Completed);
    let ship = view.steps.iter().find(|step| step.name == "ship").context("there")?;
    let attempts = &ship.action.as_ref().context("it calls")?.attempts;
    assert_eq!((attempts.len(), attempts[0].called_back), (1, true), "what was accepted is not asked for again");
    assert_eq!(count(&town, saga, |event| matches!(event, Event::CallbackReceived { .. })).await?, 1);
    until("shipping was heard", SOON, async || Ok(town.token(saga, "ship").await?.is_none().then_some(()))).await?;
    town.audit().await
}

/// Shipping has finished what it accepted.
async fn is_booked(town: &Town) -> Result<bool> {
    let http = reqwest::Client::builder().no_proxy().timeout(SOON).build()?;
    let url = format!("http://{}/shipments", town.service("shipping").process.address());
    let shipments: Vec<serde_json::Value> = http.get(url).send().await?.error_for_status()?.json().await?;
    Ok(!shipments.is_empty())
}

#[tokio::test]
async fn a_callback_that_was_acknowledged_outlives_a_kill_right_after_it() -> Result<()> {
    let mut town = Town::start(never()).await?;
    for round in 0..3 {
        let saga = town.begin(Town::order(1, 100)).await?;
        let token = token(&town, saga).await?;
        if round == 0 {
            waits(&town, saga).await?;
        }
        town.client()?.call_back(&token, &booked()).await?;
        town.crash().await.with_context(|| format!("round {round}"))?;
        town.client()?.call_back(&token, &booked()).await.context("its answer may have been lost: it is told again")?;
        is_problem(town.client()?.call_back(&token, &refused()).await, 409, ProblemType::OtherVerdict);
        let view = town.ended(saga).await?;
        assert_eq!(view.status, SagaStatus::Completed);
        assert_eq!(view.output.context("it has an output")?["tracking"], "told-by-the-test");
        town.client()?.call_back(&token, &booked()).await.context("the same answer, also after the end")?;
        assert_eq!(count(&town, saga, |event| matches!(event, Event::CallbackReceived { .. })).await?, 1);
    }
    town.audit().await
}

#[tokio::test]
async fn a_callback_that_comes_before_the_202_is_written_down_counts() -> Result<()> {
    let mut town = Town::start(never().with_backoff("4s")).await?;
    let lost = town.inject_rule("ship", Rule::action_of("ship", Action::CutAfterRequest));
    let saga = town.begin(Town::order(1, 100)).await?;
    let token = token(&town, saga).await?;
    town.client()?.call_back(&token, &booked()).await?;
    town.crash().await?;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    lost.assert_fired(1);
    assert_eq!(count(&town, saga, |event| matches!(event, Event::CallAccepted { .. })).await?, 0, "it was never heard");
    assert_eq!(town.wire(saga, "ship", Op::Action).len(), 1, "and never asked for again");
    town.audit().await
}

#[tokio::test]
async fn a_202_whose_reply_is_lost_is_asked_for_again_with_the_same_token() -> Result<()> {
    let mut town = Town::start(never()).await?;
    let lost = town.inject_rule("ship", Rule::action_of("ship", Action::CutAfterRequest).attempts(1..=2));
    let saga = town.begin(Town::order(1, 100)).await?;
    let token = token(&town, saga).await?;
    waits(&town, saga).await?;
    lost.assert_fired(2);
    town.crash().await?;
    assert_eq!(town.token(saga, "ship").await?.as_ref(), Some(&token), "under every attempt and owner");
    town.client()?.call_back(&token, &booked()).await?;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    town.audit().await
}

#[tokio::test]
async fn a_callback_that_never_comes_leaves_the_step_unresolved_and_it_is_undone_by_the_next_process() -> Result<()> {
    let short = never().definition.replace("timeout: 2d", "timeout: 4s");
    let mut town = Town::start(never().with_definition(&short)).await?;
    let saga = town.begin(Town::order(1, 100)).await?;
    waits(&town, saga).await?;
    let token = token(&town, saga).await?;
    town.orchestrator.kill().await?;
    let accepted = |event: &Event| match event {
        Event::CallAccepted { until, .. } => Some(*until),
        _ => None,
    };
    let over = town.journal(saga).await?.iter().find_map(|row| accepted(&row.event)).context("it is accepted")?;
    until("its time is over", SOON, async || Ok((words::now() > over).then_some(()))).await?;
    town.orchestrator.restart().await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Compensated);
    let ship = view.steps.iter().find(|step| step.name == "ship").context("there")?;
    assert_eq!(ship.action.as_ref().context("it calls")?.attempts[0].outcome, Some(AttemptOutcome::Unknown));
    assert_eq!(town.undone(saga).await?, ["ship", "charge", "reserve", "open"]);
    is_problem(town.client()?.call_back(&token, &booked()).await, 410, ProblemType::SagaEnded);
    assert_eq!(town.token(saga, "ship").await?, None, "the tombstone took it: shipping has nothing to tell");
    assert!(!is_booked(&town).await?);
    town.audit().await
}

#[tokio::test]
async fn a_no_in_the_end_is_told_by_the_participant_and_nothing_of_it_is_undone_twice() -> Result<()> {
    let mut town = Town::start(Plan::later("3s").patient()).await?;
    let mut order = Town::order(1, 100);
    order["address"] = "unknown".into();
    let saga = town.begin(order).await?;
    waits(&town, saga).await?;
    town.crash().await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Compensated);
    let cause = view.cause.context("a cause")?.summary;
    assert_eq!(cause, "ship was rejected by shipping: address: nobody delivers there");
    assert_eq!(town.wire(saga, "ship", Op::Compensate).len(), 0, "a definite no leaves nothing to undo");
    assert_eq!(town.effects(saga).await?["ship"], Effects::UNDONE);
    town.audit().await
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_what_is_accepted_and_shipping_books_nothing_any_more() -> Result<()> {
    let town = Town::start(Plan::later("4s").patient()).await?;
    let saga = town.begin(Town::order(1, 100)).await?;
    waits(&town, saga).await?;
    town.client()?.cancel(saga, None).await?;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Compensated);
    // Long past the time at which it would have been booked.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert!(!is_booked(&town).await?);
    assert_eq!(town.effects(saga).await?["ship"], Effects::UNDONE);
    town.audit().await
}

/// A canary: everybody logs all there is, and the token, which stands in a file of shipping's, stands nowhere else.
#[tokio::test]
async fn the_token_is_in_no_log_no_journal_and_no_answer() -> Result<()> {
    let mut town = Town::start(never().talkative()).await?;
    let lost = town.inject_rule("ship", Rule::action_of("ship", Action::CutAfterRequest).attempts(1..=1));
    let saga = town.begin(Town::order(1, 100)).await?;
    let token = token(&town, saga).await?;
    waits(&town, saga).await?;
    lost.assert_fired(1);
    town.client()?.call_back(&token, &booked()).await?;
    is_problem(town.client()?.call_back(&token, &refused()).await, 409, ProblemType::OtherVerdict);
    let view = town.ended(saga).await?;
    let history = town.client()?.history(saga, None, Some(200)).await?;
    town.orchestrator.kill().await?;
    let said = format!("{}{}", serde_json::to_string(&view)?, serde_json::to_string(&history)?);
    let stored = String::from_utf8_lossy(&town.stored()?).into_owned();
    let logs = town.logs()?;
    assert!(logs.contains(&saga.to_string()) && logs.contains("DEBUG"), "there is something to find it in");
    assert!(stored.contains("callback_received") && said.contains("callback_received"));
    let (_, proof) = token.expose().split_once('.').context("a proof")?;
    for (what, text) in [("logs", &logs), ("answers", &said), ("store", &stored)] {
        assert!(!text.contains(proof), "the token is in the {what}");
    }
    town.audit().await
}
