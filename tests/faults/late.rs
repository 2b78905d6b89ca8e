//! Copies that arrive when their time is over.

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    proxy::Action,
    town::{CUSTOMER, Effects, OPENING, Plan, Town},
};
use anyhow::Result;
use serde_json::json;

use crate::{BEFORE_PIVOT, all, assert_effects, before, order_rejected_at};

#[tokio::test]
async fn an_action_that_arrives_after_its_compensation_changes_nothing() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    for step in BEFORE_PIVOT {
        let held = town.inject(step, Action::Hold { lost: true });
        let saga = town.run(Town::order(2, 500), SagaStatus::Compensated).await?;
        held.assert_fired(3);
        town.heal();
        let mut effects = all(before(step), Effects::UNDONE);
        effects.push((step, Effects::NULL));
        assert_effects(&town, saga.id, &effects).await?;

        let answers = town.service(&town.service_of(step)).proxy.release().await?;
        assert_eq!(answers.len(), 3, "all three attempts arrive after all");
        for answer in answers {
            assert_eq!((answer.status, answer.acked), (409, true), "{answer:?}");
            assert!(answer.body.contains("already-compensated"), "{answer:?}");
        }
        assert_effects(&town, saga.id, &effects).await?;
    }
    town.audit().await
}

#[tokio::test]
async fn a_rejection_stays_one_when_its_copy_arrives_in_better_times() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let held = town.inject("charge", Action::Hold { lost: false });
    let saga = town.run(order_rejected_at("charge"), SagaStatus::Compensated).await?;
    held.assert_fired(1);

    set_balance(&town, OPENING * 10).await?;
    let answers = town.service("payments").proxy.release().await?;
    assert_eq!((answers.len(), answers[0].status, answers[0].acked), (1, 402, true), "{answers:?}");
    assert_effects(&town, saga.id, &all(before("charge"), Effects::UNDONE)).await?;
    set_balance(&town, OPENING).await?;
    town.audit().await
}

async fn set_balance(town: &Town, balance: i64) -> Result<()> {
    let url = format!("http://{}/accounts/{CUSTOMER}", town.service("payments").process.address());
    let http = reqwest::Client::builder().no_proxy().build()?;
    http.put(url).json(&json!({ "balance": balance })).send().await?.error_for_status()?;
    Ok(())
}
