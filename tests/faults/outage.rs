//! Every reply of every service is lost for a while, wherever a saga stands when that begins. `AMENDS_OUTAGE_SECONDS` says for how long
//! at least; by itself until every call that meets it has been made again and again.

use std::time::{Duration, Instant};

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    dice,
    proxy::{Action, Injected, Rule},
    town::{Effects, Plan, Town},
    wait::until_true,
    words::Op,
};
use anyhow::Result;
use serde_json::Value;
use uuid::Uuid;

use crate::{BEFORE_PIVOT, STEPS, all, assert_effects, order_rejected_at};

/// Of each kind.
const SAGAS: usize = 6;
/// At least, during the outage.
const ASKED: usize = 5;

async fn begun(town: &Town, order: &Value) -> Result<Vec<Uuid>> {
    let mut sagas = Vec::new();
    for _ in 0..SAGAS {
        sagas.push(town.begin(order.clone()).await?);
    }
    Ok(sagas)
}

#[tokio::test]
async fn replies_that_are_lost_everywhere_for_a_while_leave_one_effect_each() -> Result<()> {
    let outage = Duration::from_secs(dice::number("AMENDS_OUTAGE_SECONDS", 0));
    let plan = Plan::orders().patient();
    // Behind the gate it must not time out, in the outage it must not be given up, and after it it should not take long.
    let undo = "inventory DELETE /reservations/${{ saga.id }}\"";
    let often = ", retry: { attempts: 1000, backoff: 100ms, max_backoff: 1s }";
    assert!(plan.definition.contains(undo));
    let definition = plan.definition.replace("timeout: 3s", "timeout: 20s").replace("attempts: 50", "attempts: 1000");
    let definition = definition.replace(undo, &format!("{undo}{often}"));
    let town = Town::start(plan.with_definition(&definition)).await?;
    let gated = town.inject_rule("charge", Rule::action_of("charge", Action::Gated).attempts(1..=1));
    let at_pivot = begun(&town, &Town::order(2, 500)).await?;
    let undone = begun(&town, &order_rejected_at("charge")).await?;
    until_true("charges wait", Duration::from_secs(10), || gated.fired() == 2 * SAGAS as u64).await?;

    let lost: Vec<_> =
        town.services.values().map(|service| service.proxy.inject(Rule::every(Action::CutAfterRequest))).collect();
    let (began, fresh) = (Instant::now(), begun(&town, &Town::order(2, 500)).await?);
    town.service("payments").proxy.open_gate();
    let groups = [
        (&fresh, "open", Op::Action, &STEPS[..], Effects::DONE, SagaStatus::Completed),
        (&at_pivot, "ship", Op::Action, &STEPS[..], Effects::DONE, SagaStatus::Completed),
        (&undone, "reserve", Op::Compensate, &BEFORE_PIVOT[..2], Effects::UNDONE, SagaStatus::Compensated),
    ];
    for (sagas, step, op, ..) in &groups {
        let asked = || sagas.iter().all(|saga| town.wire(*saga, step, *op).len() >= ASKED);
        until_true(&format!("{step} was asked for again and again"), Duration::from_secs(30), asked).await?;
    }
    tokio::time::sleep(outage.saturating_sub(began.elapsed())).await;
    assert!(lost.iter().map(Injected::fired).sum::<u64>() >= (3 * SAGAS * ASKED) as u64);
    town.heal();
    for (sagas, step, op, steps, effects, end) in &groups {
        for saga in *sagas {
            assert_eq!(town.ended(*saga).await?.status, *end, "{step}");
            assert_effects(&town, *saga, &all(steps, *effects)).await?;
            let wire = town.wire(*saga, step, *op);
            let asked = wire.iter().filter(|request| request.copies.len() == 1 && request.answered.is_none()).count();
            assert!(asked >= ASKED, "{step} was done, and nobody heard of it: {asked}");
        }
    }
    eprintln!(
        "the outage lasted {:?}; {} replies were lost",
        began.elapsed(),
        lost.iter().map(Injected::fired).sum::<u64>()
    );
    town.audit().await
}
