//! Each service has its own bound of calls at once: a dead one holds up its own steps and nobody else's ("Bulkhead",
//! M. Nygard, Release It!). A call that waits here is *parked*: it has not been sent.

use std::{collections::BTreeMap, sync::Arc};

use amends_core::ids::ServiceName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Catalogue;

pub(crate) struct Bulkheads {
    services: BTreeMap<String, Arc<Semaphore>>,
}

impl Bulkheads {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        let bound = |concurrency: u32| Arc::new(Semaphore::new(concurrency as usize));
        let services = catalogue.services.iter().map(|(name, service)| (name.clone(), bound(service.concurrency)));
        Self { services: services.collect() }
    }

    /// Waits for a place. `None`: there is no such service, so nothing bounds it and nothing will be sent either.
    pub(crate) async fn enter(&self, service: &ServiceName) -> Option<OwnedSemaphorePermit> {
        let bulkhead = self.services.get(service.as_str())?.clone();
        Some(bulkhead.acquire_owned().await.expect("invariant: bulkheads are never closed"))
    }
}
