//! A version that one node deletes is gone at all of them, also where it is still in memory; what its sagas left stays readable.

use std::time::Duration;

use amends_client::{Client, ClientError, Start};
use amends_tests::{
    cluster::Cluster,
    process,
    town::{Plan, Town},
    wait::until,
};
use anyhow::{Context, Result};
use serde_json::Value;
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(20);
const RETENTION: &str = "[retention]\nkeep = \"1s\"\nlook_every = \"100ms\"\n";
const ROUNDS: u32 = 6;

fn status_of<T>(answer: &Result<T, ClientError>) -> Option<u16> {
    answer.as_ref().err()?.problem().map(|problem| problem.status)
}

fn of_version(mut start: Start, version: u32) -> Start {
    start.request.version = Some(version);
    start
}

/// A new version, which differs in its output.
async fn register(cluster: &Cluster, client: &Client, mark: &str) -> Result<u32> {
    let text = cluster.definition().replace("output: { order: ", &format!("output: {{ {mark}: true, order: "));
    Ok(client.register(&text).await?.version)
}

async fn purged(client: &Client, saga: uuid::Uuid) -> Result<()> {
    until("retention has taken it", SOON, async || match client.saga(saga, None).await {
        Ok(view) => Ok(view.purged_at.map(|_| ())),
        gone if status_of(&gone) == Some(404) => Ok(Some(())),
        Err(error) => Err(error.into()),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_deleted_is_gone_at_every_node_that_has_it_in_memory_and_its_stubs_stay() -> Result<()> {
    let cluster = Cluster::start(Plan::orders(), RETENTION).await?;
    let clients = (0..3).map(|node| cluster.client(node)).collect::<Result<Vec<_>>>()?;
    let version = register(&cluster, &clients[0], "newer").await?;
    // So that both know it from then on.
    let passing = clients[1].start(&of_version(cluster.start_of(Town::order(1, 100)), version)).await?.saga.id;
    let late = of_version(cluster.keyed("late", Town::order(1, 100)), version);
    let kept = clients[2].start(&late).await?.saga.id;
    for (client, saga) in [(&clients[1], passing), (&clients[2], kept)] {
        purged(client, saga).await?;
    }

    assert_eq!(clients[0].delete_definition("place-order", version).await?.version, version);
    for client in &clients {
        let start = of_version(cluster.start_of(Town::order(1, 100)), version);
        assert_eq!(status_of(&client.start(&start).await), Some(404));
        let again = client.start(&late).await?;
        assert!(again.replayed && again.saga.id == kept, "a stub needs no definition");
    }

    let database = cluster.database();
    // Ends with an error if there are findings.
    process::output("amends", &["fsck", "--database", &database]).await?;
    let exported = process::output("amends", &["export", "--database", &database]).await?;
    let lines: Vec<Value> = exported.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert!(lines.iter().all(|line| line["definition"]["version"] != version && line["unreadable"].is_null()));
    let id = kept.to_string();
    let stub = lines.iter().find(|line| line["saga"]["id"] == *id).context("the stub is exported")?;
    assert!(stub["saga"]["purged_at"].is_string() && stub["journal"].as_array().is_some_and(Vec::is_empty), "{stub}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_at_two_nodes_and_a_deletion_at_a_third_agree() -> Result<()> {
    let cluster = Cluster::start(Plan::orders(), "").await?;
    let clients = (0..3).map(|node| cluster.client(node)).collect::<Result<Vec<_>>>()?;
    for round in 0..ROUNDS {
        let version = register(&cluster, &clients[0], &format!("round_{round}")).await?;
        let mut starting = JoinSet::new();
        for client in &clients[1..] {
            let (client, start) = (client.clone(), of_version(cluster.start_of(Town::order(1, 100)), version));
            starting.spawn(async move { client.start(&start).await });
        }
        let deleted = clients[0].delete_definition("place-order", version).await;
        let mut made = 0;
        while let Some(answer) = starting.join_next().await {
            let answer = answer?;
            match status_of(&answer) {
                // Gone; or a deletion is under way, which takes no starts.
                Some(404 | 409) => {}
                None => {
                    let _ = answer?;
                    made += 1;
                }
                Some(other) => panic!("round {round}: a start was answered {other}"),
            }
        }
        match status_of(&deleted) {
            None => assert_eq!(made, 0, "round {round}: {:?}", deleted.map(|gone| gone.version)),
            Some(409) => assert!(made > 0, "round {round}: nobody uses it"),
            Some(other) => panic!("round {round}: the deletion was answered {other}"),
        }
        let after = clients[1].start(&of_version(cluster.start_of(Town::order(1, 100)), version)).await;
        // A deletion that met a saga takes nothing from the version.
        assert_eq!(status_of(&after), (made == 0).then_some(404), "round {round}");
    }
    cluster.at_rest().await
}
