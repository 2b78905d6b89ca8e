//! What can happen to the one file that an orchestrator has: somebody keeps it locked, something in it is gone.

use std::time::{Duration, Instant};

use amends_client::{ClientError, Start};
use amends_protocol::{problem::ProblemType, v1::SagaStatus};
use amends_tests::{
    proxy::{Action, Rule},
    town::{Effects, Plan, Town},
    wait::{until, until_true},
};
use anyhow::{Context, Result};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

const SOON: Duration = Duration::from_secs(20);

/// Somebody else's connection to the orchestrator's file.
async fn other(town: &Town) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(town.folder().join("amends.db")).busy_timeout(SOON);
    Ok(SqliteConnection::connect_with(&options).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_keeps_locked_for_longer_than_is_waited_is_503_and_nothing_is_lost() -> Result<()> {
    let town = Town::start(Plan::orders().patient()).await?;
    let gated = town.inject_rule("charge", Rule::action_of("charge", Action::Delay(Duration::from_secs(1))));
    let before = town.begin(Town::order(1, 100)).await?;
    until_true("its charge is in flight", SOON, || gated.fired() == 1).await?;
    let mut other = other(&town).await?;
    sqlx::query("-- keeps_the_file_locked\nbegin immediate").execute(&mut other).await?;

    let start = Start { key: Some("locked-out".to_owned()), ..town.start_of(Town::order(1, 100)) };
    let began = Instant::now();
    let refused = town.client()?.start(&start).await;
    let Err(ClientError::Problem { problem, retry_after: Some(retry_after) }) = refused else { panic!("{refused:?}") };
    assert_eq!((problem.status, problem.problem_type()), (503, Some(ProblemType::StoreUnavailable)));
    assert!(retry_after >= Duration::from_secs(1), "{retry_after:?}");
    assert!(began.elapsed() >= Duration::from_secs(5), "it was waited for: {:?}", began.elapsed());
    assert_eq!(town.sagas().await?.len(), 1, "nothing of it was written");
    assert_eq!(town.client()?.saga(before, None).await?.status, SagaStatus::Running, "and it is still read");

    sqlx::query("-- lets_go_of_it\nrollback").execute(&mut other).await?;
    other.close().await?;
    let started = town.client()?.start(&start).await?.saga.id;
    for saga in [before, started] {
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
        assert!(town.effects(saga).await?.values().all(|effects| *effects == Effects::DONE), "once each");
    }
    assert_eq!(town.sagas().await?.len(), 2, "the start that was refused did not come back");
    town.audit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_whose_definition_is_gone_is_left_as_it_is_and_holds_up_nobody_until_it_is_back() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    let held = town.inject_rule("charge", Rule::action_of("charge", Action::Blackhole).attempts(1..=1));
    let newer = town.definition().replace("output: { order: ", "output: { newer: true, order: ");
    let older = town.begin(Town::order(1, 100)).await?;
    assert_eq!(town.client()?.register(&newer).await?.version, 2);
    let other = town.begin(Town::order(1, 100)).await?;
    until_true("both are under way", SOON, || held.fired() == 2).await?;
    let rows = town.journal(older).await?;
    town.orchestrator.kill().await?;
    let mut file = self::other(&town).await?;
    for statement in [
        "-- set_aside\ncreate table set_aside as select * from definitions where version = 1",
        "-- is_gone\ndelete from definitions where version = 1",
    ] {
        let changed = sqlx::query(statement).execute(&mut file).await?.rows_affected();
        assert!(statement.contains("create") || changed == 1, "{statement}: {changed}");
    }
    file.close().await?;

    town.orchestrator.restart().await?;
    assert_eq!(town.ended(other).await?.status, SagaStatus::Completed, "the other one goes on");
    let said = |line: &str| line.contains(&older.to_string()) && line.contains("cannot be read and is not driven");
    until("it is told", SOON, async || Ok(town.orchestrator.log()?.lines().any(said).then_some(()))).await?;
    assert_eq!(town.journal(older).await?, rows, "nobody wrote behind what he could not read");
    let shown = town.client()?.saga(older, None).await?.unreadable.expect("it cannot be read");
    assert!(shown.reason.contains("definition place-order version 1"), "{shown:?}");
    let fresh = town.begin(Town::order(1, 100)).await?;
    assert_eq!(town.ended(fresh).await?.status, SagaStatus::Completed, "new ones are served as ever");

    town.orchestrator.kill().await?;
    let mut file = self::other(&town).await?;
    let back = "-- is_back\ninsert into definitions select * from set_aside";
    assert_eq!(sqlx::query(back).execute(&mut file).await?.rows_affected(), 1);
    sqlx::query("-- as_it_was\ndrop table set_aside").execute(&mut file).await?;
    file.close().await.context("the file is free again")?;
    town.orchestrator.restart().await?;
    assert_eq!(town.ended(older).await?.status, SagaStatus::Completed);
    assert!(town.effects(older).await?.values().all(|effects| *effects == Effects::DONE), "once each");
    town.audit().await
}
