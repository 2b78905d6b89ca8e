//! One key, one saga: at once, again, after a crash, after the end.

mod versions;

use amends_client::Start;
use amends_protocol::v1::SagaStatus;
use amends_tests::town::{Plan, Town};
use anyhow::Result;
use serde_json::{Value, json};

fn keyed(town: &Town, key: &str, input: Value) -> Start {
    Start { key: Some(key.to_owned()), ..town.start_of(input) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_starts_at_once_with_one_key_make_one_saga() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let start = keyed(&town, "order-4711", Town::order(1, 100));
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (client, start) = (town.client()?, start.clone());
        starts.spawn(async move { client.start(&start).await });
    }
    let answers = starts.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let id = answers[0].saga.id;
    assert!(answers.iter().all(|answer| answer.saga.id == id), "one id");
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one of them made it");
    assert_eq!(town.ended(id).await?.status, SagaStatus::Completed);
    assert_eq!(town.sagas().await?.len(), 1);
    town.audit().await
}

#[tokio::test]
async fn a_key_means_the_same_saga_after_a_crash_and_after_the_end_and_no_other_input() -> Result<()> {
    let mut town = Town::start(Plan::orders()).await?;
    let start = keyed(&town, "order-4712", Town::order(1, 100));
    let first = town.client()?.start(&start).await?;
    town.crash().await?;
    let again = town.client()?.start(&start).await?;
    assert_eq!((again.saga.id, again.replayed), (first.saga.id, true));
    town.ended(first.saga.id).await?;
    let after = town.client()?.start(&start).await?;
    assert_eq!((after.saga.id, after.replayed), (first.saga.id, true));

    let other = keyed(&town, "order-4712", Town::order(2, 100));
    let error = town.client()?.start(&other).await.expect_err("the key is taken");
    assert_eq!(error.problem().map(|problem| problem.status), Some(422), "{error}");
    assert_eq!(town.sagas().await?.len(), 1);
    town.audit().await
}

#[tokio::test]
async fn an_input_that_does_not_fit_starts_nothing() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    for bad in [json!({}), json!({ "customer": "ada", "sku": "kettle", "quantity": "two", "amount": 1 })] {
        let error = town.client()?.start(&town.start_of(bad)).await.expect_err("it does not fit");
        assert_eq!(error.problem().map(|problem| problem.status), Some(422), "{error}");
    }
    assert_eq!(town.sagas().await?.len(), 1);
    town.audit().await
}

#[tokio::test]
async fn a_saga_finishes_on_the_definition_it_started_with() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient()).await?;
    let shipping = &town.service("shipping").proxy;
    shipping.set_door(amends_tests::proxy::Door::Closed).await;
    let saga = town.begin(Town::order(1, 100)).await?;
    let newer = town.definition().replace("output: { order: ", "output: { newer: true, order: ");
    let registered = town.client()?.register(&newer).await?;
    assert!(registered.created && registered.version == 2, "{registered:?}");
    town.crash().await?;
    town.service("shipping").proxy.set_door(amends_tests::proxy::Door::Open).await;

    let old = town.ended(saga).await?;
    assert_eq!((old.status, old.version), (SagaStatus::Completed, 1));
    assert_eq!(old.output.as_ref().and_then(|output| output.get("newer")), None);
    let new = town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    assert_eq!((new.version, new.output.as_ref().map(|output| output["newer"].clone())), (2, Some(json!(true))));
    town.audit().await
}
