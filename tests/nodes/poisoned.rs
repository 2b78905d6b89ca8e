//! A saga whose journal no process can read, by damage or because a newer version wrote it: left alone, and nobody else's concern.

use std::time::Duration;

use amends_client::List;
use amends_protocol::v1::SagaStatus;
use amends_tests::{
    cluster::Cluster,
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::{until, until_true},
};
use anyhow::Result;
use uuid::Uuid;

use crate::{leases::SHORT_LEASE, measure::adoptions};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_that_no_process_can_read_is_left_as_it_is_and_holds_up_nobody_until_one_can() -> Result<()> {
    let mut cluster = Cluster::start(Plan::orders().patient(), SHORT_LEASE).await?;
    let lost = cluster.inject_rule("charge", Rule::action_of("charge", Action::Blackhole).attempts(1..=1));
    let sagas = cluster.begin_many(0, 8, Town::order(1, 100)).await?;
    until_true("their charges are in flight", SOON, || lost.fired() == 8).await?;
    let poisoned = sagas[3];
    let rows = cluster.journal(poisoned).await?.len();
    cluster.nodes[0].kill().await?;
    let newer = "-- as_a_later_version_writes
        update journal set event = replace(event, '\"kind\":\"', '\"kind\":\"later_') where saga = $1 and seq = 2";
    cluster.falsify(newer, poisoned).await?;

    for saga in sagas.iter().filter(|saga| **saga != poisoned) {
        assert_eq!(cluster.ended(1, *saga).await?.status, SagaStatus::Completed);
        assert!(adoptions(&cluster.journal(*saga).await?) >= 1, "saga {saga} was adopted");
    }
    until("somebody has tried to adopt it", SOON, async || {
        let live = cluster.live().await?;
        Ok(live.iter().any(|(saga, _, epoch)| *saga == poisoned && *epoch >= 2).then_some(()))
    })
    .await?;
    let logs = [cluster.nodes[1].log()?, cluster.nodes[2].log()?].concat();
    let said = |line: &str| line.contains(&poisoned.to_string()) && line.contains("cannot be read and is not driven");
    assert!(logs.lines().any(said), "{logs}");
    // Whoever asks is told what there is to tell, and whoever looks for what needs a person finds it.
    let shown = cluster.client(1)?.saga(poisoned, None).await?;
    let why = shown.unreadable.as_ref().expect("it cannot be read");
    assert!(why.reason.contains("seq 2") && why.since.is_some() && why.node.is_some(), "{why:?}");
    assert_eq!((shown.status, shown.steps.len()), (SagaStatus::Running, 0), "{shown:#?}");
    assert_eq!(needing_a_person(&cluster).await?, [poisoned]);
    let fresh = cluster.begin(2, Town::order(1, 100)).await?;
    assert_eq!(cluster.ended(1, fresh).await?.status, SagaStatus::Completed, "new ones are served as ever");

    // And now everybody has the version that can read it.
    let same = "-- as_it_was
        update journal set event = replace(event, '\"kind\":\"later_', '\"kind\":\"') where saga = $1 and seq = 2";
    cluster.falsify(same, poisoned).await?;
    let journal = cluster.journal(poisoned).await?;
    assert_eq!(journal.len(), rows, "nothing of it was dropped, and nobody wrote behind what he could not read");
    for node in &mut cluster.nodes {
        node.restart().await?;
    }
    let ended = cluster.ended(0, poisoned).await?;
    assert_eq!((ended.status, ended.unreadable), (SagaStatus::Completed, None));
    assert_eq!(needing_a_person(&cluster).await?, [] as [Uuid; 0], "nobody is asked any more");
    cluster.at_rest().await
}

async fn needing_a_person(cluster: &Cluster) -> Result<Vec<Uuid>> {
    let asked = List { attention: Some(true), ..List::default() };
    Ok(cluster.client(1)?.sagas(&asked).await?.items.into_iter().map(|saga| saga.id).collect())
}
