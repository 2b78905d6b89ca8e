//! Steps that call once for each item, over a file: each item has one effect or none, whatever dies meanwhile.

use std::{collections::BTreeSet, time::Duration};

use amends_protocol::v1::{SagaStatus, StepStatus};
use amends_tests::{
    audit::ledger::Effect,
    proxy::{Action, Rule, WireRequest},
    town::{CUSTOMER, Effects, Plan, SKU, Town},
    wait::until_true,
    words::Op,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);

/// A basket of kettles, and what else.
fn basket(kettles: u32, more: &[&str]) -> Value {
    let kettles = (1..=kettles).map(|quantity| json!({ "sku": SKU, "quantity": quantity }));
    let more = more.iter().map(|sku| json!({ "sku": sku, "quantity": 1 }));
    json!({ "customer": CUSTOMER, "amount": 100, "lines": kettles.chain(more).collect::<Vec<_>>() })
}

fn calls(town: &Town, saga: Uuid, op: Op) -> Vec<WireRequest> {
    let mut log = town.service("inventory").proxy.log();
    log.retain(|request| request.call.saga == saga && request.call.call.op == op);
    log
}

fn indices(requests: &[WireRequest]) -> Vec<u32> {
    requests.iter().filter_map(|request| request.call.call.index).collect()
}

#[tokio::test]
async fn a_kill_with_items_in_flight_leaves_one_effect_for_each() -> Result<()> {
    let mut town = Town::start(Plan::baskets().patient()).await?;
    let slow = Rule::action_of("reserve", Action::Delay(Duration::from_millis(200))).attempts(1..=1);
    let slow = town.inject_rule("reserve", slow);
    let saga = town.begin(basket(5, &[])).await?;
    for kill in [2, 4] {
        until_true("two items are in flight", SOON, || slow.fired() >= kill).await?;
        town.crash().await?;
    }
    town.heal();
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Completed);
    assert_eq!(view.labels["lines"], 5);
    let reserved = Effects { applied: 5, ..Effects::default() };
    assert_eq!(town.effects(saga).await?["reserve"], reserved);
    let outputs = view.output.context("an output")?["reservations"].as_array().cloned().context("a list")?;
    let distinct: BTreeSet<String> = outputs.iter().map(ToString::to_string).collect();
    assert_eq!((outputs.len(), distinct.len()), (5, 5), "{outputs:?}");
    let items = view.steps.iter().find(|step| step.name == "reserve").and_then(|step| step.items.clone());
    let items = items.context("it has items")?;
    assert!(items.iter().all(|item| item.status == StepStatus::Succeeded), "{items:#?}");
    assert_eq!(items[2].item, json!({ "sku": SKU, "quantity": 3 }));
    assert_eq!(items[2].output.as_ref(), outputs.get(2), "outputs stand in the order of the items");
    town.audit().await
}

#[tokio::test]
async fn a_line_that_is_sold_out_stops_new_ones_and_the_others_go_back_in_reverse_order() -> Result<()> {
    let mut town = Town::start(Plan::baskets().patient()).await?;
    let one_by_one = Plan::baskets().patient().definition.replace("concurrency: 2", "concurrency: 1");
    town.client()?.register(&one_by_one).await?;
    let slow = Rule::compensation_of("reserve", Action::Delay(Duration::from_millis(300))).attempts(1..=1);
    let slow = town.inject_rule("reserve", slow);
    let saga = town.begin(basket(3, &["unicorn", SKU, SKU])).await?;
    until_true("the last item is being undone", SOON, || slow.fired() == 1).await?;
    town.crash().await?;
    town.heal();
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Compensated);
    let cause = view.cause.context("a cause")?.summary;
    assert!(cause.starts_with("reserve[3] was rejected by inventory"), "{cause}");
    assert_eq!(indices(&calls(&town, saga, Op::Action)), [0, 1, 2, 3], "no new item after the one that failed");
    let undone = town.ledger(saga).await?.into_iter().filter(|entry| entry.effect == Effect::Undone);
    let undone: Vec<_> = undone.map(|entry| (entry.call.step, entry.call.index)).collect();
    let expected = [("reserve", Some(2)), ("reserve", Some(1)), ("reserve", Some(0)), ("open", None)];
    assert_eq!(undone, expected.map(|(step, index)| (step.to_owned(), index)));
    town.audit().await
}

#[tokio::test]
async fn items_whose_replies_are_lost_are_asked_again_under_their_own_keys() -> Result<()> {
    let town = Town::start(Plan::baskets().patient()).await?;
    let lost = town.inject_rule("reserve", Rule::action_of("reserve", Action::CutAfterRequest).attempts(1..=1));
    let saga = town.begin(basket(4, &[])).await?;
    assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    lost.assert_fired(4);
    let calls = calls(&town, saga, Op::Action);
    for index in 0..4 {
        let attempts: Vec<u32> = calls.iter().filter(|c| c.call.call.index == Some(index)).map(|c| c.attempt).collect();
        assert_eq!(attempts, [1, 2], "item {index}");
    }
    town.audit().await
}
