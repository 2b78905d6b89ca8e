//! Locks over a file: who has one keeps it over any kill, who waits keeps the place, and nobody reads what is undone later.

use std::time::Duration;

use amends_client::Signal;
use amends_protocol::v1::{LockStatus, SagaStatus, SagaView};
use amends_tests::{
    audit::journal::Event,
    town::{CUSTOMER, OPENING, Plan, Town},
    wait::until,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);
const AMOUNT: i64 = 700;

/// Takes money and waits for a word, or only looks what is there.
const LOOK: &str = r#"
saga: look
input: { type: object }
locks: ["account:${{ input.from }}"]
steps:
  withdraw:
    if: "${{ input.takes }}"
    call: bank-a POST /withdrawals
    body: { transfer: "${{ saga.id }}", account: "${{ input.from }}", amount: "${{ input.amount }}" }
    compensate: { call: "bank-a POST /withdrawals/${{ saga.id }}/reverse" }
  ask: { if: "${{ input.takes }}", await: go, timeout: 1h }
  read:
    call: bank-a GET /accounts/${{ input.from }}
    output: { balance: "${{ response.body.balance }}" }
    compensate: none
    reason: reads only
output: { balance: "${{ steps.read.output.balance }}" }
"#;

fn looks() -> Value {
    json!({ "from": CUSTOMER, "takes": false, "amount": AMOUNT })
}

fn takes() -> Value {
    json!({ "from": CUSTOMER, "takes": true, "amount": AMOUNT })
}

async fn waits_for_word(town: &Town, saga: Uuid) -> Result<()> {
    until("it waits for a word", SOON, async || {
        let journal = town.journal(saga).await?;
        Ok(journal.iter().any(|row| matches!(row.event, Event::AwaitStarted { .. })).then_some(()))
    })
    .await
}

async fn waits_for_lock(town: &Town, saga: Uuid) -> Result<SagaView> {
    until("it waits for its lock", SOON, async || {
        let view = town.client()?.saga(saga, None).await?;
        Ok((view.locks[0].status == LockStatus::Waiting).then_some(view))
    })
    .await
}

fn go() -> Signal {
    Signal { name: "go".to_owned(), key: Some("go-1".to_owned()), payload: Value::Null }
}

/// What a saga that only looks has seen.
async fn seen(town: &Town, saga: Uuid) -> Result<i64> {
    let view = town.ended(saga).await?;
    assert_eq!(view.status, SagaStatus::Completed);
    view.output.context("it has an output")?["balance"].as_i64().context("a balance")
}

#[tokio::test]
async fn without_locks_a_saga_reads_what_is_undone_later_and_with_locks_it_does_not() -> Result<()> {
    let unlocked: String =
        LOOK.lines().filter(|line| !line.starts_with("locks:")).map(|line| format!("{line}\n")).collect();
    let town = Town::start(Plan::banks().with_definition(&unlocked)).await?;
    let other = town.begin(takes()).await?;
    waits_for_word(&town, other).await?;
    assert_eq!(seen(&town, town.begin(looks()).await?).await?, OPENING - AMOUNT, "dirty: this money is still there");
    town.client()?.cancel(other, None).await?;
    assert_eq!(town.ended(other).await?.status, SagaStatus::Compensated);
    town.audit().await?;

    let town = Town::start(Plan::banks().with_definition(LOOK)).await?;
    let other = town.begin(takes()).await?;
    waits_for_word(&town, other).await?;
    let looking = town.begin(looks()).await?;
    waits_for_lock(&town, looking).await?;
    town.client()?.cancel(other, None).await?;
    assert_eq!(seen(&town, looking).await?, OPENING, "it has waited until the money was back");
    assert_eq!(town.ended(other).await?.status, SagaStatus::Compensated);
    town.audit().await
}

#[tokio::test]
async fn holder_and_waiters_go_on_over_kills_in_order_of_arrival() -> Result<()> {
    let mut town = Town::start(Plan::banks().with_definition(LOOK)).await?;
    let holder = town.begin(takes()).await?;
    waits_for_word(&town, holder).await?;
    let mut waiters = Vec::new();
    for nth in 0..4 {
        let saga = town.begin(looks()).await?;
        let view = waits_for_lock(&town, saga).await?;
        assert_eq!(view.locks[0].place, Some(nth + 2));
        let ahead: Vec<Uuid> = view.locks[0].ahead.iter().map(|ahead| ahead.id).collect();
        assert_eq!(ahead, [&[holder], &waiters[..]].concat());
        waiters.push(saga);
    }
    for _ in 0..2 {
        town.crash().await?;
        let lock = format!("account:{CUSTOMER}");
        let queue = town.client()?.lock_queue(&lock, None, None).await?;
        let queue: Vec<Uuid> = queue.items.iter().map(|queued| queued.id).collect();
        assert_eq!(queue, [&[holder], &waiters[..]].concat(), "nobody has lost a place");
    }
    assert_eq!(town.client()?.saga(holder, None).await?.locks[0].status, LockStatus::Held);
    let first = town.client()?.lock_queue(&format!("account:{CUSTOMER}"), Some(2), None).await?;
    assert_eq!(first.items.len(), 2);
    let cursor = first.next_cursor.context("there are more")?;
    let rest = town.client()?.lock_queue(&format!("account:{CUSTOMER}"), Some(200), Some(&cursor)).await?;
    assert_eq!((rest.items.len(), rest.next_cursor), (3, None));
    town.client()?.signal(holder, &go()).await?;
    let mut ends = Vec::new();
    for saga in &waiters {
        assert_eq!(seen(&town, *saga).await?, OPENING - AMOUNT);
        ends.push(town.journal(*saga).await?.last().context("an end")?.at);
    }
    assert!(ends.is_sorted(), "in order of arrival");
    assert_eq!(town.client()?.lock_queue(&format!("account:{CUSTOMER}"), None, None).await?.items, []);
    town.audit().await
}

#[tokio::test]
async fn kills_while_many_come_and_go_neither_leak_a_lock_nor_give_one_to_two() -> Result<()> {
    let mut town = Town::start(Plan::banks().patient()).await?;
    let mut sagas = Vec::new();
    for round in 0..3 {
        for _ in 0..15 {
            sagas.push(town.begin(json!({ "from": CUSTOMER, "to": CUSTOMER, "amount": 1 })).await?);
        }
        town.crash().await.with_context(|| format!("round {round}"))?;
    }
    for saga in sagas {
        assert_eq!(town.ended(saga).await?.status, SagaStatus::Completed);
    }
    town.audit().await
}
