//! Webhooks of one orchestrator on a file, while either side is killed.

use std::{fs, path::Path, time::Duration};

use amends_protocol::v1::{WebhookFrom, WebhookRequest, WebhookStatus, WebhookView};
use amends_tests::{
    dice::Dice,
    town::{Plan, Scene, Town},
    wait::{until, until_true},
};
use anyhow::{Context, Result};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    judge::{Told, owed, wrong},
    receiver::{Heard, Receiver, SECRET},
};

const SOON: Duration = Duration::from_secs(20);
/// Backoff of a receiver that was away, and a lease.
pub(crate) const ALL_TOLD_WITHIN: Duration = Duration::from_secs(60);

/// What goes into the configuration so that this receiver may be told.
pub(crate) fn config(folder: &Path, receiver: &Receiver) -> Result<String> {
    let secret = folder.join("hook.secret");
    fs::write(&secret, format!("{SECRET}\n"))?;
    Ok(format!("[webhooks]\nallow = [\"{}\"]\n[secrets.hook]\nfile = \"{}\"\n", receiver.url(), secret.display()))
}

pub(crate) fn webhook(receiver: &Receiver) -> WebhookRequest {
    WebhookRequest {
        url: receiver.url(),
        secrets: vec!["secret:hook".to_owned()],
        from: WebhookFrom::Beginning,
        ..WebhookRequest::default()
    }
}

/// What the receiver has heard, each of which must have been signed.
pub(crate) fn told(heard: &[Heard]) -> Result<Vec<Told>> {
    let told = heard.iter().map(|heard| {
        assert!(heard.signed, "not signed: {heard:?}");
        assert_eq!(heard.event["id"], heard.id.as_str(), "the id of the request is that of the event");
        Ok(Told {
            saga: heard.event["subject"].as_str().context("a subject")?.parse()?,
            id: heard.id.clone(),
            kind: heard.event["type"].as_str().context("a type")?.to_owned(),
        })
    });
    told.collect()
}

/// Everything that is owed was told, and nothing is wrong with it.
pub(crate) async fn assert_all_told(scene: &Scene, receiver: &Receiver) -> Result<()> {
    let owed = owed(scene).await?;
    let number: usize = owed.values().map(Vec::len).sum();
    until("everything is told", ALL_TOLD_WITHIN, async || {
        let mut ids: Vec<String> = receiver.heard()?.into_iter().map(|heard| heard.id).collect();
        ids.sort();
        ids.dedup();
        Ok((ids.len() >= number).then_some(()))
    })
    .await?;
    let heard = receiver.heard()?;
    println!("{number} events of {} sagas, {} requests", owed.len(), heard.len());
    assert_eq!(wrong(&owed, &told(&heard)?), Vec::<String>::new());
    Ok(())
}

async fn seen(town: &Town, id: Uuid) -> Result<WebhookView> {
    Ok(town.client()?.webhook(id).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_told_in_order_though_both_sides_are_killed() -> Result<()> {
    const SAGAS: usize = 60;
    let mut dice = Dice::asked();
    let folder = TempDir::with_prefix("amends-receiver-")?;
    let mut receiver = Receiver::start(folder.path()).await?;
    let mut town = Town::start(Plan::orders().patient().with_config(&config(folder.path(), &receiver)?)).await?;
    let added = town.client()?.add_webhook(&webhook(&receiver)).await?;
    assert_eq!(added.status, WebhookStatus::Active);
    for round in 0..3 {
        let before = receiver.heard()?.len();
        let mut begun = Vec::new();
        for number in 0..SAGAS / 3 {
            begun.push(town.begin(order(number)).await?);
        }
        let more = 1 + usize::try_from(dice.below(20))?;
        until_true("some more are told", SOON, || receiver.heard().is_ok_and(|heard| heard.len() >= before + more))
            .await?;
        match round {
            0 => town.crash().await?,
            1 => {
                receiver.kill().await?;
                for saga in &begun {
                    town.ended(*saga).await?;
                }
                until("it says that nobody answers", SOON, async || {
                    Ok(seen(&town, added.id).await?.last_error.map(drop))
                })
                .await?;
                town.crash().await?;
                receiver.again().await?;
            }
            _ => {
                receiver.kill().await?;
                receiver.again().await?;
                town.crash().await?;
            }
        }
        for saga in begun {
            town.ended(saga).await?;
        }
    }
    assert_all_told(&town, &receiver).await?;
    let view = until("it says that all is told", SOON, async || {
        let view = seen(&town, added.id).await?;
        Ok((view.backlog == 0 && view.blocked_events == 0).then_some(view))
    })
    .await?;
    assert_eq!((view.status, view.missed), (WebhookStatus::Active, 0));
    town.audit().await
}

/// Every third is undone.
fn order(number: usize) -> serde_json::Value {
    let mut order = Town::order(1, 100);
    if number % 3 == 2 {
        order["amount"] = 2_000_000.into();
    }
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_is_paused_is_told_nothing_and_all_of_it_when_it_is_resumed() -> Result<()> {
    let folder = TempDir::with_prefix("amends-receiver-")?;
    let receiver = Receiver::start(folder.path()).await?;
    let mut town = Town::start(Plan::orders().with_config(&config(folder.path(), &receiver)?)).await?;
    let id = town.client()?.add_webhook(&webhook(&receiver)).await?.id;
    town.ended(town.begin(order(0)).await?).await?;
    assert_all_told(&town, &receiver).await?;
    assert_eq!(town.client()?.pause_webhook(id).await?.status, WebhookStatus::Paused);
    town.crash().await?;
    town.ended(town.begin(order(2)).await?).await?;
    until("the backlog is there", SOON, async || Ok((seen(&town, id).await?.backlog > 0).then_some(()))).await?;
    assert_eq!(receiver.heard()?.len(), 2, "nothing of the second saga");
    assert_eq!(town.client()?.resume_webhook(id).await?.status, WebhookStatus::Active);
    assert_all_told(&town, &receiver).await?;
    town.client()?.delete_webhook(id).await?;
    assert!(town.client()?.webhooks().await?.is_empty());
    town.audit().await
}
