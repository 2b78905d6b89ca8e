//! What an operator says of versions holds over a kill, and for sagas that are there already.

use amends_client::{ClientError, Start};
use amends_protocol::{problem::ProblemType, v1::SagaStatus};
use amends_tests::town::{Plan, Town};
use anyhow::Result;

/// The problem of a call that must not succeed.
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, Option<ProblemType>, String) {
    let error = answer.expect_err("it is refused");
    let problem = error.problem().unwrap_or_else(|| panic!("no problem: {error}"));
    (problem.status, problem.problem_type(), problem.detail.clone().unwrap_or_default())
}

fn of_version(town: &Town, version: u32) -> Start {
    let mut start = town.start_of(Town::order(1, 100));
    start.request.version = Some(version);
    start
}

fn changed(town: &Town, mark: &str) -> String {
    town.definition().replace("output: { order: ", &format!("output: {{ {mark}: true, order: "))
}

#[tokio::test]
async fn a_disabled_version_stays_so_over_a_kill_and_its_sagas_go_on() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    town.client()?.register(&changed(&town, "newer")).await?;
    town.service("shipping").proxy.set_door(amends_tests::proxy::Door::Closed).await;
    let running = town.begin(Town::order(1, 100)).await?;
    let off = town.client()?.set_disabled("place-order", 2, true).await?;
    assert!(off.disabled_at.is_some());
    town.crash().await?;
    let asked = of_version(&town, 2);
    let (status, kind, _) = refused(town.client()?.start(&asked).await);
    assert_eq!((status, kind), (409, Some(ProblemType::DefinitionDisabled)));
    assert_eq!(town.client()?.definition("place-order", Some(2)).await?.disabled_at, off.disabled_at);
    town.service("shipping").proxy.set_door(amends_tests::proxy::Door::Open).await;

    let ended = town.ended(running).await?;
    assert_eq!((ended.status, ended.version), (SagaStatus::Completed, 2), "it goes on with its own");
    assert_eq!(town.run(Town::order(1, 100), SagaStatus::Completed).await?.version, 1, "the next highest takes starts");
    town.client()?.set_disabled("place-order", 1, true).await?;
    let (status, ..) = refused(town.client()?.start(&town.start_of(Town::order(1, 100))).await);
    assert_eq!(status, 409, "none takes starts");
    town.client()?.set_disabled("place-order", 2, false).await?;
    town.crash().await?;
    assert_eq!(town.run(Town::order(1, 100), SagaStatus::Completed).await?.version, 2);
    town.audit().await
}

#[tokio::test]
async fn a_version_that_no_saga_uses_is_deleted_for_good_and_one_that_is_used_is_not() -> Result<()> {
    let mut town = Town::start(Plan::orders()).await?;
    let used = town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    town.client()?.register(&changed(&town, "newer")).await?;

    let (status, kind, detail) = refused(town.client()?.delete_definition("place-order", 1).await);
    assert_eq!((status, kind), (409, Some(ProblemType::DefinitionInUse)));
    assert!(detail.contains("1 saga is") && detail.contains(&used.id.to_string()), "{detail}");
    // As if nobody had asked.
    let asked = of_version(&town, 1);
    let again = town.client()?.start(&asked).await?.saga.id;
    assert_eq!(town.ended(again).await?.version, 1);

    let gone = town.client()?.delete_definition("place-order", 2).await?;
    assert!(gone.version == 2 && gone.source.is_some_and(|source| source.contains("newer")));
    town.crash().await?;
    let asked = of_version(&town, 2);
    assert_eq!(refused(town.client()?.start(&asked).await).0, 404);
    assert_eq!(refused(town.client()?.definition("place-order", Some(2)).await).0, 404);
    assert_eq!(refused(town.client()?.set_disabled("place-order", 2, false).await).0, 404);
    assert_eq!(refused(town.client()?.delete_definition("place-order", 2).await).0, 404);
    assert_eq!(town.run(Town::order(1, 100), SagaStatus::Completed).await?.version, 1, "what a start takes then");
    // Its number stays taken, also for the same text.
    let version_two = format!("version: 2\n{}", changed(&town, "newer"));
    assert_eq!(refused(town.client()?.register(&version_two).await).0, 409);
    assert_eq!(town.client()?.register(&changed(&town, "newer")).await?.version, 3);
    assert_eq!(town.run(Town::order(1, 100), SagaStatus::Completed).await?.version, 3);
    town.audit().await
}
