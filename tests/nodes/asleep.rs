//! Sagas that only wait are in nobody's memory, and are woken all the same.

use std::time::Duration;

use amends_client::Signal;
use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::Event,
    cluster::Cluster,
    proxy::{Action, Injected, Rule},
    town::{Plan, Town},
    wait::until,
    words::{self, Op},
};
use anyhow::{Context, Result};
use serde_json::json;
use uuid::Uuid;

use crate::measure::{Times, between, due_at, hand_overs};

const SOON: Duration = Duration::from_secs(20);
/// Whatever waits longer than a second sleeps.
const SLEEPY: &str = "[limits]\nrelease_after = \"1s\"\n";
/// How late somebody may be woken.
const LATE: Duration = Duration::from_secs(1);

/// The first charge of each saga fails, and the next one is due a good while later.
fn busy(cluster: &Cluster) -> Injected {
    cluster.inject_rule("charge", Rule::action_of("charge", Action::Status(503, String::new())).attempts(1..=1))
}

async fn asleep(cluster: &Cluster, sagas: &[Uuid]) -> Result<()> {
    until("they sleep", SOON, async || {
        let live = cluster.live().await?;
        Ok(sagas.iter().all(|saga| live.iter().any(|(id, owner, _)| id == saga && owner.is_none())).then_some(()))
    })
    .await
}

async fn asleep_from_one_node(cluster: &Cluster, number: usize) -> Result<Vec<Uuid>> {
    let sagas = cluster.begin_many(0, number, Town::order(1, 100)).await?;
    asleep(cluster, &sagas).await?;
    Ok(sagas)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_that_waits_leaves_memory_and_is_woken_on_time_even_if_its_node_is_dead() -> Result<()> {
    let mut cluster = Cluster::start(Plan::orders().patient().with_backoff("6s"), SLEEPY).await?;
    let busy = busy(&cluster);
    let sagas = asleep_from_one_node(&cluster, 20).await?;
    busy.assert_fired(20);
    until("it is out of memory", SOON, async || Ok((cluster.gauge(0, "amends_sagas_live").await? < 0.5).then_some(())))
        .await?;
    cluster.nodes[0].kill().await?;
    let first_due = async {
        let mut first = i64::MAX;
        for saga in &sagas {
            first = first.min(due_at(&cluster.journal(*saga).await?).context("it waits for something")?);
        }
        anyhow::Ok(first)
    };
    assert!(first_due.await? > words::now(), "its node was dead before the first was due");
    cluster.at_rest().await?;
    let mut late = Vec::new();
    for saga in &sagas {
        let journal = cluster.journal(*saga).await?;
        let woken = journal.iter().position(|row| row.event == Event::Adopted).context("somebody woke it")?;
        let due = due_at(&journal[..woken]).context("it waited for something")?;
        assert!(journal[woken].at >= due, "saga {saga}: not before it was due");
        late.extend(hand_overs(&journal));
        let sent = cluster.wire(*saga, "charge", Op::Action);
        assert_eq!(sent.iter().map(|sent| (sent.attempt, sent.epoch)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
        late.push(between(due, sent[1].arrived_at));
    }
    Times::of(late).assert_p99("from when it was due to its being woken, and to its call", LATE, 40);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_at_any_node_wakes_a_saga_that_sleeps() -> Result<()> {
    let cluster = Cluster::start(Plan::orders().patient().with_backoff("60s"), SLEEPY).await?;
    let busy = busy(&cluster);
    let sagas = asleep_from_one_node(&cluster, 3).await?;
    busy.assert_fired(3);
    for (node, saga) in sagas.iter().enumerate() {
        let asked_at = words::now();
        let cancelled = cluster.client(node)?.cancel(*saga, None).await?;
        assert!(
            matches!(cancelled.status, SagaStatus::Compensating | SagaStatus::Compensated),
            "node {node}: somebody woke it and judged: {cancelled:#?}"
        );
        assert_eq!(cluster.ended(node, *saga).await?.status, SagaStatus::Compensated);
        let journal = cluster.journal(*saga).await?;
        let woken = journal.iter().find(|row| row.event == Event::Adopted).context("somebody woke it")?;
        assert!(between(asked_at, woken.at) < Duration::from_secs(2), "long before its retry was due");
    }
    cluster.at_rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_at_any_node_wakes_a_saga_that_awaits_it() -> Result<()> {
    let cluster = Cluster::start(Plan::approvals().patient(), SLEEPY).await?;
    let sagas = cluster.begin_many(0, 3, Town::order(1, 60_000)).await?;
    asleep(&cluster, &sagas).await?;
    for (node, saga) in sagas.iter().enumerate() {
        let client = cluster.client(node)?;
        let signal = |name: &str| Signal {
            name: name.to_owned(),
            key: Some(format!("{saga}-{name}")),
            payload: json!({ "by": "ada" }),
        };
        client.signal(*saga, &signal("delivered")).await.context("it comes early and is kept")?;
        client.signal(*saga, &signal("approved")).await?;
        assert_eq!(cluster.ended(node, *saga).await?.status, SagaStatus::Completed, "asked at node {node}");
        let elsewhere = cluster.client((node + 1) % 3)?;
        elsewhere
            .signal(*saga, &signal("approved"))
            .await
            .context("the same signal, after the end, at another node")?;
    }
    cluster.at_rest().await
}
