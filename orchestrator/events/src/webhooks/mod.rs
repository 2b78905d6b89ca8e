//! Events told by requests: who is told, and who tells.
//!
//! A webhook is a row that all nodes share; one of them tells it, under a lease. What it has been told is written down behind the telling, so
//! that a crash tells some events again and loses none.

mod allowed;
mod report;
mod request;
mod run;
mod tell;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use amends_core::time::Time;
use amends_protocol::v1::{EventType, WebhookErrorView, WebhookFrom, WebhookRequest, WebhookStatus, WebhookView};
use amends_store::{NewSubscription, Places, Store, StoreError, Subscription, Told};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::allowed::Allowed;
use self::{allowed::address, report::Report, request::Sender};
use crate::{Secrets, Wanted};

/// Each is read again and again by every node, and told over connections of its own.
const WEBHOOKS_MAX: usize = 100;
const URL_CHARS: usize = 2000;
const WANTED_MAX: usize = 32;
const NAME_CHARS: usize = 64;

/// On what terms events are told.
#[derive(Clone, Debug)]
pub struct WebhookTerms {
    /// What events say of who tells them.
    pub source: Arc<str>,
    pub allowed: Allowed,
    pub secrets: Secrets,
    /// How long events are held for one that is behind.
    pub hold: Duration,
}

impl Default for WebhookTerms {
    fn default() -> Self {
        let hold = Duration::from_secs(7 * 86_400);
        Self { source: "/amends".into(), allowed: Allowed::default(), secrets: Secrets::default(), hold }
    }
}

/// The webhooks of a store. Clones are the same.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    terms: WebhookTerms,
    now: Box<dyn Fn() -> Time + Send + Sync>,
    sender: Sender,
    /// Under which this process tells.
    owner: Uuid,
    /// Something about webhooks has changed here.
    changed: Notify,
    /// As they were last seen, for whoever counts.
    seen: Mutex<Vec<WebhookView>>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("terms", &self.inner.terms).finish_non_exhaustive()
    }
}

/// Why a webhook is not as was asked.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// What was asked for is not what it should be, at this place of the request.
    #[error("{message}")]
    Invalid { pointer: &'static str, message: String },
    #[error("{url} is not below an address that this server's configuration allows (`webhooks.allow`)")]
    NotAllowed { url: String },
    #[error("there is no webhook {0}")]
    Unknown(Uuid),
    #[error("there are {WEBHOOKS_MAX} webhooks already, which is as many as there may be")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is kept of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    url: String,
    secrets: Vec<String>,
    names: Vec<String>,
    types: Vec<EventType>,
}

impl Kept {
    fn wanted(&self) -> Wanted {
        Wanted { saga: None, names: self.names.iter().cloned().collect(), types: self.types.iter().copied().collect() }
    }
}

impl Webhooks {
    /// Webhooks that are told by nobody before [`Webhooks::run`]. `now` is the time that sagas live by.
    ///
    /// # Errors
    /// There is no TLS to be had.
    pub fn new(
        store: Arc<dyn Store>,
        terms: WebhookTerms,
        now: impl Fn() -> Time + Send + Sync + 'static,
    ) -> Result<Self, reqwest::Error> {
        let inner = Inner {
            store,
            terms,
            now: Box::new(now),
            sender: Sender::new()?,
            owner: Uuid::new_v4(),
            changed: Notify::new(),
            seen: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps a webhook, which is told from then on.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub async fn add(&self, request: WebhookRequest) -> Result<WebhookView, WebhookError> {
        let kept = self.check(request.clone())?;
        let inner = &self.inner;
        if inner.store.subscriptions().await?.len() >= WEBHOOKS_MAX {
            return Err(WebhookError::TooMany);
        }
        let now = (inner.now)();
        let places = match request.from {
            WebhookFrom::Now => inner.store.places().await?,
            WebhookFrom::Beginning => inner.store.dropped().await?,
        };
        let told = Told { places, until: now, report: Report::default().to_text() };
        let body = serde_json::to_string(&kept).expect("invariant: a webhook can be written").into();
        let new = NewSubscription { id: Uuid::now_v7(), body, created_at: now, told };
        if !inner.store.add_subscription(new.clone()).await? {
            let reason = "a new id was taken".to_owned();
            return Err(StoreError::Unavailable { reason, source: None }.into());
        }
        inner.changed.notify_one();
        self.get(new.id).await
    }

    fn check(&self, request: WebhookRequest) -> Result<Kept, WebhookError> {
        let invalid =
            |pointer: &'static str, message: &str| WebhookError::Invalid { pointer, message: message.to_owned() };
        let WebhookRequest { url, secrets, names, types, from: _ } = request;
        if url.len() > URL_CHARS {
            return Err(invalid("/url", "it has more than 2000 characters"));
        }
        let address = address(&url).map_err(|why| invalid("/url", why))?;
        if !self.inner.terms.allowed.permits(&address) {
            return Err(WebhookError::NotAllowed { url });
        }
        if !(1..=2).contains(&secrets.len()) {
            return Err(invalid("/secrets", "name one secret, or two while one replaces the other"));
        }
        if let Some(unknown) = secrets.iter().find(|secret| !self.inner.terms.secrets.has(secret)) {
            let message = format!("the configuration has no `{unknown}`; write secret:NAME");
            return Err(WebhookError::Invalid { pointer: "/secrets", message });
        }
        if names.len() > WANTED_MAX || names.iter().any(|name| name.is_empty() || name.len() > NAME_CHARS) {
            return Err(invalid("/names", "at most 32 names of definitions"));
        }
        if types.len() > WANTED_MAX {
            return Err(invalid("/types", "at most 32 types"));
        }
        Ok(Kept { url: address.into(), secrets, names, types })
    }

    /// All of them, by id.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn list(&self) -> Result<Vec<WebhookView>, StoreError> {
        let places = self.inner.store.places().await?;
        let all = self.inner.store.subscriptions().await?;
        all.iter().map(|one| view(one, &places)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn get(&self, id: Uuid) -> Result<WebhookView, WebhookError> {
        self.list().await?.into_iter().find(|one| one.id == id).ok_or(WebhookError::Unknown(id))
    }

    /// Deletes one: it is told nothing any more.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn delete(&self, id: Uuid) -> Result<(), WebhookError> {
        let there = self.inner.store.delete_subscription(id).await?;
        self.inner.changed.notify_one();
        if there { Ok(()) } else { Err(WebhookError::Unknown(id)) }
    }

    /// Tells it nothing until it is resumed. Events are held for it, as long as for anybody.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn pause(&self, id: Uuid) -> Result<WebhookView, WebhookError> {
        let there = self.inner.store.pause_subscription(id, Some((self.inner.now)())).await?;
        self.inner.changed.notify_one();
        if there { self.get(id).await } else { Err(WebhookError::Unknown(id)) }
    }

    /// Goes on telling it. One that had expired is told what happens from now on.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn resume(&self, id: Uuid) -> Result<WebhookView, WebhookError> {
        let inner = &self.inner;
        let found = inner.store.subscriptions().await?.into_iter().find(|one| one.id == id);
        let one = found.ok_or(WebhookError::Unknown(id))?;
        let report = Report::parse(&one)?;
        if report.expired_at.is_some() {
            let epoch = inner.store.claim_subscription(id, inner.owner, run::LEASE).await?;
            let (places, now) = (inner.store.places().await?, (inner.now)());
            let report = Report { expired_at: None, blocked: BTreeMap::new(), ..report };
            let told = Told { places, until: now, report: report.to_text() };
            let recorded = match epoch {
                Some(epoch) => inner.store.record_told(id, epoch, told).await?,
                None => false,
            };
            if !recorded {
                let reason = "another node has just told it something".to_owned();
                return Err(StoreError::Unavailable { reason, source: None }.into());
            }
        }
        inner.store.pause_subscription(id, None).await?;
        inner.changed.notify_one();
        self.get(id).await
    }

    /// As they were when this process last looked.
    pub fn seen(&self) -> Vec<WebhookView> {
        self.inner.seen().clone()
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Vec<WebhookView>> {
        self.seen.lock().expect("invariant: nothing panics while it holds what was seen")
    }
}

fn kept(one: &Subscription) -> Result<Kept, StoreError> {
    serde_json::from_str(&one.body)
        .map_err(|error| StoreError::Corrupt { reason: format!("webhook {}: its body: {error}", one.id) })
}

fn view(one: &Subscription, last: &Places) -> Result<WebhookView, StoreError> {
    let (kept, report) = (kept(one)?, Report::parse(one)?);
    let backlog = last.0.iter().map(|(writer, number)| number.saturating_sub(one.told.places.of(*writer))).sum();
    let status = match (report.expired_at, one.paused_at) {
        (Some(_), _) => WebhookStatus::Expired,
        (None, Some(_)) => WebhookStatus::Paused,
        (None, None) if report.is_full() => WebhookStatus::Stalled,
        (None, None) => WebhookStatus::Active,
    };
    Ok(WebhookView {
        id: one.id,
        url: kept.url,
        secrets: kept.secrets,
        names: kept.names,
        types: kept.types,
        status,
        created_at: time(one.created_at),
        paused_at: one.paused_at.map(time),
        delivered: report.delivered,
        failed: report.failed,
        last_delivered_at: report.last_delivered_at.map(time),
        backlog,
        blocked_sagas: report.blocked.len() as u64,
        blocked_events: report.blocked_events() as u64,
        missed: report.missed,
        last_error: report.last_error.map(|last| WebhookErrorView {
            at: time(last.at),
            event: last.event,
            reason: last.reason,
        }),
    })
}

fn time(time: Time) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
