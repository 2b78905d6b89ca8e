//! One saga with everything that a definition can say, and a kill -9 at every request that it makes: before its participant has it,
//! and after. Many sagas at once, each held at a moment of its own, so that one kill is one at every moment; then another while all of
//! them recover. To the end, and with the pivot refused, so that everything is undone; on a file, and on many nodes.
//!
//! `AMENDS_CRASH_ROUNDS` says how often they are killed while they recover (once by itself).

use std::time::Duration;

use amends_client::{Client, Signal, Start};
use amends_protocol::v1::{SagaStatus, SagaView, StepStatus};
use amends_tests::{
    audit::journal::{Event, Saga},
    cluster::Cluster,
    proxy::{Action, Moment, Point, Rule, Traps},
    town::{Plan, Scene, Town},
    wait::until,
    words,
};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use uuid::Uuid;

const DEFINITION: &str = include_str!("every-kind.yaml");
/// What it runs as a child.
const CHILD: &str = include_str!("every-kind-child.yaml");
/// What must not be sent twice.
const ONCE: &[&str] = &["pay", "points"];
/// Of the child: it is at work when everybody is killed, but no moment hangs on its requests.
const OF_CHILD: &[&str] = &["look", "note"];
/// Of a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// So many requests of a saga that recovers are a moment of the next kill.
const WHILE_RECOVERING: u64 = 8;
/// They wait for their signal, or for a lock, when everybody is killed.
const WAITING: usize = 2;

/// Where it all runs.
pub(crate) enum Stage {
    File(Town),
    Nodes(Cluster),
}

impl Stage {
    pub(crate) fn scene(&self) -> &Scene {
        match self {
            Self::File(town) => town,
            Self::Nodes(cluster) => cluster,
        }
    }

    fn client(&self) -> Result<Client> {
        match self {
            Self::File(town) => town.client(),
            Self::Nodes(cluster) => cluster.client(0),
        }
    }

    /// Kills everybody. What is held then goes on, and the checker sees what is left.
    async fn kill(&mut self, traps: &Traps) -> Result<()> {
        match self {
            Self::File(town) => town.orchestrator.kill().await?,
            Self::Nodes(cluster) => {
                for node in &mut cluster.nodes {
                    node.kill().await?;
                }
            }
        }
        traps.killed();
        self.scene().audit_what_is_left().await.context("what they left when they were killed")
    }

    async fn restart(&mut self) -> Result<()> {
        match self {
            Self::File(town) => town.orchestrator.restart().await,
            Self::Nodes(cluster) => cluster.restart_all().await,
        }
    }
}

pub(crate) fn plan() -> Plan {
    let services =
        ["pricing", "orders", "inventory", "payments", "packing", "shipping", "insurance", "loyalty", "survey"];
    let replies = json!({
        "price": { "amount": 700 }, "reserve": { "id": "r-1" }, "pay": { "id": "c-1" }, "wrap": { "paper": "red" },
        "look": { "value": 900 },
    });
    let later = json!({
        "carrier": { "when": { "after_ms": 20 }, "verdict": { "done": { "tracking": "T-1" } } },
        "insure": { "when": "early", "verdict": { "done": { "policy": "P-1" } } },
        "drive": { "when": { "after_ms": 20 } },
    });
    Plan::of_anything(DEFINITION, &services.map(str::to_owned).into(), &replies)
        .deciding_later(&later)
        .with_children(&[CHILD.to_owned()])
}

/// Every second one wraps a gift; the others send a card.
pub(crate) fn input(number: usize) -> Result<Value> {
    let opens_at = chrono::DateTime::from_timestamp_micros(words::now() + 200_000).context("a time")?.to_rfc3339();
    Ok(json!({
        "account": format!("a-{number}"), "gift": number.is_multiple_of(2), "opens_at": opens_at,
        "lines": [{ "sku": "a" }, { "sku": "b" }, { "sku": "c" }],
    }))
}

async fn begin(stage: &Stage, number: usize) -> Result<Uuid> {
    let start = Start { key: None, ..stage.scene().start_of(input(number)?) };
    Ok(stage.client()?.start(&start).await?.saga.id)
}

pub(crate) async fn approve(client: &Client, saga: Uuid) -> Result<()> {
    let key = Some("approval".to_owned());
    let signal = Signal { name: "approved".to_owned(), key, payload: json!({ "by": "ada" }) };
    client.signal(saga, &signal).await?;
    Ok(())
}

fn has(view: &SagaView, step: &str, status: StepStatus) -> bool {
    view.steps.iter().any(|one| one.name == step && one.status == status)
}

/// Everything of it is done but what a person must say.
async fn waits_for_its_signal(client: &Client, saga: Uuid) -> Result<()> {
    until("it waits for its signal", SOON, async || {
        let view = client.saga(saga, None).await?;
        let waits = has(&view, "approve", StepStatus::Waiting) && has(&view, "cool_down", StepStatus::Succeeded);
        Ok(waits.then_some(()))
    })
    .await
}

async fn stored(scene: &Scene, sagas: &[Uuid]) -> Result<Vec<Saga>> {
    Ok(scene.sagas().await?.into_iter().filter(|saga| sagas.contains(&saga.id)).collect())
}

/// Each of them is in its trap, or has ended, or stands behind one that is in its trap.
async fn all_held(scene: &Scene, traps: &Traps, sagas: &[Uuid], behind: &[Uuid]) -> Result<()> {
    let held = until("each saga is held or has ended", SOON, async || {
        let (sprung, stored) = (traps.sprung(), stored(scene, sagas).await?);
        let free = stored.iter().filter(|saga| saga.row.ended_at.is_none() && !sprung.contains_key(&saga.id));
        let free = free.filter(|saga| !behind.contains(&saga.id)).count();
        Ok((free == 0 && stored.len() == sagas.len()).then_some(()))
    });
    held.await.with_context(|| format!("{} of {} are held", traps.sprung().len(), sagas.len()))
}

fn every(requests: u64) -> Vec<Point> {
    (1..=requests).flat_map(|nth| Moment::ALL.map(|moment| (nth, moment))).collect()
}

async fn killed_at_every_request(mut stage: Stage, end: SagaStatus) -> Result<()> {
    let refused = (end == SagaStatus::Compensated)
        .then(|| stage.scene().inject_rule("commit", Rule::action_of("commit", Action::Acked(409))));
    // How many requests there are, one saga says that nobody disturbs.
    let pilot = begin(&stage, 0).await?;
    approve(&stage.client()?, pilot).await?;
    let view = amends_tests::town::ended(&stage.client()?, pilot).await?;
    assert_eq!(view.status, end, "undisturbed: {:?}", view.cause);
    let points = every(stage.scene().requests_of(pilot).try_into()?);

    let (mut waiting, mut queued, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=WAITING {
        waiting.push(begin(&stage, number).await?);
        queued.push(begin(&stage, number).await?);
    }
    for saga in &waiting {
        waits_for_its_signal(&stage.client()?, *saga).await?;
    }
    let mut traps = Traps::new(points.clone(), ONCE, OF_CHILD);
    stage.scene().trap(&traps);
    for number in 0..points.len() {
        let saga = begin(&stage, 100 + number).await?;
        approve(&stage.client()?, saga).await?;
        held.push(saga);
    }
    all_held(stage.scene(), &traps, &held, &[]).await?;
    let mut sprung: Vec<Point> = traps.sprung().into_values().collect();
    sprung.sort_unstable();
    assert_eq!(sprung, points, "somebody is held at every moment");

    let sagas = [&waiting[..], &queued, &held].concat();
    for round in 0..=rounds()? {
        stage.kill(&traps).await.with_context(|| format!("round {round}"))?;
        let before = traps;
        traps = Traps::new(every(WHILE_RECOVERING), ONCE, OF_CHILD);
        stage.scene().trap(&traps);
        stage.restart().await?;
        before.taken_over();
        for saga in waiting.iter().chain(&queued).filter(|_| round == 0) {
            approve(&stage.client()?, *saga).await?;
        }
        all_held(stage.scene(), &traps, &sagas, &queued).await.with_context(|| format!("round {round}"))?;
        assert!(round > 0 || traps.sprung().len() > held.len() / 2, "most of them had something left to do");
    }
    // The last ones are only let go.
    stage.kill(&traps).await?;
    stage.restart().await?;
    traps.taken_over();
    at_rest(&stage, &sagas).await?;
    let stored = stored(stage.scene(), &sagas).await?;
    let other: Vec<_> = stored.iter().filter(|saga| saga.row.status != end.to_string()).map(|saga| saga.id).collect();
    assert_eq!(other, Vec::<Uuid>::new(), "every one of them is {end}");
    if let Some(refused) = refused {
        refused.assert_fired_at_least(sagas.len() as u64);
    }
    assert_worth_it(&stored, points.len());
    stage.scene().audit().await
}

async fn at_rest(stage: &Stage, sagas: &[Uuid]) -> Result<()> {
    let scene = stage.scene();
    let ended = until("every saga has ended", SOON, async || {
        Ok(stored(scene, sagas).await?.iter().all(|saga| saga.row.ended_at.is_some()).then_some(()))
    });
    if let Err(error) = ended.await {
        let left: Vec<_> = stored(scene, sagas).await?.into_iter().filter(|saga| saga.row.ended_at.is_none()).collect();
        bail!("{error}: {} have not; the first: {:#?}", left.len(), left.first());
    }
    until("nothing is under way", SOON, async || Ok(scene.wire_is_quiet().then_some(()))).await
}

/// A run in which nothing happened proves nothing: every kind of event is there, and most sagas were killed more than once.
fn assert_worth_it(stored: &[Saga], points: usize) {
    let rows = || stored.iter().flat_map(|saga| &saga.journal);
    let twice = stored.iter().filter(|saga| saga.row.epoch > 2).count();
    eprintln!(
        "{} sagas at {points} moments, {twice} of them adopted more than once, {} rows",
        stored.len(),
        rows().count()
    );
    assert!(twice * 2 > stored.len(), "most were killed more than once");
    for (kind, there) in [
        ("unknown", rows().any(|row| matches!(row.event, Event::CallUnknown { .. }))),
        ("probed", rows().any(|row| matches!(row.event, Event::CallProbed { .. }))),
        ("accepted", rows().any(|row| matches!(row.event, Event::CallAccepted { .. }))),
        ("called back", rows().any(|row| matches!(row.event, Event::CallbackReceived { .. }))),
        ("slept", rows().any(|row| matches!(row.event, Event::SleepEnded { .. }))),
        ("signalled", rows().any(|row| matches!(row.event, Event::SignalTaken { .. }))),
        ("skipped", rows().any(|row| matches!(row.event, Event::StepSkipped { .. }))),
        ("items", rows().any(|row| matches!(row.event, Event::ItemsListed { .. }))),
        ("queued", rows().any(|row| matches!(row.event, Event::LockQueued { .. }))),
        ("locked", rows().any(|row| matches!(row.event, Event::LockTaken { .. }))),
    ] {
        assert!(there, "no row says {kind}");
    }
}

fn rounds() -> Result<usize> {
    let asked = std::env::var("AMENDS_CRASH_ROUNDS");
    asked.map_or(Ok(0), |rounds| rounds.parse().context("AMENDS_CRASH_ROUNDS is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_step_survives_a_kill_at_every_request_on_a_file() -> Result<()> {
    killed_at_every_request(Stage::File(Town::start(plan()).await?), SagaStatus::Completed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_step_is_undone_after_a_kill_at_every_request_on_a_file() -> Result<()> {
    killed_at_every_request(Stage::File(Town::start(plan()).await?), SagaStatus::Compensated).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_step_survives_a_kill_at_every_request_on_many_nodes() -> Result<()> {
    killed_at_every_request(Stage::Nodes(Cluster::start(plan(), "").await?), SagaStatus::Completed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_step_is_undone_after_a_kill_at_every_request_on_many_nodes() -> Result<()> {
    killed_at_every_request(Stage::Nodes(Cluster::start(plan(), "").await?), SagaStatus::Compensated).await
}

#[test]
fn the_definition_says_everything_that_a_definition_can_say() {
    let schema = amends_core::definition::json_schema();
    // Ways to say the same, or nothing that a kill could meet.
    let elsewhere = ["version", "description", "headers"];
    for map in ["step", "compensation"]
        .map(|map| &schema["$defs"][map]["properties"])
        .into_iter()
        .chain([&schema["properties"]])
    {
        let Value::Object(keys) = map else { panic!("a map of keys") };
        for key in keys.keys().filter(|key| !elsewhere.contains(&key.as_str())) {
            assert!(DEFINITION.contains(&format!("{key}:")), "crash/every-kind.yaml has no `{key}`");
        }
    }
}
