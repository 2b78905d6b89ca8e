//! Starting a saga: one commit, then it is driven from memory.

use std::{sync::Arc, time::Duration};

use amends_core::{
    Begin, begin_with,
    definition::Definition,
    event::Recorded,
    faults,
    ids::{Digest, SagaId, canonical},
    labels, locks,
};
use amends_store::{Append, AppendError, Create, Head, StartKey, StoreError};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{Engine, StartError, definitions::Startable, driver::Driver, registry::Whole};

/// When a place may be free again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    pub name: String,
    /// `None`: the highest that takes starts.
    pub version: Option<u32>,
    pub input: Value,
    pub labels: Map<String, Value>,
    /// Repeats with the same key start nothing new (invariant 9).
    pub key: Option<String>,
    /// W3C trace context of the caller.
    pub traceparent: Option<String>,
    /// What the caller waits for.
    pub watched: Watched,
}

/// What is kept in memory of a saga for [`Engine::settled`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watched {
    /// Nobody waits for its end.
    #[default]
    No,
    /// How it ends.
    Result,
    /// Everything that happens.
    Whole,
}

/// What came of it. Durable.
#[derive(Clone, Debug)]
pub struct Started {
    pub saga: SagaId,
    /// `false`: the key has started it before.
    pub created: bool,
    /// As it began, if it was created and nobody waits for more.
    pub begun: Option<Whole>,
}

enum Created {
    /// Now; with what it began with, if that is of use, and what is to drive it.
    Now(Option<Whole>, Box<Driver>),
    /// There is one with this id.
    Before,
}

impl Engine {
    /// Starts a saga. `Ok` once its first events are durable (invariant 8).
    ///
    /// # Errors
    /// See [`StartError`]; nothing was written.
    pub async fn start(&self, start: Start) -> Result<Started, StartError> {
        // In a task of its own: a caller that goes away between the commit and the drive must not strand the saga. The same
        // task then drives it.
        let (told, heard) = oneshot::channel();
        let engine = self.clone();
        self.inner.tasks.spawn(async move {
            let (started, driver) = match engine.start_here(start).await {
                Ok((started, driver)) => (Ok(started), driver),
                Err(error) => (Err(error), None),
            };
            // Nobody waits any more if the caller went away.
            drop(told.send(started));
            if let Some(driver) = driver {
                driver.drive(None).await;
            }
        });
        heard.await.unwrap_or_else(|_| {
            let reason = "the start failed in an unforeseen way".to_owned();
            tracing::error!("a start panicked");
            Err(StoreError::Unavailable { reason, source: None }.into())
        })
    }

    async fn start_here(&self, start: Start) -> Result<(Started, Option<Driver>), StartError> {
        let key = start.key.as_ref().map(|key| StartKey { key: key.as_str().into(), request: request_digest(&start) });
        let saga = match &key {
            Some(key) => SagaId::derived(&start.name, &key.key),
            None => SagaId(self.inner.clock.fresh_id()),
        };
        match self.create(saga, start, key.clone()).await {
            Ok(Created::Now(begun, driver)) => Ok((Started { saga, created: true, begun }, Some(*driver))),
            // It exists, or cannot be made now: in both cases an earlier start under the same key is the answer.
            refused => match (key, refused) {
                (Some(key), refused) => match self.inner.store.head(saga).await? {
                    Some(head) => Ok((earlier(&head, &key)?, None)),
                    None => Err(refused.err().unwrap_or(StartError::Overloaded { retry_after: RETRY_AFTER })),
                },
                (None, Ok(_)) => Err(StartError::Overloaded { retry_after: RETRY_AFTER }),
                (None, Err(error)) => Err(error),
            },
        }
    }

    async fn create(&self, saga: SagaId, start: Start, key: Option<StartKey>) -> Result<Created, StartError> {
        let unknown = || StartError::UnknownDefinition { name: start.name.clone(), version: start.version };
        if !self.accepting() {
            return Err(StartError::ShuttingDown);
        }
        let (definition, version) = match self.startable(&start.name, start.version).await? {
            Startable::Version(definition, version) => (definition, version),
            Startable::Disabled => return Err(StartError::Disabled { name: start.name, version: start.version }),
            Startable::Unknown => return Err(unknown()),
        };
        definition.check_input(&start.input).map_err(StartError::Input)?;
        let now = self.inner.clock.now();
        let mut with =
            Begin { labels: start.labels, traceparent: start.traceparent, ..Begin::root(version, start.input) };
        with.labels = labels(&definition, saga, &with, now).map_err(|message| StartError::Labels { message })?;
        with.locks = locks(&definition, saga, &with, now).map_err(|message| StartError::Locks { message })?;
        let member = self.inner.membership.present();
        if !member.holds() {
            let reason = "this process's lease has ended; it takes a new one as soon as the store grants it".to_owned();
            return Err(StoreError::Unavailable { reason, source: None }.into());
        }
        let place = self.place().ok_or(StartError::Overloaded { retry_after: RETRY_AFTER })?;

        let (state, decision) = begin_with(&definition, saga, with, now);
        let kept = (start.watched != Watched::Result).then(|| decision.events.clone());
        let append = Append {
            saga,
            commit: self.inner.commit_ids.next(),
            epoch: state.epoch,
            events: decision.events,
            summary: state.summary(),
            attention_cleared: None,
            release: false,
            verdicts: Vec::new(),
            create: Some(Create {
                owner: member.id,
                name: definition.name.clone(),
                version,
                definition: definition.digest.clone(),
                key,
                parent: None,
            }),
        };
        let of = faults::Saga { id: saga, definition: &definition, started: &state.started };
        match self.append(of, append).await {
            Ok(()) => {
                let (begun, kept) = match start.watched {
                    Watched::No => (kept.map(|journal| whole(&definition, journal)), None),
                    Watched::Result | Watched::Whole => (None, kept),
                };
                let driver = Driver::begin(self.clone(), member, definition, state, place, decision.requests, kept);
                Ok(Created::Now(begun, Box::new(driver)))
            }
            Err(AppendError::Exists | AppendError::Conflict | AppendError::Fenced) => Ok(Created::Before),
            // Heard of late: another process deleted it.
            Err(AppendError::Deleted) => {
                self.forget_what_is_startable();
                match start.version {
                    Some(_) => Err(unknown()),
                    None => {
                        let reason = format!("version {version} of {} was deleted just now", start.name);
                        Err(StoreError::Unavailable { reason, source: None }.into())
                    }
                }
            }
            Err(AppendError::Unavailable(error)) => {
                // It may have gone in all the same. Then it is owned here, and nobody else will ever drive it.
                self.doubt([saga]);
                self.inner.sweep.notify_one();
                Err(error.into())
            }
        }
    }

    /// A place for one more live saga, if there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.inner.places.clone().try_acquire_owned().ok()
    }
}

fn whole(definition: &Arc<Definition>, journal: Vec<Recorded>) -> Whole {
    Whole { definition: definition.clone(), journal: journal.into() }
}

fn earlier(head: &Head, key: &StartKey) -> Result<Started, StartError> {
    match &head.key {
        Some(before) if before == key => Ok(Started { saga: head.saga, created: false, begun: None }),
        _ => Err(StartError::KeyReused { saga: head.saga }),
    }
}

/// What a repeat under the same key must ask for again. The version counts only where it was asked for.
fn request_digest(start: &Start) -> Digest {
    let version = start.version.map(|version| version.to_string()).unwrap_or_default();
    let labels = Value::Object(start.labels.clone());
    Digest::of(&[
        start.name.as_bytes(),
        version.as_bytes(),
        canonical(&start.input).to_string().as_bytes(),
        canonical(&labels).to_string().as_bytes(),
    ])
}
