//! Every saga that a page shows is run to its end: as the page says, and once more with its last call refused, so that everything
//! is undone. Real processes, one town for all of them, and the checker at the end.

mod controls;
mod example;
mod pages;
mod promises;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use amends_client::{Client, Signal, Start};
use amends_protocol::v1::{SagaStatus, SagaView, StartRequest, StepStatus};
use amends_tests::{
    proxy::{Action, Rule},
    town::{Plan, Town},
    wait::until,
};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{example::Example, pages::blocks};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_saga_of_every_page_runs_to_its_end_and_can_be_undone() -> Result<()> {
    let mut examples = Vec::new();
    // Scenario files are run by `tests/scenarios`, plans of faults are read by core's own tests.
    let other = |text: &str| text.lines().any(|line| matches!(line, "scenarios:" | "rules:"));
    for block in blocks()?.iter().filter(|block| block.language == "yaml" && !other(&block.text)) {
        examples.extend(Example::of(block)?);
    }
    let pages: BTreeSet<&str> = examples.iter().filter_map(|example| example.place.split(':').next()).collect();
    assert!(pages.is_superset(&BTreeSet::from(["README.md", "docs/isolation.md", "docs/language.md"])), "{pages:?}");
    let town = town(&examples).await?;
    let mut wrong = Vec::new();
    for example in &examples {
        if let Err(error) = run(&town, example).await {
            wrong.push(format!("{}: {error:#}", example.place));
        }
        town.heal();
    }
    assert!(wrong.is_empty(), "{} of {} examples:\n{}", wrong.len(), examples.len(), wrong.join("\n"));
    until("nothing is under way", SOON, async || Ok(town.wire_is_quiet().then_some(()))).await?;
    town.audit().await
}

/// With every service that they name; steps of one name are answered the same everywhere.
async fn town(examples: &[Example]) -> Result<Town> {
    let (mut services, mut replies, mut later) = (BTreeSet::new(), BTreeMap::<&str, Value>::new(), BTreeMap::new());
    for example in examples {
        services.extend(example.services.iter().cloned());
        later.extend(example.later.clone());
        for (step, reply) in &example.replies {
            let all = replies.entry(step).or_insert_with(|| json!({}));
            all.as_object_mut().expect("replies are objects").extend(reply.as_object().cloned().unwrap_or_default());
        }
    }
    let first = &examples.first().context("there are examples")?.source;
    Town::start(Plan::of_anything(first, &services, &json!(replies)).deciding_later(&json!(later))).await
}

async fn run(town: &Town, example: &Example) -> Result<()> {
    let client = town.client()?;
    let view = to_the_end(&client, example, false).await?;
    if view.status.to_string() != example.end {
        bail!("it is {}, not {}: {:?}", view.status, example.end, view.cause);
    }
    if let Some(expected) = &example.skipped {
        let skipped = view.steps.iter().filter(|step| step.status == StepStatus::Skipped).map(|step| &step.name);
        let skipped: Vec<&String> = skipped.collect();
        if !skipped.iter().copied().eq(expected) {
            bail!("skipped: {skipped:?}, not {expected:?}");
        }
    }
    undo(town, &client, example, view.id).await
}

/// And now everything but the last call that may still fail, and back.
async fn undo(town: &Town, client: &Client, example: &Example, before: Uuid) -> Result<()> {
    let called = |(step, service): &&(String, String)| {
        let log = town.service(service).proxy.log();
        log.iter().any(|request| request.call.saga == before && request.call.call.step == *step)
    };
    let last = example.failable.iter().rev().find(called);
    if last.is_none() && example.signals.is_empty() {
        return Ok(());
    }
    let refused =
        last.map(|(step, service)| town.service(service).proxy.inject(Rule::action_of(step, Action::Acked(409))));
    let view = to_the_end(client, example, refused.is_none()).await?;
    if view.status != SagaStatus::Compensated {
        bail!("without its last call it is {}: {:?}", view.status, view.cause);
    }
    if let Some(refused) = refused.filter(|refused| refused.fired() == 0) {
        bail!("{refused:?} befell nobody");
    }
    Ok(())
}

/// Signals come when they are waited for. What calls nobody and waits cannot be refused, so it is cancelled.
async fn to_the_end(client: &Client, example: &Example, cancelled: bool) -> Result<SagaView> {
    for other in &example.others {
        client.register(other).await.with_context(|| other.clone())?;
    }
    let registered = client.register(&example.source).await?;
    let request = StartRequest {
        definition: registered.name,
        version: Some(registered.version),
        input: example.input.clone(),
        ..StartRequest::default()
    };
    let saga = client.start(&Start { request, ..Start::default() }).await?.saga.id;
    if cancelled {
        client.cancel(saga, None).await?;
    }
    until("it has ended", SOON, async || {
        let view = client.saga(saga, None).await?;
        signal(client, saga, example, &view).await?;
        Ok(view.status.is_terminal().then_some(view))
    })
    .await
}

/// A signal may be given again: it has a key.
async fn signal(client: &Client, saga: Uuid, example: &Example, view: &SagaView) -> Result<()> {
    for step in view.steps.iter().filter(|step| step.status == StepStatus::Waiting) {
        if let Some((name, payload)) = example.signals.get(&step.name) {
            let signal = Signal { name: name.clone(), key: Some(step.name.clone()), payload: payload.clone() };
            client.signal(saga, &signal).await?;
        }
    }
    Ok(())
}
