//! SIGTERM: what is in flight ends, nothing becomes unknown, and the next process goes on.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::Event,
    proxy::Action,
    town::{Plan, Town},
    wait::until_true,
};
use anyhow::Result;

/// The drain of the configuration's default, and a little.
const STOP_BOUND: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_graceful_stop_causes_no_unknown_and_the_next_process_finishes_every_saga() -> Result<()> {
    let mut town = Town::start(Plan::orders()).await?;
    let slow = town.inject("charge", Action::Delay(Duration::from_millis(300)));
    let mut sagas = Vec::new();
    for _ in 0..12 {
        sagas.push(town.begin(Town::order(1, 100)).await?);
    }
    until_true("charges are in flight", Duration::from_secs(10), || slow.fired() >= 3).await?;
    let status = town.orchestrator.stop(STOP_BOUND).await?;
    assert!(status.success(), "it ended by itself: {status}");
    let at_stop = town.sagas().await?;
    let unended = at_stop.iter().filter(|saga| saga.row.ended_at.is_none()).count();
    assert!(unended > 0, "there was something left to do");

    town.orchestrator.restart().await?;
    for saga in sagas {
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    }
    let rows = town.sagas().await?.into_iter().flat_map(|saga| saga.journal);
    let unknown: Vec<_> = rows.filter(|row| matches!(row.event, Event::CallUnknown { .. })).collect();
    assert_eq!(unknown, [], "a stop makes nothing unknown");
    town.audit().await
}

#[tokio::test]
async fn a_start_during_a_stop_is_refused_or_done_but_never_lost() -> Result<()> {
    let mut town = Town::start(Plan::orders()).await?;
    let client = town.client()?;
    let start = town.start_of(Town::order(1, 100));
    let starts = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        while let Ok(answer) = client.start(&start).await {
            acknowledged.push(answer.saga.id);
        }
        acknowledged
    });
    until_true("some have ended", Duration::from_secs(10), || town.services["shipping"].proxy.log().len() >= 3).await?;
    assert!(town.orchestrator.stop(STOP_BOUND).await?.success());
    let acknowledged = starts.await?;
    assert!(acknowledged.len() >= 3);
    town.orchestrator.restart().await?;
    for saga in acknowledged {
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    }
    town.audit().await
}
