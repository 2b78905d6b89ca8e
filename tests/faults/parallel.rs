//! transfer-money: two branches at once, and a step that only reads.

use std::time::Duration;

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    proxy::{Action, Rule},
    town::{CUSTOMER, Effects, OPENING, Plan, Town},
    wait::until_true,
    words::Op,
};
use anyhow::Result;
use serde_json::{Value, json};

use crate::assert_effects;

fn transfer(amount: i64) -> Value {
    json!({ "from": CUSTOMER, "to": CUSTOMER, "amount": amount })
}

#[tokio::test]
async fn money_arrives_once_whichever_reply_is_lost() -> Result<()> {
    let town = Town::start(Plan::banks()).await?;
    for step in ["payee", "withdraw", "deposit"] {
        let lost = town.inject_rule(step, Rule::action_of(step, Action::CutAfterRequest).attempts(1..=1));
        let saga = town.run(transfer(700), SagaStatus::Completed).await?;
        lost.assert_fired(1);
        town.heal();
        assert_effects(&town, saga.id, &[("withdraw", Effects::DONE), ("deposit", Effects::DONE)]).await?;
    }
    town.audit().await
}

#[tokio::test]
async fn branches_without_needs_run_at_the_same_time() -> Result<()> {
    let town = Town::start(Plan::banks()).await?;
    let held = town.inject("payee", Action::Delay(Duration::from_millis(500)));
    let saga = town.begin(transfer(700)).await?;
    until_true("the other branch is done while this one waits", Duration::from_secs(10), || {
        let withdrawn = town.wire(saga, "withdraw", Op::Action).iter().any(|request| request.answered == Some(201));
        let waiting = town.wire(saga, "payee", Op::Action).iter().all(|request| request.answered.is_none());
        withdrawn && waiting && held.fired() == 1
    })
    .await?;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    town.audit().await
}

#[tokio::test]
async fn a_pivot_that_is_rejected_takes_the_money_back_to_where_it_was() -> Result<()> {
    let town = Town::start(Plan::banks()).await?;
    set_account(&town, json!({ "balance": OPENING, "frozen": true })).await?;
    let saga = town.run(transfer(700), SagaStatus::Compensated).await?;
    assert_effects(&town, saga.id, &[("withdraw", Effects::UNDONE)]).await?;
    town.audit().await
}

#[tokio::test]
async fn a_branch_that_fails_undoes_the_other_even_if_it_is_still_in_flight() -> Result<()> {
    let town = Town::start(Plan::banks()).await?;
    let slow = town.inject("withdraw", Action::Delay(Duration::from_millis(400)));
    let no = town.inject("payee", Action::Acked(404));
    let saga = town.run(transfer(700), SagaStatus::Compensated).await?;
    slow.assert_fired(1);
    no.assert_fired(1);
    assert_effects(&town, saga.id, &[("withdraw", Effects::UNDONE)]).await?;
    town.audit().await
}

async fn set_account(town: &Town, account: Value) -> Result<()> {
    let url = format!("http://{}/accounts/{CUSTOMER}", town.service("bank-b").process.address());
    let http = reqwest::Client::builder().no_proxy().build()?;
    http.put(url).json(&account).send().await?.error_for_status()?;
    Ok(())
}
