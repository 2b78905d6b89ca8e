//! Families over real processes: parents and children end as one, whoever is killed when, on a file and on three nodes.

use std::time::Duration;

use amends_client::{Client, ClientError, List};
use amends_protocol::v1::{ChildStatus, SagaStatus, SagaView, StepView};
use amends_tests::{
    cluster::Cluster,
    dice::Dice,
    proxy::{Action, Rule},
    town::{CUSTOMER, Plan, Scene, Town, ended},
    wait::until,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

fn claim() -> Value {
    json!({ "customer": CUSTOMER, "policy": "p-7", "sku": "kettle", "amount": 4200 })
}

fn step<'v>(view: &'v SagaView, name: &str) -> Result<&'v StepView> {
    view.steps.iter().find(|step| step.name == name).with_context(|| format!("a step {name}"))
}

fn status_of(error: &ClientError) -> Option<u16> {
    error.problem().map(|problem| problem.status)
}

/// The child of a step, once there is one.
async fn child(client: &Client, saga: Uuid, of: &str) -> Result<SagaView> {
    let id = until("there is a child", SOON, async || {
        let view = client.saga(saga, None).await?;
        let known = step(&view, of)?.children.as_ref().context("it runs children")?.sagas.first().cloned();
        Ok(known.filter(|known| known.version.is_some()).map(|known| known.id))
    })
    .await?;
    until("it is made", SOON, async || match client.saga(id, None).await {
        Ok(view) => Ok(Some(view)),
        Err(error) if status_of(&error) == Some(404) => Ok(None),
        Err(error) => Err(error.into()),
    })
    .await
}

/// Every saga of these families has ended, each family in one way.
async fn end_as_one(scene: &Scene, client: &Client, roots: &[Uuid]) -> Result<[usize; 2]> {
    let (mut completed, mut compensated) = (0, 0);
    for root in roots {
        let status = ended(client, *root).await?.status;
        match status {
            SagaStatus::Completed => completed += 1,
            SagaStatus::Compensated => compensated += 1,
            other => anyhow::bail!("{root} is {other}"),
        }
        for of_family in scene.family(*root).await? {
            let view = ended(client, of_family).await?;
            assert_eq!(view.status, status, "{of_family} of the family of {root}: {view:#?}");
        }
    }
    Ok([completed, compensated])
}

#[tokio::test]
async fn a_family_knows_each_other_by_their_views() -> Result<()> {
    let town = Town::start(Plan::claims()).await?;
    let client = town.client()?;
    let held = town.inject_rule("ship", Rule::action_of("ship", Action::Delay(Duration::from_millis(1500))));
    let saga = town.begin(claim()).await?;
    let replacing = child(&client, saga, "replace").await?;
    let parent = replacing.parent.context("it is a child")?;
    assert_eq!((parent.id, parent.step.as_str(), parent.index), (saga, "replace", None));
    // The first is done by now, and nobody but its parent undoes it.
    let paying = child(&client, saga, "pay").await?;
    assert_eq!(paying.status, SagaStatus::Succeeded);
    let refused = client.cancel(paying.id, None).await;
    assert_eq!(refused.as_ref().err().and_then(status_of), Some(409), "{refused:?}");
    let view = town.ended(saga).await?;
    assert!(held.fired() > 0);
    assert_eq!(view.status, SagaStatus::Completed);
    for name in ["pay", "replace"] {
        let children = &step(&view, name)?.children.as_ref().context("it runs children")?.sagas;
        assert_eq!(children.iter().map(|child| child.status).collect::<Vec<_>>(), [ChildStatus::Completed]);
    }
    let listed = client.sagas(&List { parent: Some(saga), ..List::default() }).await?;
    let mut ids: Vec<Uuid> = listed.items.iter().map(|item| item.id).collect();
    assert!(listed.items.iter().all(|item| item.parent == Some(saga)));
    ids.sort();
    let mut expected = vec![paying.id, replacing.id];
    expected.sort();
    assert_eq!(ids, expected);
    end_as_one(&town, &client, &[saga]).await?;
    town.audit().await
}

#[tokio::test]
async fn a_cancel_reaches_the_child_that_runs_and_undoes_the_one_that_ran() -> Result<()> {
    let town = Town::start(Plan::claims()).await?;
    let client = town.client()?;
    let delay = Action::Delay(Duration::from_millis(1500));
    let held = town.inject_rule("transfer", Rule::action_of("transfer", delay));
    let saga = town.begin(claim()).await?;
    child(&client, saga, "pay").await?;
    client.cancel(saga, Some("withdrawn".to_owned())).await?;
    assert_eq!(end_as_one(&town, &client, &[saga]).await?, [0, 1]);
    assert!(held.fired() <= 1);
    town.audit().await
}

/// The orchestrator is killed again and again while families are under way in all their stages.
#[tokio::test]
async fn kills_at_any_moment_leave_no_family_torn() -> Result<()> {
    let mut dice = Dice::asked();
    let seed = dice.seed;
    let mut town = Town::start(Plan::claims().patient()).await?;
    // Some families fail in the first child, some in the second, most go well.
    town.inject_rule("transfer", Rule::action_of("transfer", Action::Acked(402)).attempts(1..=1).chance(0.15, seed));
    town.inject_rule(
        "ship",
        Rule::action_of("ship", Action::Acked(409)).attempts(1..=1).chance(0.2, seed.wrapping_add(1)),
    );
    town.inject_rule("book", Rule::action_of("book", Action::CutAfterRequest).chance(0.2, seed.wrapping_add(2)));
    let mut roots = Vec::new();
    for round in 0..8 {
        for _ in 0..6 {
            roots.push(town.begin(claim()).await?);
        }
        tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
        town.crash().await.with_context(|| format!("round {round}, seed {seed}"))?;
    }
    let client = town.client()?;
    let [completed, compensated] = end_as_one(&town, &client, &roots).await.with_context(|| format!("seed {seed}"))?;
    eprintln!("{completed} completed, {compensated} compensated");
    assert!(completed > 0 && compensated > 0, "seed {seed}: {completed} and {compensated}");
    until("nothing is under way", SOON, async || Ok(town.wire_is_quiet().then_some(()))).await?;
    town.audit().await.with_context(|| format!("seed {seed}"))
}

/// Children are driven by whoever has a place; one of three nodes is killed, and later another.
#[tokio::test(flavor = "multi_thread")]
async fn families_over_three_nodes_outlive_the_death_of_two() -> Result<()> {
    let seed = Dice::asked().seed;
    let mut cluster = Cluster::start(Plan::claims().patient(), "").await?;
    cluster.inject_rule("ship", Rule::action_of("ship", Action::Acked(409)).attempts(1..=1).chance(0.3, seed));
    let mut roots = Vec::new();
    for node in 0..3 {
        roots.extend(cluster.begin_many(node, 10, claim()).await?);
    }
    cluster.nodes[0].kill().await?;
    roots.extend(cluster.begin_many(1, 10, claim()).await?);
    cluster.nodes[1].kill().await?;
    let client = cluster.client(2)?;
    let [completed, compensated] =
        end_as_one(&cluster, &client, &roots).await.with_context(|| format!("seed {seed}"))?;
    eprintln!("{completed} completed, {compensated} compensated");
    assert!(completed > 0 && compensated > 0, "seed {seed}: {completed} and {compensated}");
    until("nothing is under way", SOON, async || Ok(cluster.wire_is_quiet().then_some(()))).await?;
    cluster.audit().await.with_context(|| format!("seed {seed}"))
}
