//! Every connection of every node waits, for longer than the leases last. `AMENDS_POOL_SECONDS` says for how long (five by itself).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    cluster::{Cluster, Refusal},
    dice,
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::{until, until_true},
};
use anyhow::Result;
use sqlx::Connection;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::leases::SHORT_LEASE;

const SOON: Duration = Duration::from_secs(20);
/// At each node; more than it has connections.
const STARTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_kept_while_every_other_connection_waits_for_longer_than_they_last() -> Result<()> {
    let waits = Duration::from_secs(dice::number("AMENDS_POOL_SECONDS", 5));
    let cluster = Cluster::start(Plan::orders().patient(), SHORT_LEASE).await?;
    let before: BTreeSet<Uuid> = cluster.identities().await?.into_iter().collect();
    // Their answers come while nothing can be written.
    let slow = Rule::action_of("charge", Action::Delay(Duration::from_millis(1_500)));
    let slow = cluster.inject_rule("charge", slow);
    let mut sagas = cluster.begin_many(0, 6, Town::order(1, 100)).await?;
    until_true("calls are in flight", SOON, || slow.fired() == 6).await?;

    let mut other = cluster.session().await?;
    sqlx::raw_sql("begin; lock table sagas, journal in access exclusive mode").execute(&mut other).await?;
    let mut starts = JoinSet::new();
    for number in 0..3 * STARTS {
        let caller = cluster.caller()?;
        starts.spawn(async move { caller.start(number, &format!("waits-{number}"), Town::order(1, 100)).await });
    }
    until("connections of every kind wait", SOON, async || {
        let waiting = cluster.waiting_sessions().await?;
        Ok(["amends-lane", "amends-reader"].iter().all(|kind| waiting.iter().any(|one| one == kind)).then_some(()))
    })
    .await?;
    let since = Instant::now();
    while since.elapsed() < waits {
        let leased: BTreeSet<Uuid> = cluster.leased().await?.into_iter().collect();
        assert_eq!(leased, before, "{:?} after they began to wait", since.elapsed());
        assert!(starts.try_join_next().is_none(), "nothing can be written");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sqlx::raw_sql("rollback").execute(&mut other).await?;
    other.close().await?;

    let mut unavailable = 0;
    while let Some(begun) = starts.join_next().await {
        let begun = begun??;
        unavailable += begun.refusals.iter().filter(|(_, why)| matches!(why, Refusal::Unavailable { .. })).count();
        sagas.push(begun.saga);
    }
    eprintln!("{unavailable} starts were answered by 503 meanwhile");
    for saga in &sagas {
        assert_eq!(cluster.ended(1, *saga).await?.status, SagaStatus::Completed);
    }
    cluster.at_rest().await?;
    let after: BTreeSet<Uuid> = cluster.identities().await?.into_iter().collect();
    assert_eq!(after, before, "everybody is who it was");
    let stored = cluster.sagas().await?;
    assert_eq!(stored.len(), sagas.len(), "one saga for each key, none lost");
    assert!(stored.iter().all(|saga| saga.row.epoch == 1), "and nobody took anything from anybody");
    Ok(())
}
