//! Three orchestrators on one PostgreSQL: one of them tells, and is killed; any of them streams everything.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use amends_tests::{
    cluster::Cluster,
    town::{Plan, Town},
    wait::{until, until_true},
};
use anyhow::Result;
use tempfile::TempDir;

use crate::{
    judge::{owed, wrong},
    receiver::Receiver,
    streams::follow,
    webhooks::{assert_all_told, config, webhook},
};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_all_nodes_are_told_in_order_though_those_that_tell_are_killed() -> Result<()> {
    let folder = TempDir::with_prefix("amends-receiver-")?;
    let mut receiver = Receiver::start(folder.path()).await?;
    let mut cluster = Cluster::start(Plan::orders().patient(), &config(folder.path(), &receiver)?).await?;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let following = tokio::spawn(follow(cluster.client(2)?, Arc::clone(&heard)));
    cluster.client(1)?.add_webhook(&webhook(&receiver)).await?;
    let mut begun = Vec::new();
    for node in 0..3 {
        begun.extend(cluster.begin_many(node, 20, Town::order(1, 100)).await?);
    }
    until_true("some are told", SOON, || receiver.heard().is_ok_and(|heard| heard.len() > 3)).await?;
    // Whichever of them tells, it is one of these two, or the third goes on telling.
    cluster.nodes[0].kill().await?;
    begun.extend(cluster.begin_many(1, 10, Town::order(1, 2_000_000)).await?);
    receiver.kill().await?;
    cluster.nodes[1].kill().await?;
    receiver.again().await?;
    begun.extend(cluster.begin_many(2, 10, Town::order(1, 100)).await?);
    for saga in &begun {
        until("it has ended", Duration::from_secs(60), async || {
            let view = cluster.client(2)?.saga(*saga, None).await?;
            Ok(view.status.is_terminal().then_some(()))
        })
        .await?;
    }
    assert_all_told(&cluster, &receiver).await?;
    let owed = owed(&cluster).await?;
    until_true("the stream has told everything", SOON, || {
        wrong(&owed, &heard.lock().expect("nothing panics while it holds what was heard")).is_empty()
    })
    .await?;
    following.abort();
    for node in 0..2 {
        cluster.nodes[node].restart().await?;
    }
    cluster.at_rest().await
}
