//! A node that is halted (SIGSTOP) and goes on later (SIGCONT), not knowing that time has passed.

use std::{collections::BTreeSet, time::Duration};

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    cluster::Cluster,
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::{until, until_true},
    words::Op,
};
use anyhow::{Context, Result};
use rustix::process::Signal;
use uuid::Uuid;

use crate::measure::{adoptions, unknowns};

/// So that a test need not wait long for its end.
pub(crate) const SHORT_LEASE: &str = "[lease]\nduration = \"2s\"\nrenew_every = \"500ms\"\nmargin = \"200ms\"\n";

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_wakes_after_its_lease_appends_nothing_and_its_late_calls_are_refused() -> Result<()> {
    const SAGAS: usize = 16;
    const AT_ONCE: u32 = 5;
    let cluster = Cluster::start(Plan::orders().patient().narrow(AT_ONCE), SHORT_LEASE).await?;
    let old = cluster.identity(0).await?.context("it takes part")?;
    // The first attempts reach the participant when the adopters' ones have been there long since.
    let late = Rule::action_of("charge", Action::Keep).attempts(1..=1);
    let late = cluster.inject_rule("charge", late);
    // The adopters' are still in flight when the node wakes.
    let adopted = Rule::action_of("charge", Action::Delay(Duration::from_millis(1_500))).attempts(2..=2);
    let adopted = cluster.inject_rule("charge", adopted);
    let sagas = cluster.begin_many(0, SAGAS, Town::order(1, 100)).await?;
    until_true("as many calls are in flight as may be", SOON, || late.fired() == u64::from(AT_ONCE)).await?;
    let intended = async || {
        let mut all = true;
        for saga in &sagas {
            let row = cluster.journal(*saga).await?;
            all &= row.iter().any(|row| format!("{:?}", row.event).contains("\"charge\""));
        }
        Ok(all.then_some(()))
    };
    until("all the others are ready to be sent", SOON, intended).await?;

    cluster.nodes[0].signal(Signal::STOP)?;
    until("others have adopted all of them", SOON, async || {
        let live = cluster.live().await?;
        Ok(live.iter().all(|(_, owner, epoch)| *owner != Some(old) && *epoch >= 2).then_some(()))
    })
    .await?;
    until_true("adopters' calls are in flight", SOON, || adopted.fired() >= 1).await?;
    let in_flight = cluster.live().await?.len();
    cluster.nodes[0].signal(Signal::CONT)?;
    let new = until("it takes part again", SOON, async || cluster.identity(0).await).await?;
    assert_ne!(new, old, "under a new identity");
    assert!(in_flight > 0, "the node woke while its sagas were driven by others");
    cluster.heal();
    let again = cluster.begin(0, Town::order(1, 100)).await?;
    assert_eq!(cluster.ended(0, again).await?.status, SagaStatus::Completed);

    cluster.at_rest().await?;
    let answers = cluster.service("payments").proxy.release().await?;
    assert_eq!(answers.len(), AT_ONCE as usize);
    cluster.at_rest().await?;
    assert_eq!(cluster.members(1).await?.len(), 3, "the old identity does not count any more");
    let (mut refused, mut sent) = (0, 0);
    for saga in &sagas {
        let journal = cluster.journal(*saga).await?;
        assert!(adoptions(&journal) >= 1, "saga {saga} was adopted");
        for request in cluster.wire(*saga, "charge", Op::Action).iter().filter(|request| request.epoch == 1) {
            sent += 1;
            for answer in request.copies.iter().filter_map(|copy| copy.answer.as_ref()) {
                assert_eq!(answer.refused.as_deref(), Some("stale-epoch"), "{answer:?}");
                refused += 1;
            }
        }
    }
    assert_eq!(sent, u64::from(AT_ONCE), "what was ready was not sent when the node woke");
    assert_eq!(refused, AT_ONCE, "what was in flight was refused");
    assert_a_stale_row_is_noticed(&cluster, sagas[0]).await
}

/// As if the node had written the last row of a saga that others had adopted.
async fn assert_a_stale_row_is_noticed(cluster: &Cluster, saga: Uuid) -> Result<()> {
    let stale = "-- a_stale_row
        update journal set epoch = 1 where saga = $1 and seq = (select max(seq) from journal where saga = $1)";
    cluster.falsify(stale, saga).await?;
    let found = cluster.audit().await.expect_err("the checker notices").to_string();
    assert!(found.contains(&format!("invariant 7: saga {saga}")) && found.contains("epoch 1 after"), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_halted_for_less_than_its_lease_loses_nothing() -> Result<()> {
    let cluster = Cluster::start(Plan::orders().patient(), "").await?;
    let before = cluster.identities().await?;
    let slow = cluster.inject("charge", Action::Delay(Duration::from_millis(800)));
    let sagas = cluster.begin_many(0, 12, Town::order(1, 100)).await?;
    until_true("calls are in flight", SOON, || slow.fired() >= 12).await?;
    cluster.nodes[0].signal(Signal::STOP)?;
    // Longer than between two renewals, shorter than the lease.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.nodes[0].signal(Signal::CONT)?;
    cluster.at_rest().await?;
    assert_eq!(cluster.identities().await?, before, "it goes on as who it was");
    let epochs: BTreeSet<u64> = cluster.sagas().await?.iter().map(|saga| saga.row.epoch).collect();
    assert_eq!(epochs, BTreeSet::from([1]), "nobody adopted anything");
    let mut unknown = 0;
    for saga in sagas {
        unknown += unknowns(&cluster.journal(saga).await?);
    }
    assert_eq!(unknown, 0, "answers that came meanwhile were heard");
    Ok(())
}
