//! What must not be sent twice, over a file and over a server: whatever is lost and whoever dies, one effect, and never sent again
//! before it was said that there is none.

use std::time::Duration;

use amends_protocol::v1::{ProbeVerdict, SagaStatus, SagaView};
use amends_tests::{
    audit::journal::{Event, Probed},
    cluster::Cluster,
    proxy::{Action, Rule},
    town::{Effects, Plan, Town},
    wait::{until, until_true},
    words::Op,
};
use anyhow::{Context, Result};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);
const ONE: Effects = Effects { applied: 1, undone: 0, null: 0 };

/// What was found out by asking after the first attempt.
fn verdicts(view: &SagaView) -> Result<Vec<ProbeVerdict>> {
    let pay = view.steps.iter().find(|step| step.name == "pay").and_then(|step| step.action.as_ref());
    let first = pay.and_then(|call| call.attempts.first()).context("it was called")?;
    Ok(first.probes.iter().map(|probe| probe.verdict).collect())
}

async fn sent(town: &Town, saga: Uuid) -> usize {
    town.wire(saga, "pay", Op::Action).len()
}

async fn is_asked_after(town: &Town, saga: Uuid) -> Result<()> {
    until("it is asked after", SOON, async || {
        let asked = |event: &Event| matches!(event, Event::CallProbed { verdict: Probed::NotAppliedYet, .. });
        Ok(town.journal(saga).await?.iter().any(|row| asked(&row.event)).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_and_nothing_is_sent_again() -> Result<()> {
    let town = Town::start(Plan::payments()).await?;
    let lost = town.inject("pay", Action::CutAfterRequest);
    let view = town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    lost.assert_fired(1);
    assert_eq!(verdicts(&view)?, [ProbeVerdict::Applied]);
    assert!(view.output.context("an output")?["charge"].is_string(), "what the probe gave is the response");
    assert_eq!(sent(&town, view.id).await, 1);
    assert_eq!(town.effects(view.id).await?["pay"], ONE);
    town.audit().await
}

#[tokio::test]
async fn a_request_that_is_lost_is_sent_again_when_it_has_settled_over_any_kill() -> Result<()> {
    let mut town = Town::start(Plan::payments()).await?;
    let lost = town.inject_rule("pay", Rule::action_of("pay", Action::CutBeforeRequest).attempts(1..=1));
    let saga = town.begin(Town::order(1, 100)).await?;
    is_asked_after(&town, saga).await?;
    assert_eq!(sent(&town, saga).await, 1);
    // In the middle of settling: what is known outlives the process.
    town.crash().await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Completed);
    lost.assert_fired(1);
    assert_eq!(verdicts(&view)?, [ProbeVerdict::NotAppliedYet, ProbeVerdict::NotApplied]);
    assert_eq!(sent(&town, saga).await, 2);
    assert_eq!(town.effects(saga).await?["pay"], ONE);
    town.audit().await
}

#[tokio::test]
async fn a_kill_while_it_is_on_the_wire_makes_one_effect_of_it_although_it_arrives_later() -> Result<()> {
    let mut town = Town::start(Plan::payments()).await?;
    let late =
        town.inject_rule("pay", Rule::action_of("pay", Action::Delay(Duration::from_millis(600))).attempts(1..=1));
    let saga = town.begin(Town::order(1, 100)).await?;
    until_true("it is on the wire", SOON, || late.fired() == 1).await?;
    town.crash().await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Completed);
    assert_eq!(verdicts(&view)?.last(), Some(&ProbeVerdict::Applied));
    assert_eq!(sent(&town, saga).await, 1);
    assert_eq!(town.effects(saga).await?["pay"], ONE);
    town.audit().await
}

#[tokio::test]
async fn a_cancel_while_it_is_asked_after_undoes_what_may_have_happened() -> Result<()> {
    let mut town = Town::start(Plan::payments()).await?;
    town.inject("pay", Action::CutBeforeRequest);
    let saga = town.begin(Town::order(1, 100)).await?;
    is_asked_after(&town, saga).await?;
    town.crash().await?;
    town.client()?.cancel(saga, Some("changed my mind".to_owned())).await?;
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Compensated);
    assert_eq!(sent(&town, saga).await, 1);
    assert_eq!(town.effects(saga).await?["pay"], Effects { applied: 0, undone: 0, null: 1 });
    town.audit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_on_a_server_whose_node_is_killed_each_has_one_effect() -> Result<()> {
    const SAGAS: usize = 12;
    let mut cluster = Cluster::start(Plan::payments(), "").await?;
    let first = |action| Rule::action_of("pay", action).attempts(1..=1);
    let faults = [
        cluster.inject_rule("pay", first(Action::CutAfterRequest).nth(1..=4)),
        cluster.inject_rule("pay", first(Action::CutBeforeRequest).nth(1..=4)),
        cluster.inject_rule("pay", first(Action::Delay(Duration::from_millis(600))).nth(1..=4)),
    ];
    let sagas = cluster.begin_many(0, SAGAS, Town::order(1, 100)).await?;
    until_true("every fault has fired", SOON, || faults.iter().all(|fault| fault.fired() == 4)).await?;
    cluster.nodes[0].kill().await?;
    cluster.at_rest().await?;
    let mut sent = 0;
    for saga in sagas {
        let view = cluster.ended(1, saga).await?;
        assert_eq!(view.status, SagaStatus::Completed, "{view:#?}");
        assert_eq!(cluster.effects(saga).await?["pay"], ONE);
        sent += cluster.wire(saga, "pay", Op::Action).len();
    }
    assert_eq!(sent, SAGAS + 4, "only what was lost before it arrived is sent again");
    Ok(())
}
