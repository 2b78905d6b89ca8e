//! Five short acts. Each says what is about to happen, lets it happen, and makes sure that it did.

use std::time::Duration;

use amends_client::{Client, Start};
use amends_protocol::v1::{AttemptOutcome, SagaStatus, SagaView, StartRequest};
use anyhow::{Context, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{books::LedgerEntry, door::Door, fetch, stage::Stage, talk::Talk};
use crate::{style::Style, timeline::timeline};

const PLACE_ORDER: &str = include_str!("../../../../sagas/place-order.yaml");
const TRANSFER_MONEY: &str = include_str!("../../../../sagas/transfer-money.yaml");

/// Longer than any act takes; a saga that needs longer is a failure of the demo.
const PATIENCE: Duration = Duration::from_secs(20);
/// Five attempts of 2 s are made for a charge; the kill has to come while they are made.
const HELD_WITHIN: Duration = Duration::from_secs(8);
/// How many of the interrupted orders wait for their money, and how many for their parcel.
const HELD_AT_CHARGE: usize = 2;
const HELD_AT_SHIP: usize = 3;

/// Sagas whose start was acknowledged. The audit wants every one of them.
#[derive(Default)]
pub(super) struct Started(Vec<Uuid>);

impl Started {
    pub(super) fn ids(self) -> Vec<Uuid> {
        self.0
    }

    pub(super) fn add(&mut self, saga: Uuid) {
        self.0.push(saga);
    }
}

pub(super) async fn register(stage: &Stage) -> anyhow::Result<()> {
    let client = stage.client()?;
    for source in [PLACE_ORDER, TRANSFER_MONEY] {
        client.register(source).await.context("a definition of the demo was refused")?;
    }
    Ok(())
}

pub(super) fn order(customer: &str, sku: &str) -> Start {
    start(
        "place-order",
        json!({ "customer": customer, "sku": sku, "quantity": 1, "amount": 4_900, "address": "Mill Lane 3" }),
    )
}

pub(super) fn transfer(to: &str) -> Start {
    start("transfer-money", json!({ "from": "ada", "to": to, "amount": 2_500 }))
}

fn start(definition: &str, input: Value) -> Start {
    let request = StartRequest { definition: definition.to_owned(), input, ..StartRequest::default() };
    // With a key a start whose answer is lost can be repeated.
    Start { request, key: Some(Uuid::new_v4().to_string()), wait: Some(PATIENCE), traceparent: None }
}

/// Starts a saga and waits for its end.
async fn run(client: &Client, start: Start, started: &mut Started) -> anyhow::Result<SagaView> {
    let answer = client.start(&start).await?;
    started.add(answer.saga.id);
    ended(client, answer.saga).await
}

pub(super) async fn ended(client: &Client, saga: SagaView) -> anyhow::Result<SagaView> {
    let saga = if saga.status.is_terminal() { saga } else { client.saga(saga.id, Some(PATIENCE)).await? };
    ensure!(saga.status.is_terminal(), "a saga did not end:\n{}", timeline(&saga, Style::PLAIN));
    Ok(saga)
}

fn expect(saga: &SagaView, status: SagaStatus) -> anyhow::Result<()> {
    ensure!(saga.status == status, "a saga should be {status}:\n{}", timeline(saga, Style::PLAIN));
    Ok(())
}

pub(super) async fn goes_well(stage: &Stage, talk: &Talk, started: &mut Started) -> anyhow::Result<()> {
    talk.headline(
        "1 · An order goes well",
        "Open the order, reserve the stock, take the money, book the parcel, confirm the order. Every intent is written \
         down before a byte is sent, so that nothing can happen that the journal does not know of.",
    )?;
    let saga = run(&stage.client()?, order("ada", "lamp"), started).await?;
    talk.saga(&saga)?;
    expect(&saga, SagaStatus::Completed)
}

pub(super) async fn refused(stage: &Stage, talk: &Talk, started: &mut Started) -> anyhow::Result<()> {
    talk.headline(
        "2 · The customer has no money",
        "Payments says no after the stock is reserved and the order is open. Nothing can be rolled back across \
         services; so what was done is undone, last first, each by the service that did it.",
    )?;
    let saga = run(&stage.client()?, order("bob", "lamp"), started).await?;
    talk.saga(&saga)?;
    expect(&saga, SagaStatus::Compensated)
}

pub(super) async fn reply_lost(stage: &Stage, talk: &Talk, started: &mut Started) -> anyhow::Result<()> {
    talk.headline(
        "3 · The money is taken, and the reply is lost",
        "Payments charges the customer, commits, and the connection dies before the answer. Was the money taken? Nobody \
         can know, so the same call is made again under the same key, and payments answers with the reply it stored.",
    )?;
    let before = stage.payments.lost();
    stage.payments.lose_next_reply();
    let saga = run(&stage.client()?, order("ada", "lamp"), started).await?;
    talk.saga(&saga)?;
    expect(&saga, SagaStatus::Completed)?;
    ensure!(stage.payments.lost() == before + 1, "no reply of payments was lost");
    let outcomes = outcomes(&saga, "charge");
    ensure!(
        outcomes.first() == Some(&Some(AttemptOutcome::Unknown))
            && outcomes.last() == Some(&Some(AttemptOutcome::Success)),
        "the lost reply was not seen as unknown: {outcomes:?}"
    );
    let times = applied(stage, &stage.payments, saga.id).await?;
    talk.note(&format!("asked {}; the ledger of payments says: applied {}", many(outcomes.len()), many(times)))?;
    ensure!(times == 1, "the charge was applied {}", many(times));
    Ok(())
}

pub(super) async fn killed(stage: &mut Stage, talk: &Talk, started: &mut Started) -> anyhow::Result<()> {
    let count = HELD_AT_CHARGE + HELD_AT_SHIP;
    talk.headline(
        "4 · The orchestrator is killed in mid-flight",
        &format!(
            "{count} orders are under way: the work of {HELD_AT_CHARGE} charges and {HELD_AT_SHIP} shipments is done, \
             their replies are still out. Then kill -9. The journal is all that is left, and all that is needed."
        ),
    )?;
    let client = stage.client()?;
    stage.payments.hold_replies(HELD_AT_CHARGE);
    stage.shipping.hold_replies(HELD_AT_SHIP);
    let starts = (0..count).map(|_| {
        let start = Start { wait: None, ..order("ada", "lamp") };
        let client = &client;
        async move { client.start(&start).await.map(|answer| answer.saga.id) }
    });
    let ids = try_join_all(starts).await?;
    ids.iter().for_each(|id| started.add(*id));
    let held = async { tokio::join!(stage.payments.holds(HELD_AT_CHARGE), stage.shipping.holds(HELD_AT_SHIP)) };
    tokio::time::timeout(HELD_WITHIN, held).await.context("the orders did not get as far as they should")?;

    let pid = stage.orchestrator.pid();
    stage.orchestrator.kill_9().await?;
    if client.livez().await.is_ok() {
        bail!("the orchestrator was killed and still answers");
    }
    talk.note(&format!("kill -9 {pid}: gone; {count} orders in the air, started again on the same file and port"))?;
    stage.payments.let_go();
    stage.shipping.let_go();
    stage.orchestrator.start_again().await?;

    let client = stage.client()?;
    let mut recovered = vec![];
    for id in ids {
        let saga = client.saga(id, Some(PATIENCE)).await?;
        recovered.push(ended(&client, saga).await?);
    }
    // One that was at the point of no return tells most.
    recovered.sort_by_key(|saga| outcomes(saga, "ship").len());
    if let Some(saga) = recovered.last() {
        talk.saga(saga)?;
    }
    for saga in &recovered {
        expect(saga, SagaStatus::Completed)?;
        ensure!(saga.epoch > 1, "saga {} was not interrupted", saga.id);
        let times = applied(stage, &stage.payments, saga.id).await?;
        ensure!(times == 1, "the charge of {} was applied {}", saga.id, many(times));
        let times = applied(stage, &stage.shipping, saga.id).await?;
        ensure!(times == 1, "the shipment of {} was applied {}", saga.id, many(times));
    }
    talk.note(&format!(
        "all {count} completed, each charged once and shipped once, though the killed one had already asked"
    ))
}

pub(super) async fn transfers(stage: &Stage, talk: &Talk, started: &mut Started) -> anyhow::Result<()> {
    talk.headline(
        "5 · Another saga: money between two banks",
        "No order is special. Here two steps run in parallel, and the deposit is the point of no return. The second \
         transfer goes to an account that is frozen: the withdrawal is given back.",
    )?;
    let client = stage.client()?;
    let saga = run(&client, transfer("grace"), started).await?;
    talk.saga(&saga)?;
    expect(&saga, SagaStatus::Completed)?;
    let saga = run(&client, transfer("frozen-fred"), started).await?;
    talk.plain("")?;
    talk.saga(&saga)?;
    expect(&saga, SagaStatus::Compensated)
}

fn outcomes(saga: &SagaView, step: &str) -> Vec<Option<AttemptOutcome>> {
    let action = saga.steps.iter().find(|of| of.name == step).and_then(|step| step.action.as_ref());
    action.map(|call| call.attempts.iter().map(|attempt| attempt.outcome).collect()).unwrap_or_default()
}

/// How often a service's ledger says that something was applied for this saga.
async fn applied(stage: &Stage, service: &Door, saga: Uuid) -> anyhow::Result<usize> {
    let ledger: Vec<LedgerEntry> = fetch::rows(stage, service, &format!("ledger?saga={saga}")).await?;
    Ok(ledger.iter().filter(|entry| entry.effect == "applied").count())
}

fn many(times: usize) -> String {
    match times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}
