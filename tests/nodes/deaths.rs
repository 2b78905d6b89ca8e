//! kill -9 of one node, and of all.

use std::time::{Duration, Instant};

use amends_tests::{
    cluster::{Cluster, Load},
    dice::{self, Dice},
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::{until, until_true},
    words,
};
use anyhow::{Context, Result};
use serde_json::Value;

use crate::measure::{Times, between, next_owner};

/// Every eighth is undone, for one of three reasons.
pub(crate) fn order(number: usize) -> Value {
    let mut order = Town::order(1, 100);
    match number % 24 {
        7 => order["quantity"] = 2_000_000.into(),
        15 => order["amount"] = 2_000_000.into(),
        23 => order["address"] = "unknown".into(),
        _ => {}
    }
    order
}

/// A lease of 6 s, and what finds and folds them.
const ADOPTED_WITHIN: Duration = Duration::from_secs(10);
/// Of fewer sagas there is no 99th percentile to speak of.
const MEASURED: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_of_a_node_that_is_killed_are_taken_up_by_others_and_nothing_is_done_twice() -> Result<()> {
    let sagas = dice::sagas(150);
    let mut dice = Dice::asked();
    let mut cluster = Cluster::start(Plan::orders().patient(), "").await?;
    // Long enough that many are in flight, short enough that none times out.
    let slow = cluster.inject_rule("charge", Rule::action_of("charge", Action::Delay(Duration::from_millis(1_500))));
    let load = Load::begin(&cluster, "load", sagas, Duration::from_millis(200), order)?;
    let before = sagas / 3 + usize::try_from(dice.below(sagas as u64 / 6))?;
    until_true("a third is begun", Duration::from_secs(60), || load.acknowledged() >= before).await?;
    let victim = usize::try_from(dice.below(3))?;
    let identity = cluster.identity(victim).await?.context("it takes part")?;
    let owned = async |cluster: &Cluster| {
        let live = cluster.live().await?.into_iter();
        Ok::<Vec<_>, anyhow::Error>(live.filter(|(_, owner, _)| *owner == Some(identity)).collect())
    };
    // The load goes on until it is told to end.
    until("the victim has enough in flight", Duration::from_secs(60), async || {
        Ok((owned(&cluster).await?.len() >= MEASURED + MEASURED / 2).then_some(()))
    })
    .await?;
    let killed_at = words::now();
    cluster.nodes[victim].kill().await?;
    let orphans = owned(&cluster).await?;
    let sagas = load.all().await?.len();
    cluster.at_rest().await?;
    slow.assert_fired_at_least(sagas as u64 / 2);
    let mut waits = Vec::new();
    for (saga, _, epoch) in &orphans {
        let journal = cluster.journal(*saga).await?;
        let next = next_owner(&journal, *epoch).with_context(|| format!("saga {saga} was never taken up"))?;
        waits.push(between(killed_at, next.at));
    }
    Times::of(waits).assert_p99("from the kill to the next row", ADOPTED_WITHIN, MEASURED);
    assert_eq!(cluster.sagas().await?.len(), sagas, "one saga for each key, none lost");
    Ok(())
}

/// One call each, so that thousands fit into the time that a test may take.
const SHORT: &str = r#"
saga: place-order
input: { type: object }
deadline: 1h
defaults: { timeout: 60s, retry: { attempts: 50, backoff: 20ms, factor: 2, max_backoff: 200ms } }
steps:
  reserve:
    call: inventory POST /reservations
    body: { order: "${{ saga.id }}", sku: "${{ input.sku }}", quantity: "${{ input.quantity }}" }
    compensate: { call: "inventory DELETE /reservations/${{ saga.id }}" }
"#;

/// From the moment in which all processes are started again. The promise is of the program that is shipped, which is many times
/// quicker than one without optimisation.
const SLOWER: u32 = if cfg!(debug_assertions) { 3 } else { 1 };
const FIRST_WITHIN: Duration = Duration::from_secs(2);
const ALL_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_die_with_thousands_in_flight_and_all_are_driven_on() -> Result<()> {
    let sagas = dice::sagas(2_000);
    let mut cluster = Cluster::start(Plan::orders().with_definition(SHORT), "").await?;
    let held = cluster.inject("reserve", Action::Blackhole);
    let load = Load::begin(&cluster, "load", sagas, Duration::ZERO, |_| Town::order(1, 100))?;
    assert_eq!(load.all().await?.len(), sagas);
    assert_eq!(cluster.live().await?.len(), sagas, "all are in flight");
    held.assert_fired_at_least(100);
    for node in &mut cluster.nodes {
        node.kill().await?;
    }
    cluster.heal();
    let (began, began_at) = (Instant::now(), words::now());
    cluster.restart_all().await?;
    until("all have ended", SLOWER * ALL_WITHIN, async || Ok(cluster.live().await?.is_empty().then_some(()))).await?;
    let all = began.elapsed();
    let log = cluster.service("inventory").proxy.log();
    let first = log.iter().map(|request| request.arrived_at).filter(|at| *at > began_at).min();
    let first = between(began_at, first.context("somebody called")?);
    eprintln!("{sagas} in flight: the first call {first:?} after the restart, all have ended after {all:?}");
    assert!(first <= SLOWER * FIRST_WITHIN, "the first call came {first:?} after the restart");
    cluster.at_rest().await?;
    let stored = cluster.sagas().await?;
    assert_eq!(stored.len(), sagas, "none was lost");
    for saga in &stored {
        assert_eq!(saga.row.status, "completed", "saga {}", saga.id);
        assert!(saga.row.epoch >= 2, "saga {} was adopted", saga.id);
    }
    Ok(())
}
