//! Locks between nodes: one queue, whichever node a saga came to, and whichever dies.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    cluster::Cluster,
    town::{CUSTOMER, Plan},
};
use anyhow::Result;
use serde_json::json;

/// Far below what one lost word costs that nobody makes up for.
const END_BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_of_three_nodes_on_one_lock_run_one_after_another_over_the_death_of_two() -> Result<()> {
    let mut cluster = Cluster::start(Plan::banks().patient(), "").await?;
    let mut sagas = Vec::new();
    for node in 0..3 {
        let input = json!({ "from": CUSTOMER, "to": CUSTOMER, "amount": 1 });
        sagas.extend(cluster.begin_many(node, 12, input).await?);
    }
    cluster.nodes[0].kill().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.nodes[1].kill().await?;
    let all = async {
        for saga in &sagas {
            assert_eq!(cluster.ended(2, *saga).await?.status, SagaStatus::Completed);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(END_BOUND, all).await??;
    let queue = cluster.client(2)?.lock_queue(&format!("account:{CUSTOMER}"), None, None).await?;
    assert_eq!(queue.items, [], "nothing leaks");
    cluster.at_rest().await
}
