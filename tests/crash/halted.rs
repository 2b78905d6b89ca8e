//! A node stands still (SIGSTOP) between the intent of a call and its first byte, for longer than its lease, and goes on not knowing that
//! time has passed. In the build that has points for that: it stops itself, right there.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::Event,
    cluster::Cluster,
    town::{Effects, Plan, Town},
    wait::until,
    words::{Call, Op},
};
use anyhow::{Context, Result};
use rustix::process::Signal;

const STOP_AT: &str = "AMENDS_STOP_AT";
const SOON: Duration = Duration::from_secs(20);
/// So that the test need not wait long for its end.
const SHORT_LEASE: &str = "[lease]\nduration = \"2s\"\nrenew_every = \"500ms\"\nmargin = \"200ms\"\n";

/// The third step's: right after its intent is durable, when the node has not looked at its lease; and right before its first byte, when
/// it has.
const POINTS: [(&str, bool); 2] = [("after commit 3", false), ("before action 3", true)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_between_an_intent_and_its_first_byte_does_nothing_twice() -> Result<()> {
    let mut cluster = Cluster::start(Plan::orders().patient().with_crash_points(), SHORT_LEASE).await?;
    for (point, sends) in POINTS {
        let before = cluster.nodes[0].log()?.len();
        cluster.nodes[0].restart_with(vec![(STOP_AT, point.to_owned())]).await?;
        let old = until("it takes part", SOON, async || cluster.identity(0).await).await?;
        let saga = cluster.begin(0, Town::order(1, 100)).await?;
        let stands = format!("stood still at crash point `{}`", point.rsplit_once(' ').context("a kind")?.0);
        until("it stands still", SOON, async || Ok(cluster.nodes[0].log()?[before..].contains(&stands).then_some(())))
            .await?;
        let left = cluster.journal(saga).await?;
        let last = left.last().context("rows")?;
        assert!(
            matches!(&last.event, Event::CallIntended { call, attempt: 1, .. } if *call == Call::action("charge")),
            "{point}: the intent of the third step is the last that is durable: {last:?}"
        );
        assert_eq!(cluster.wire(saga, "charge", Op::Action), [], "{point}: and nothing of it was sent");

        assert_eq!(cluster.ended(1, saga).await?.status, SagaStatus::Completed, "{point}: others go on");
        let rows = cluster.journal(saga).await?;
        assert!(!cluster.nodes[0].log()?[before..].contains("went on from crash point"), "{point}: it stands still");
        cluster.nodes[0].signal(Signal::CONT)?;
        until("it takes part anew", SOON, async || {
            // While it joins it may be unable to answer.
            Ok(cluster.identity(0).await.ok().flatten().filter(|identity| *identity != old))
        })
        .await?;
        // What it does at all, it does now: what it takes from here on, it drives.
        let again = cluster.begin(0, Town::order(1, 100)).await?;
        assert_eq!(cluster.ended(0, again).await?.status, SagaStatus::Completed);
        let late = || -> Vec<_> {
            let wire = cluster.wire(saga, "charge", Op::Action);
            wire.into_iter().filter(|request| request.epoch == 1).flat_map(|request| request.copies).collect()
        };
        until("what it sent was answered", SOON, async || {
            Ok((late().iter().filter(|copy| copy.answer.is_some()).count() == usize::from(sends)).then_some(()))
        })
        .await?;
        for copy in late() {
            let refused = copy.answer.as_ref().and_then(|answer| answer.refused.as_deref());
            assert_eq!(refused, Some("stale-epoch"), "{point}: {copy:?}");
        }
        assert_eq!(cluster.journal(saga).await?, rows, "{point}: it appended nothing");
        assert!(cluster.effects(saga).await?.values().all(|effects| *effects == Effects::DONE), "{point}: once each");
    }
    cluster.at_rest().await
}
