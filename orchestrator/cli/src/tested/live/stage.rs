//! An engine of its own on a store of its own, and its way to the services: who sends is written down, then things go wrong, then
//! calls may be accepted in their service's place, then who serves is written down, then the wire.

use std::{sync::Arc, time::Duration};

use amends_core::scenario::Scenario;
use amends_engine::{
    Catalogue, Clock, Engine, Faults, HttpParticipant, LeaseTerms, Limits, Participant, Retention, Setup, SystemClock,
    unreliable,
};
use amends_store::sqlite::SqliteStore;
use anyhow::Context as _;
use tempfile::TempDir;

use super::{
    later::Later,
    plan,
    wire::{Log, Side, Watched},
};
use crate::store::Opened;

/// Calls in flight are awaited so long when a scenario is over.
const DRAIN: Duration = Duration::from_secs(5);

pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Arc<Log>,
    pub(super) faults: Arc<Faults>,
    later: Arc<Later>,
    store: Opened,
    folder: TempDir,
}

impl Stage {
    /// With the faults and callbacks of a scenario.
    pub(super) async fn open(scenario: &Scenario, catalogue: &Catalogue) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("amends-test-").context("a folder for the store")?;
        let store = SqliteStore::open(&folder.path().join("amends.db")).await.context("the store")?;
        let store = Opened::Sqlite(Arc::new(store));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::anchored(None));
        let log = Arc::new(Log::new(clock.clone()));
        let faults = Arc::new(Faults::default());
        faults.set("", plan::of(scenario));
        let services: Arc<dyn Participant> =
            Arc::new(HttpParticipant::new(catalogue).context("HTTP towards services")?);
        let served = Arc::new(Watched { log: log.clone(), side: Side::Service, next: services });
        let later = Arc::new(Later::new(&scenario.callbacks, log.clone(), served));
        let wire = unreliable(later.clone(), faults.clone());
        let setup = Setup {
            store: store.store(),
            participant: Arc::new(Watched { log: log.clone(), side: Side::Saga, next: wire }),
            clock: clock.clone(),
            catalogue: catalogue.clone(),
            limits: Limits::default(),
            name: "amends test".into(),
            lease: LeaseTerms::default(),
            retention: Retention::default(),
            // They stand on the way already.
            faults: None,
        };
        let engine = Engine::open(setup).await?;
        later.calls_back_to(&engine);
        Ok(Self { engine, clock, log, faults, later, store, folder })
    }

    pub(super) async fn close(self) {
        let Self { engine, faults, later, store, folder, .. } = self;
        faults.clear();
        later.ends().await;
        engine.shutdown(DRAIN).await;
        drop(engine);
        store.close().await;
        drop(folder);
    }
}
