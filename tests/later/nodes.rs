//! The same over PostgreSQL: whoever is killed, and whichever node is called back.

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    cluster::Cluster,
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::until,
};
use anyhow::{Context, Result};

use crate::{SOON, booked, is_problem, never, refused, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_at_any_node_outlives_the_death_of_the_owner_and_of_the_node_that_took_it() -> Result<()> {
    let mut cluster = Cluster::start(never(), "").await?;
    // Half of them are answered, the others know only by the callback.
    cluster.inject_rule("ship", Rule::action_of("ship", Action::CutAfterRequest).attempts(1..=1).chance(0.5, 7));
    let mut sagas = Vec::new();
    for saga in cluster.begin_many(0, 12, Town::order(1, 100)).await? {
        sagas.push((saga, token(&cluster, saga).await?));
    }
    for (_, token) in &sagas {
        cluster.client(1)?.call_back(token, &booked()).await?;
    }
    cluster.nodes[0].kill().await?;
    cluster.nodes[1].kill().await?;
    for (saga, token) in &sagas {
        let view = cluster.ended(2, *saga).await?;
        assert_eq!(view.status, SagaStatus::Completed);
        assert_eq!(view.output.context("an output")?["tracking"], "told-by-the-test");
        cluster.client(2)?.call_back(token, &booked()).await.context("the same token at every node")?;
        is_problem(
            cluster.client(2)?.call_back(token, &refused()).await,
            409,
            amends_protocol::problem::ProblemType::OtherVerdict,
        );
    }
    cluster.at_rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_of_a_real_participant_arrive_over_deaths_of_all_nodes_and_of_the_database() -> Result<()> {
    let mut cluster = Cluster::start(Plan::later("1s").patient(), "").await?;
    let mut sagas = Vec::new();
    for node in 0..2 {
        for number in 0..6 {
            let mut order = Town::order(1, 100);
            if number == 5 {
                order["address"] = "unknown".into();
            }
            sagas.push((cluster.begin(node, order).await?, number == 5));
        }
    }
    for (saga, _) in &sagas {
        // Its token may be gone already: it is booked and told after a while.
        until("it is accepted", SOON, async || Ok(cluster.effects(*saga).await?.contains_key("ship").then_some(())))
            .await?;
    }
    for node in &mut cluster.nodes {
        node.kill().await?;
    }
    cluster.crash_server()?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    cluster.start_server()?;
    cluster.restart_all().await?;
    for (saga, refused) in sagas {
        let wanted = if refused { SagaStatus::Compensated } else { SagaStatus::Completed };
        assert_eq!(cluster.ended(1, saga).await?.status, wanted);
    }
    cluster.at_rest().await
}
