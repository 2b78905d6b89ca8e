//! Who is told by this process: it looks at all webhooks now and then, and takes those that nobody else tells.

use std::{collections::HashMap, sync::Arc, time::Duration};

use amends_protocol::v1::{WebhookStatus, WebhookView};
use amends_store::{Places, StoreError, Subscription, Told};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Inner, Webhooks, kept, report::Report, tell::Teller, view};

/// Between two looks at all webhooks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// From one claim to the end of it. The webhooks of a process that dies wait so long; longer than a request may take, so that two
/// processes never tell one webhook at once.
pub(super) const LEASE: Duration = Duration::from_secs(20);

/// A process that has just begun gives webhooks that are far behind so long to catch up, before it gives them up.
const GRACE: Duration = Duration::from_secs(600);

/// A webhook that is told here.
struct Telling {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Webhooks {
    /// Tells webhooks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (began, mut telling) = (Instant::now(), HashMap::<Uuid, Telling>::new());
        loop {
            match self.inner.store.subscriptions().await {
                Ok(all) => {
                    if let Err(error) = look(&self.inner, &all, &mut telling, began).await {
                        tracing::warn!(%error, "webhooks cannot be looked at now; trying again");
                    }
                }
                Err(error) => tracing::warn!(%error, "webhooks cannot be looked at now; trying again"),
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.inner.changed.notified() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
        for one in telling.values() {
            one.stop.cancel();
        }
        for (_, one) in telling {
            // One that panicked has said so.
            let _ = one.task.await;
        }
    }
}

async fn look(
    inner: &Arc<Inner>,
    all: &[Subscription],
    telling: &mut HashMap<Uuid, Telling>,
    began: Instant,
) -> Result<(), StoreError> {
    telling.retain(|_, one| !one.task.is_finished());
    let mut seen: Vec<WebhookView> = Vec::with_capacity(all.len());
    let last = if all.is_empty() { Places::default() } else { inner.store.places().await? };
    for one in all {
        let (view, kept) = match view(one, &last).and_then(|view| Ok((view, kept(one)?))) {
            Ok(both) => both,
            Err(error) => {
                tracing::error!(webhook.id = %one.id, %error, "a webhook cannot be read and is not told");
                continue;
            }
        };
        let (status, backlog) = (view.status, view.backlog + view.blocked_events);
        seen.push(view);
        if status != WebhookStatus::Expired && backlog > 0 && is_over(inner, one, began) {
            expire(inner, one).await?;
            continue;
        }
        match (status, telling.get(&one.id)) {
            (WebhookStatus::Active | WebhookStatus::Stalled, None) => {
                let since = Instant::now();
                let Some(epoch) = inner.store.claim_subscription(one.id, inner.owner, LEASE).await? else { continue };
                let stop = CancellationToken::new();
                let teller =
                    Teller { inner: Arc::clone(inner), id: one.id, kept, epoch, claimed_at: since, stop: stop.clone() };
                telling.insert(one.id, Telling { task: tokio::spawn(teller.run()), stop });
            }
            (WebhookStatus::Paused | WebhookStatus::Expired, Some(told)) => told.stop.cancel(),
            _ => {}
        }
    }
    for (id, one) in telling.iter() {
        if all.iter().all(|kept| kept.id != *id) {
            one.stop.cancel();
        }
    }
    *inner.seen() = seen;
    Ok(())
}

/// It is behind for longer than anybody may be. Retention holds nothing for it any more.
fn is_over(inner: &Inner, one: &Subscription, began: Instant) -> bool {
    one.told.until + inner.terms.hold < (inner.now)() && began.elapsed() > GRACE.min(inner.terms.hold)
}

async fn expire(inner: &Inner, one: &Subscription) -> Result<(), StoreError> {
    let Some(epoch) = inner.store.claim_subscription(one.id, inner.owner, LEASE).await? else { return Ok(()) };
    let report = Report { expired_at: Some((inner.now)()), ..Report::parse(one)? };
    let told = Told { report: report.to_text(), ..one.told.clone() };
    if inner.store.record_told(one.id, epoch, told).await? {
        tracing::error!(
            webhook.id = %one.id,
            "this webhook was behind for too long: events are not held for it any more, and it is told none until it is resumed"
        );
    }
    Ok(())
}
