//! SIGTERM: a planned hand-over, and a rolling restart.

use std::time::Duration;

use amends_tests::{
    audit::journal::Event,
    cluster::{Cluster, Load, Refusal},
    dice,
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::{until, until_true},
};
use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::{
    deaths::order,
    measure::{Times, due_at, hand_overs, unknowns},
};

/// The drain of the configuration's default, and a little.
const STOP_BOUND: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_stopped_hands_over_within_a_second_and_makes_nothing_unknown() -> Result<()> {
    let mut cluster = Cluster::start(Plan::orders().patient().with_backoff("4s"), "").await?;
    let identity = cluster.identity(0).await?.context("it takes part")?;
    let away = Action::Status(503, String::new());
    // Of these the first attempt fails, and they wait for the second when the node is stopped.
    let away = cluster.inject_rule("reserve", Rule::action_of("reserve", away).attempts(1..=1).nth(1..=20));
    let mut sagas = cluster.begin_many(0, 20, Town::order(1, 100)).await?;
    until_true("they wait", SOON, || away.fired() == 20).await?;
    // These are in flight, until the node has been seen to be stopping.
    let slow = cluster.inject("charge", Action::Gated);
    sagas.extend(cluster.begin_many(0, 20, Town::order(1, 100)).await?);
    until_true("charges are in flight", SOON, || slow.fired() >= 20).await?;
    let owned = cluster.live().await?.iter().filter(|(_, owner, _)| *owner == Some(identity)).count();
    assert_eq!(owned, 40, "they are the node's");
    assert_eq!(cluster.status(0, "readyz").await?, 200);
    cluster.nodes[0].signal(Signal::TERM)?;
    until("nobody is sent to it any more", SOON, async || {
        Ok(cluster.status(0, "readyz").await.map_or(true, |status| status == 503).then_some(()))
    })
    .await?;
    assert_eq!(cluster.service("payments").proxy.under_way(), 20, "that comes first: what is on the wire is not over");
    cluster.service("payments").proxy.open_gate();
    let status = cluster.nodes[0].exited(STOP_BOUND).await?;
    assert!(status.success(), "it ended by itself: {status}");
    cluster.at_rest().await?;

    let (mut late, mut released, mut waited) = (Vec::new(), 0, 0);
    for saga in &sagas {
        let journal = cluster.journal(*saga).await?;
        let first = unknowns(&journal);
        let failed = usize::from(sagas[..20].contains(saga));
        assert!(first <= failed, "saga {saga}: a stop makes nothing unknown: {journal:#?}");
        if let Some(at) = journal.iter().position(|row| row.event == Event::Released) {
            released += 1;
            waited += usize::from(due_at(&journal[..at]) > Some(journal[at].at));
        }
        late.extend(hand_overs(&journal));
    }
    assert_eq!(released, 40, "all were let go of");
    assert!((10..=20).contains(&waited), "{waited} waited for a retry, the others had something to do at once");
    Times::of(late).assert_p99(
        "from the release, or from when it was due, to the next row",
        Duration::from_secs(1),
        40,
    );
    assert_eq!(cluster.members(1).await?.len(), 2, "it does not take part any more");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_start_and_every_saga_ends_well() -> Result<()> {
    let sagas = dice::sagas(150);
    let mut cluster = Cluster::start(Plan::orders().patient(), "").await?;
    let slow = cluster.inject("charge", Action::Delay(Duration::from_millis(300)));
    let load = Load::begin(&cluster, "load", sagas, Duration::from_millis(400), order)?;
    let mut at_stop = 0;
    for node in 0..3 {
        let begun = load.acknowledged();
        until_true("some are begun", SOON, || load.acknowledged() >= begun + 10).await?;
        let identity = cluster.identity(node).await?;
        at_stop += cluster.live().await?.iter().filter(|(_, owner, _)| *owner == identity).count();
        let status = cluster.nodes[node].stop(STOP_BOUND).await?;
        assert!(status.success(), "node {node} ended by itself: {status}");
        cluster.nodes[node].restart().await?;
    }
    let begun = load.all().await?;
    let sagas = begun.len();
    cluster.at_rest().await?;
    slow.assert_fired_at_least(sagas as u64 / 2);
    assert!(at_stop >= 3, "there was something to hand over: {at_stop}");
    let elsewhere = begun.iter().filter(|begun| !begun.refusals.is_empty()).count();
    let unavailable = |refusal: &Refusal| matches!(refusal, Refusal::Unavailable { .. });
    let refused: usize =
        begun.iter().map(|begun| begun.refusals.iter().filter(|(_, refusal)| unavailable(refusal)).count()).sum();
    eprintln!("{elsewhere} starts went elsewhere, {refused} were answered by 503");
    assert!(elsewhere > 0, "some starts met a node that was stopped");
    let stored = cluster.sagas().await?;
    assert_eq!(stored.len(), sagas, "one saga for each key, none lost");
    for saga in &stored {
        assert!(!saga.row.attention, "saga {} raised attention", saga.id);
        assert_eq!(unknowns(&saga.journal), 0, "saga {}: a stop makes nothing unknown: {:#?}", saga.id, saga.journal);
    }
    let completed = stored.iter().filter(|saga| saga.row.status == "completed").count();
    assert!(completed * 4 > sagas * 3, "{completed} completed");
    until("all three take part", SOON, async || Ok((cluster.members(0).await?.len() == 3).then_some(()))).await
}
