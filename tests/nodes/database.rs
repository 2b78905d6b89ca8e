//! The database goes away under everybody, and comes back.

use std::{collections::BTreeSet, time::Duration};

use amends_client::ClientError;
use amends_protocol::{problem::ProblemType, v1::SagaStatus};
use amends_servers::{Options, Postgres};
use amends_tests::{
    cluster::{Begun, Cluster, Load, Refusal, at_once},
    dice,
    process::Program,
    proxy::Action,
    town::Plan,
    wait::{until, until_true},
    words,
};
use anyhow::Result;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    deaths::order,
    leases::SHORT_LEASE,
    measure::{Times, between},
};

const SOON: Duration = Duration::from_secs(30);
/// Whoever has something to do, goes on with it.
const ON_AGAIN: Duration = Duration::from_secs(5);

/// Who was under way when the server crashed, and since when it accepts again.
struct Outage {
    live: Vec<Uuid>,
    accepts_at: i64,
}

/// The server crashes under a load of which some more sagas are begun, and is away for so long.
async fn crash(cluster: &mut Cluster, load: &Load, away: Duration) -> Result<Outage> {
    let begun = load.acknowledged();
    until_true("more are begun", SOON, || load.acknowledged() >= begun + 25).await?;
    let live = cluster.live().await?.into_iter().map(|(saga, _, _)| saga).collect();
    let stopped_at = words::now();
    cluster.crash_server()?;
    tokio::time::sleep(away).await;
    cluster.start_server()?;
    let accepts_at = words::now();
    eprintln!("the server was away for {:?}", between(stopped_at, accepts_at));
    Ok(Outage { live, accepts_at })
}

/// A load that leaves everybody room, and an outage in it: whoever has something to do goes on soon.
async fn outage(cluster: &mut Cluster, away: Duration) -> Result<Vec<Begun>> {
    cluster.inject("charge", Action::Delay(Duration::from_millis(300)));
    let load = Load::begin(cluster, "gentle", dice::sagas(75), Duration::from_millis(200), order)?;
    let outage = crash(cluster, &load, away).await?;
    let begun = load.all().await?;
    cluster.at_rest().await?;
    assert_refused(&begun);
    let mut waits = Vec::new();
    for saga in &outage.live {
        // What was decided while the server was away is written first.
        let journal = cluster.journal(*saga).await?;
        let next = journal.iter().find(|row| row.at >= outage.accepts_at);
        waits.extend(next.map(|next| between(outage.accepts_at, next.at)));
    }
    Times::of(waits).assert_p99("from the server's return to the next row", ON_AGAIN, 3);
    Ok(begun)
}

/// Each key has one saga, and what was acknowledged is there.
async fn assert_kept(cluster: &Cluster, begun: &[Begun]) -> Result<()> {
    let stored = cluster.sagas().await?;
    assert_eq!(stored.len(), begun.len(), "one saga for each key");
    let ids: BTreeSet<Uuid> = stored.iter().map(|saga| saga.id).collect();
    assert!(begun.iter().all(|begun| ids.contains(&begun.saga)), "none acknowledged was lost");
    Ok(())
}

/// Clients heard "not now" and when to come again, and nothing else.
fn assert_refused(begun: &[Begun]) {
    let refusals: Vec<&Refusal> = begun.iter().flat_map(|begun| &begun.refusals).map(|(_, refusal)| refusal).collect();
    let unavailable = refusals.iter().filter(|refusal| matches!(refusal, Refusal::Unavailable { .. })).count();
    eprintln!("{} refusals, of which {unavailable} by 503", refusals.len());
    assert!(unavailable >= 3, "starts met a node without its database: {refusals:?}");
    for refusal in refusals {
        if let Refusal::Unavailable { retry_after } = refusal {
            assert!(*retry_after >= Duration::from_secs(1), "{refusal:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_crashes_again_and_again_under_load_and_nothing_acknowledged_is_lost() -> Result<()> {
    // One that outlasts the outage, also if the server takes its time on a busy machine.
    let lease = "[lease]\nduration = \"15s\"\n";
    let mut cluster = Cluster::start(Plan::orders().patient(), lease).await?;
    let before = cluster.identities().await?;
    // Without a pause between starts it crashes in the middle of commits, and some of their answers are lost.
    let load = Load::begin(&cluster, "dense", dice::sagas(50), Duration::ZERO, order)?;
    for _ in 0..2 {
        crash(&mut cluster, &load, Duration::from_millis(100)).await?;
    }
    let mut begun = load.all().await?;
    cluster.at_rest().await?;
    begun.extend(outage(&mut cluster, Duration::from_secs(2)).await?);
    assert_kept(&cluster, &begun).await?;
    assert_eq!(cluster.identities().await?, before, "leases outlast it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_the_lease_gives_every_node_a_new_identity() -> Result<()> {
    let mut cluster = Cluster::start(Plan::orders().patient(), SHORT_LEASE).await?;
    let before = cluster.identities().await?;
    let begun = outage(&mut cluster, Duration::from_secs(4)).await?;
    assert_kept(&cluster, &begun).await?;
    let after = cluster.identities().await?;
    assert!(after.iter().all(|identity| !before.contains(identity)), "{before:?}, {after:?}");
    let adopted = cluster.sagas().await?.iter().filter(|saga| saga.row.epoch > 1).count();
    assert!(adopted > 0, "what was owned under the old ones was adopted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_that_start_at_once_on_an_empty_database_all_come_up() -> Result<()> {
    let server = tokio::task::spawn_blocking(|| Postgres::start(Options::default())).await??;
    let folder = TempDir::with_prefix("amends-race-")?;
    let config = folder.path().join("amends.toml");
    std::fs::write(&config, "")?;
    for round in 0..4 {
        let url = tokio::task::block_in_place(|| server.create_database(&format!("round{round}")))?;
        let arguments = ["serve", "--config", &config.display().to_string(), "--database", &url].map(str::to_owned);
        let program = |node| Program {
            binary: "amends",
            arguments: arguments.to_vec(),
            log: folder.path().join(format!("{round}-{node}.log")),
            log_filter: None,
            environment: Vec::new(),
        };
        let nodes = at_once((0..3).map(program)).await?;
        for node in &nodes {
            let client = amends_client::Client::new(&format!("http://{}", node.address()))?;
            until("it is ready", SOON, async || Ok(client.readyz().await.ok())).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_while_the_database_is_away_waits_for_it_and_says_so() -> Result<()> {
    let mut cluster = Cluster::start(Plan::orders().patient(), SHORT_LEASE).await?;
    let slow = cluster.inject("charge", Action::Delay(Duration::from_millis(300)));
    let sagas = cluster.begin_many(1, 8, order(0)).await?;
    until_true("calls are in flight", SOON, || slow.fired() >= 4).await?;
    cluster.crash_server()?;
    for node in &mut cluster.nodes {
        node.restart().await?;
    }
    for node in 0..3 {
        assert_eq!(cluster.status(node, "livez").await?, 200, "nobody need restart it");
        assert_eq!(cluster.status(node, "readyz").await?, 503);
        let refused = cluster.client(node)?.start(&cluster.keyed("early", order(0))).await;
        let Err(ClientError::Problem { problem, retry_after: Some(_) }) = refused else { panic!("{refused:?}") };
        assert_eq!((problem.status, problem.problem_type()), (503, Some(ProblemType::StoreUnavailable)));
        let log = cluster.nodes[node].log()?;
        assert!(log.contains("the database is away: not ready, trying again"), "{log}");
    }
    // One that is told to stop meanwhile does.
    let ended = cluster.nodes[2].stop(SOON).await?;
    assert!(ended.success(), "{ended}");

    cluster.start_server()?;
    cluster.nodes[2].restart().await?;
    for node in 0..3 {
        until("it is ready", SOON, async || Ok((cluster.status(node, "readyz").await? == 200).then_some(()))).await?;
    }
    for saga in sagas {
        assert_eq!(cluster.ended(0, saga).await?.status, SagaStatus::Completed);
    }
    let started = cluster.client(0)?.start(&cluster.keyed("early", order(0))).await?;
    assert_eq!(cluster.ended(1, started.saga.id).await?.status, SagaStatus::Completed);
    cluster.at_rest().await
}
