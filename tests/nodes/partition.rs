//! One node and the database do not hear of each other any more, while both live and services hear both.

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

use crate::{leases::SHORT_LEASE, measure::adoptions};

const SOON: Duration = Duration::from_secs(30);
const SAGAS: usize = 12;
/// Of those calls are on the wire when the node is cut off; the others wait for their turn, intended and unsent.
const AT_ONCE: u32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_from_the_database_stops_others_go_on_and_it_comes_back_as_somebody_else() -> Result<()>
{
    let cluster = Cluster::start(Plan::orders().patient().narrow(AT_ONCE), SHORT_LEASE).await?;
    let old = cluster.identity(0).await?.context("it takes part")?;
    // On their way beyond the lease: they arrive when others have long since gone on.
    let kept = cluster.inject_rule("charge", Rule::action_of("charge", Action::Keep).attempts(1..=1));
    let sagas = cluster.begin_many(0, SAGAS, Town::order(1, 100)).await?;
    until_true("as many calls are in flight as may be", SOON, || kept.fired() == u64::from(AT_ONCE)).await?;
    until("the others are ready to be sent", SOON, async || {
        let mut ready = 0;
        for saga in &sagas {
            let journal = cluster.journal(*saga).await?;
            ready += usize::from(journal.iter().any(|row| format!("{:?}", row.event).contains("\"charge\"")));
        }
        Ok((ready == SAGAS).then_some(()))
    })
    .await?;

    cluster.cut_off_the_first();
    until("others have adopted all that it owned", SOON, async || {
        Ok(cluster.live().await?.iter().all(|(_, owner, _)| *owner != Some(old)).then_some(()))
    })
    .await?;
    until("it says that it cannot serve", SOON, async || Ok((cluster.status(0, "readyz").await? == 503).then_some(())))
        .await?;
    for saga in &sagas {
        assert_eq!(cluster.ended(1, *saga).await?.status, SagaStatus::Completed, "while it is cut off");
    }
    assert!(cluster.members(1).await?.iter().all(|member| member.id != old), "it does not count any more");

    cluster.heal();
    cluster.reconnect_the_first();
    let new = until("it takes part again", SOON, async || {
        // While it joins it may be unable to answer.
        Ok(cluster.identity(0).await.ok().flatten().filter(|identity| *identity != old))
    })
    .await?;
    until("it can serve", SOON, async || Ok((cluster.status(0, "readyz").await? == 200).then_some(()))).await?;
    let again = cluster.begin(0, Town::order(1, 100)).await?;
    assert_eq!(cluster.ended(0, again).await?.status, SagaStatus::Completed);
    let journal = cluster.journal(again).await?;
    assert_eq!(adoptions(&journal), 0, "{new} drives what it takes");

    // What it had sent before it was cut off arrives now, and changes nothing.
    let answers = cluster.service("payments").proxy.release().await?;
    assert_eq!(answers.len(), AT_ONCE as usize);
    assert!(answers.iter().all(|answer| answer.refused.as_deref() == Some("stale-epoch")), "{answers:?}");
    cluster.at_rest().await?;
    let mut sent_by_it = BTreeSet::new();
    for saga in &sagas {
        assert!(adoptions(&cluster.journal(*saga).await?) >= 1, "saga {saga} was adopted");
        let wire = cluster.wire(*saga, "charge", Op::Action);
        sent_by_it.extend(wire.iter().filter(|request| request.epoch == 1).map(|_| *saga));
    }
    assert_eq!(sent_by_it.len(), AT_ONCE as usize, "when its lease was over it sent nothing more");
    Ok(())
}
