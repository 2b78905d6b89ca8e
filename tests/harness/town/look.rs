//! What tests ask beyond the API: ledgers, journals, the wire.

use std::collections::BTreeMap;

use amends_protocol::participant::CallbackToken;
use anyhow::Result;
use uuid::Uuid;

use super::Scene;
use crate::{
    audit::{
        journal::{Event, Recorded, Saga},
        ledger::{self, Effect, Entry},
        reader,
    },
    proxy::{Proxy, WireRequest},
    words::{Call, Op},
};

/// What the ledgers say of one step of one saga.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub applied: u32,
    pub undone: u32,
    /// Compensations with nothing to undo.
    pub null: u32,
}

impl Effects {
    /// Applied and left so.
    pub const DONE: Self = Self { applied: 1, undone: 0, null: 0 };
    /// Applied and undone.
    pub const UNDONE: Self = Self { applied: 1, undone: 1, null: 0 };
    /// Never applied, and compensated all the same.
    pub const NULL: Self = Self { applied: 0, undone: 0, null: 1 };
}

impl Scene {
    /// The token that shipping keeps for a step that it has accepted.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub async fn token(&self, saga: Uuid, step: &str) -> Result<Option<CallbackToken>> {
        let pool = reader::open(self.service("shipping").books.file()?);
        let token: Option<String> = sqlx::query_scalar(
            "-- audit_token
            select token from barrier_callback where saga = $1 and step = $2",
        )
        .bind(saga.to_string())
        .bind(step)
        .fetch_optional(&pool)
        .await?;
        pool.close().await;
        Ok(token.and_then(CallbackToken::new))
    }

    /// What services and orchestrators have logged, all of it.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn logs(&self) -> Result<String> {
        let mut logs = String::new();
        for entry in std::fs::read_dir(self.folder())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                logs += &std::fs::read_to_string(path)?;
            }
        }
        Ok(logs)
    }

    /// Everything in the ledgers about one saga, in order of time.
    ///
    /// # Errors
    /// A ledger cannot be read.
    pub async fn ledger(&self, saga: Uuid) -> Result<Vec<Entry>> {
        self.ledger_of(&[saga]).await
    }

    /// A saga and all below it.
    ///
    /// # Errors
    /// Their journals cannot be read.
    pub async fn family(&self, root: Uuid) -> Result<Vec<Uuid>> {
        let mut family = vec![root];
        let mut all = self.journal.sagas().await?;
        // A child is made after its parent, whatever the order in which they are read.
        loop {
            let below = |saga: &Saga| match saga.journal.first().map(|first| &first.event) {
                Some(Event::SagaStarted { parent: Some(parent), .. }) => family.contains(&parent.saga),
                _ => false,
            };
            let (found, rest): (Vec<Saga>, Vec<Saga>) = all.into_iter().partition(below);
            if found.is_empty() {
                return Ok(family);
            }
            family.extend(found.iter().map(|saga| saga.id));
            all = rest;
        }
    }

    /// Everything in the ledgers about some sagas, in order of time.
    ///
    /// # Errors
    /// A ledger cannot be read.
    pub async fn ledger_of(&self, sagas: &[Uuid]) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        for service in self.services.values() {
            all.extend(ledger::read(&service.books).await?);
        }
        all.retain(|entry| sagas.contains(&entry.saga));
        all.sort_by_key(|entry| entry.at);
        Ok(all)
    }

    /// What the ledgers say of each step of one saga; steps without an effect are absent.
    ///
    /// # Errors
    /// A ledger cannot be read.
    pub async fn effects(&self, saga: Uuid) -> Result<BTreeMap<String, Effects>> {
        let mut effects = BTreeMap::<String, Effects>::new();
        for entry in self.ledger(saga).await? {
            let of_step = effects.entry(entry.call.step).or_default();
            match entry.effect {
                Effect::Applied => of_step.applied += 1,
                Effect::Undone => of_step.undone += 1,
                Effect::Null => of_step.null += 1,
            }
        }
        Ok(effects)
    }

    /// The steps that were undone, in the order in which they were.
    ///
    /// # Errors
    /// A ledger cannot be read.
    pub async fn undone(&self, saga: Uuid) -> Result<Vec<String>> {
        let undone = self.ledger(saga).await?.into_iter().filter(|entry| entry.effect == Effect::Undone);
        Ok(undone.map(|entry| entry.call.step).collect())
    }

    /// All sagas with their journals.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn sagas(&self) -> Result<Vec<Saga>> {
        self.journal.sagas().await
    }

    /// The journal of one saga.
    ///
    /// # Errors
    /// It cannot be read, or is not there.
    pub async fn journal(&self, saga: Uuid) -> Result<Vec<Recorded>> {
        Ok(self.journal.saga(saga).await?.journal)
    }

    /// What came by on the wire for one call.
    ///
    /// # Panics
    /// The definition has no such step.
    pub fn wire(&self, saga: Uuid, step: &str, op: Op) -> Vec<WireRequest> {
        let call = Call { step: step.to_owned(), index: None, op };
        let mut log: Vec<WireRequest> = self.service(&self.service_of(step)).proxies().flat_map(Proxy::log).collect();
        log.retain(|request| request.call.saga == saga && request.call.call == call);
        log.sort_by_key(|request| request.arrived_at);
        log
    }
}
