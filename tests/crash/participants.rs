//! A participant dies at the worst moment: after its commit, before its reply.

use std::{os::unix::process::ExitStatusExt, time::Duration};

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    town::{Effects, Plan, Town},
    words::Op,
};
use anyhow::Result;
use serde_json::Value;

/// It is in the middle of a call.
const DEATH_BOUND: Duration = Duration::from_secs(20);
const SIGABRT: i32 = 6;

/// Runs one order during which this service dies after that commit; it is restarted and the saga ends so.
async fn dies(service: &'static str, at: &str, order: Value, end: SagaStatus) -> Result<()> {
    let mut town = Town::start(Plan::orders().patient().aborting(service, at)).await?;
    let saga = town.begin(order).await?;
    let process = &mut town.service_mut(service).process;
    let death = process.exited(DEATH_BOUND).await?;
    assert_eq!(death.signal(), Some(SIGABRT), "it died as it was told");
    process.restart_without("--abort-after-commit").await?;
    assert_eq!(town.ended(saga).await?.status, end);

    let (step, op) = match at.split_once(':') {
        Some((step, _)) => (step, Op::Compensate),
        None => (at, Op::Action),
    };
    let wire = town.wire(saga, step, op);
    assert!(wire.len() >= 2, "{step} was asked again");
    assert_eq!(wire[0].answered, None, "the first answer was never given");
    let last = wire.last().and_then(|request| request.copies.last()?.answer.as_ref());
    assert!(
        last.is_some_and(|answer| answer.acked && (200..300).contains(&answer.status)),
        "the stored reply: {last:?}"
    );
    let expected = if end == SagaStatus::Completed { Effects::DONE } else { Effects::UNDONE };
    assert_eq!(town.effects(saga).await?[step], expected);
    town.audit().await
}

fn undeliverable() -> Value {
    let mut order = Town::order(1, 100);
    order["address"] = "unknown".into();
    order
}

#[tokio::test]
async fn orders_dies_after_committing_an_order_and_it_is_opened_once() -> Result<()> {
    dies("orders", "open", Town::order(1, 100), SagaStatus::Completed).await
}

#[tokio::test]
async fn inventory_dies_after_committing_a_reservation_and_it_is_reserved_once() -> Result<()> {
    dies("inventory", "reserve", Town::order(1, 100), SagaStatus::Completed).await
}

#[tokio::test]
async fn payments_dies_after_committing_a_charge_and_it_is_charged_once() -> Result<()> {
    dies("payments", "charge", Town::order(1, 100), SagaStatus::Completed).await
}

#[tokio::test]
async fn shipping_dies_after_committing_the_pivot_and_it_is_shipped_once() -> Result<()> {
    dies("shipping", "ship", Town::order(1, 100), SagaStatus::Completed).await
}

#[tokio::test]
async fn orders_dies_after_committing_a_confirmation_and_it_is_confirmed_once() -> Result<()> {
    dies("orders", "confirm", Town::order(1, 100), SagaStatus::Completed).await
}

#[tokio::test]
async fn payments_dies_after_committing_a_refund_and_it_is_refunded_once() -> Result<()> {
    dies("payments", "charge:compensate", undeliverable(), SagaStatus::Compensated).await
}

#[tokio::test]
async fn inventory_dies_after_committing_a_release_and_it_is_released_once() -> Result<()> {
    dies("inventory", "reserve:compensate", undeliverable(), SagaStatus::Compensated).await
}
