//! A saga is read and cancelled at any node; its owner judges.

use std::time::Duration;

use amends_client::List;
use amends_protocol::{problem::ProblemType, v1::SagaStatus};
use amends_tests::{
    cluster::Cluster,
    proxy::{Action, Rule},
    town::{Effects, Plan, Town},
    wait::until_true,
};
use anyhow::Result;

use crate::{leases::SHORT_LEASE, measure::adoptions};

const SOON: Duration = Duration::from_secs(20);

/// A call that waits at a gate waits as long as the test needs, however busy the machine is.
fn unhurried(plan: Plan) -> Plan {
    let definition = plan.definition.replace("timeout: 3s", "timeout: 60s");
    plan.with_definition(&definition)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_is_read_and_cancelled_at_nodes_that_do_not_own_it() -> Result<()> {
    let cluster = Cluster::start(unhurried(Plan::orders()), "").await?;
    let slow = cluster.inject("charge", Action::Gated);
    let saga = cluster.begin(0, Town::order(1, 100)).await?;
    until_true("its charge is in flight", SOON, || slow.fired() == 1).await?;
    let seen = cluster.client(1)?.saga(saga, None).await?;
    assert_eq!((seen.id, seen.status), (saga, SagaStatus::Running));
    let list = cluster.client(2)?.sagas(&List::default()).await?;
    assert!(list.items.iter().any(|item| item.id == saga), "it is in the list of any node");
    let history = cluster.client(1)?.history(saga, None, None).await?;
    assert!(history.items.len() >= 4);

    let cancelled = cluster.client(1)?.cancel(saga, Some("changed my mind".to_owned())).await?;
    assert_eq!(cancelled.status, SagaStatus::Compensating, "its owner has judged: {cancelled:#?}");
    let again = cluster.client(2)?.cancel(saga, None).await?;
    assert_eq!(again.status, SagaStatus::Compensating);
    cluster.service("payments").proxy.open_gate();
    assert_eq!(cluster.ended(2, saga).await?.status, SagaStatus::Compensated);
    let after = cluster.client(1)?.cancel(saga, None).await?;
    assert_eq!(after.status, SagaStatus::Compensated, "a repeat gets its answer");
    assert_eq!(cluster.effects(saga).await?["charge"], Effects::UNDONE);
    cluster.at_rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_past_the_pivot_is_refused_at_any_node() -> Result<()> {
    let cluster = Cluster::start(unhurried(Plan::orders()), "").await?;
    let slow = cluster.inject("ship", Action::Gated);
    let saga = cluster.begin(0, Town::order(1, 100)).await?;
    until_true("the pivot's call is in flight", SOON, || slow.fired() == 1).await?;
    for node in [1, 0, 2] {
        let error = cluster.client(node)?.cancel(saga, None).await.expect_err("it is too late");
        assert!(error.is(ProblemType::TooLate), "node {node}: {error:?}");
        assert_eq!(error.problem().map(|problem| problem.status), Some(409));
    }
    assert_eq!(cluster.live().await?.len(), 1, "all were asked while the pivot's call was in flight");
    cluster.service("shipping").proxy.open_gate();
    assert_eq!(cluster.ended(1, saga).await?.status, SagaStatus::Completed);
    let error = cluster.client(2)?.cancel(saga, None).await.expect_err("it has ended");
    assert!(error.is(ProblemType::TooLate), "{error:?}");
    cluster.at_rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_was_acknowledged_while_the_owner_was_dying_is_carried_out_by_its_adopter() -> Result<()> {
    let mut cluster = Cluster::start(unhurried(Plan::orders().patient()), SHORT_LEASE).await?;
    // Kept for ever: only its owner's death ends the call.
    let kept = cluster.inject_rule("charge", Rule::action_of("charge", Action::Keep).attempts(1..=1));
    // The adopters' calls are on the wire until all have been told what becomes of their cancels.
    let again = cluster.inject_rule("charge", Rule::action_of("charge", Action::Gated).attempts(2..=2));
    let sagas = cluster.begin_many(0, 6, Town::order(1, 100)).await?;
    until_true("their charges are in flight", SOON, || kept.fired() == 6).await?;
    cluster.nodes[0].kill().await?;
    let mut cancels = tokio::task::JoinSet::new();
    for (number, saga) in sagas.iter().enumerate() {
        let (client, saga) = (cluster.client(1 + number % 2)?, *saga);
        cancels.spawn(async move { client.cancel(saga, None).await });
    }
    while let Some(cancel) = cancels.join_next().await {
        assert_eq!(cancel??.status, SagaStatus::Compensating, "its adopter has judged, and waits for the call");
    }
    again.assert_fired(6);
    cluster.service("payments").proxy.open_gate();
    cluster.at_rest().await?;
    for saga in sagas {
        assert!(adoptions(&cluster.journal(saga).await?) >= 1);
        assert_eq!(cluster.ended(2, saga).await?.status, SagaStatus::Compensated);
        assert_eq!(cluster.effects(saga).await?["charge"], Effects::UNDONE, "once, by its adopter");
    }
    for late in cluster.service("payments").proxy.release().await? {
        assert_eq!((late.status, late.refused.as_deref()), (409, Some("stale-epoch")), "{late:?}");
    }
    cluster.at_rest().await
}
