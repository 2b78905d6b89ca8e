//! Everything at once, at random moments: nodes are killed and halted, the database crashes, participants restart, the wire fails.
//! `AMENDS_SOAK_SECONDS` says for how long at least, `AMENDS_SOAK_SAGAS` with how many sagas at least.

use std::time::{Duration, Instant};

use amends_tests::{
    audit::journal::{Event, Saga},
    cluster::{Cluster, Load},
    dice::{self, Dice},
    proxy::Injected,
    town::Plan,
};
use anyhow::Result;
use rustix::process::Signal;

use crate::{deaths::order, leases::SHORT_LEASE};

/// What happens in one run, at least.
const BLOWS: usize = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_nodes_database_and_participants_every_saga_ends_well() -> Result<()> {
    let (sagas, long) = (dice::sagas(120), Duration::from_secs(dice::number("AMENDS_SOAK_SECONDS", 0)));
    let mut dice = Dice::asked();
    let mut cluster = Cluster::start(Plan::orders().patient().hasty_in_places(), SHORT_LEASE).await?;
    let faults = cluster.inject_a_bit_of_everything(dice.seed);
    let load = Load::begin(&cluster, "soak", sagas, Duration::from_millis(250), order)?;
    let (mut blows, began) = (0, Instant::now());
    // In a long run there are long pauses, too: more is under way, and more is owed, when the next blow comes.
    let pause = if long.is_zero() { 700 } else { 2_800 };
    while blows < BLOWS || load.acknowledged() < sagas || began.elapsed() < long {
        tokio::time::sleep(Duration::from_millis(200 + dice.below(pause))).await;
        blow(&mut cluster, &mut dice, blows).await?;
        blows += 1;
    }
    let begun = load.all().await?;
    cluster.heal();
    cluster.at_rest().await?;
    let stored = cluster.sagas().await?;
    assert_eq!(stored.len(), begun.len(), "one saga for each key, none acknowledged was lost");
    assert_worth_it(&stored, &faults, blows);
    Ok(())
}

async fn blow(cluster: &mut Cluster, dice: &mut Dice, number: usize) -> Result<()> {
    let node = usize::try_from(dice.below(3))?;
    match number % 9 {
        3 => {
            // About as long as a lease: sometimes it is adopted, sometimes it wakes in time.
            cluster.nodes[node].signal(Signal::STOP)?;
            tokio::time::sleep(Duration::from_millis(1_000 + dice.below(2_500))).await;
            cluster.nodes[node].signal(Signal::CONT)?;
        }
        5 => {
            cluster.crash_server()?;
            tokio::time::sleep(Duration::from_millis(dice.below(1_500))).await;
            cluster.start_server()?;
        }
        7 => {
            let names: Vec<&str> = cluster.services.keys().copied().collect();
            let name = names[usize::try_from(dice.below(names.len() as u64))?];
            cluster.service_mut(name).process.restart().await?;
        }
        8 => {
            for node in &mut cluster.nodes {
                node.kill().await?;
            }
            cluster.restart_all().await?;
        }
        _ => cluster.nodes[node].restart().await?,
    }
    Ok(())
}

/// A run in which nothing happened proves nothing.
fn assert_worth_it(stored: &[Saga], faults: &[Injected], blows: usize) {
    let ended = |word: &str| stored.iter().filter(|saga| saga.row.status == word).count();
    let adoptions = stored.iter().flat_map(|saga| &saga.journal).filter(|row| row.event == Event::Adopted).count();
    let fired: u64 = faults.iter().map(Injected::fired).sum();
    let (completed, compensated) = (ended("completed"), ended("compensated"));
    eprintln!("{completed} completed, {compensated} compensated; {blows} blows, {adoptions} adoptions, {fired} faults");
    assert!(completed * 4 > stored.len() && compensated * 12 > stored.len(), "both ends are frequent");
    assert!(adoptions > 0 && fired > stored.len() as u64 / 4, "faults happened");
}
