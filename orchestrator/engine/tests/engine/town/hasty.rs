//! A store that breaks its promise: it acknowledges an append before it has made it. The negative control of write-ahead.

use std::{ops::Range, sync::Arc, time::Duration};

use amends_core::{event::Recorded, ids::SagaId, time::Time};
use amends_store::{
    Append, AppendError, Claim, Counts, Cursor, Filter, Head, NewDefinition, Put, Store, StoreError, StoredDefinition,
    Written, memory::MemoryStore,
};
use async_trait::async_trait;
use uuid::Uuid;

/// How much later than acknowledged an append is made.
const LATE: Duration = Duration::from_millis(30);

#[derive(Default)]
pub(crate) struct HastyStore(Arc<MemoryStore>);

#[async_trait]
impl Store for HastyStore {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        if batch.iter().any(|append| append.create.is_some()) {
            return self.0.commit(batch).await;
        }
        let (store, acknowledged) = (self.0.clone(), batch.iter().map(|_| Ok(())).collect());
        tokio::spawn(async move {
            tokio::time::sleep(LATE).await;
            store.commit(batch).await
        });
        acknowledged
    }

    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError> {
        self.0.head(saga).await
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        self.0.journal(saga, seqs, limit).await
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError> {
        self.0.list(filter, below, limit).await
    }

    async fn orphans(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError> {
        self.0.orphans(owner, after, limit).await
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
        self.0.adopt(sagas, owner).await
    }

    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError> {
        self.0.put_definition(definition).await
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError> {
        self.0.definition(name, version).await
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        self.0.definitions(after, limit).await
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        self.0.versions(name, below, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.0.counts().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    async fn latest_at(&self) -> Result<Option<Time>, StoreError> {
        self.0.latest_at().await
    }

    fn written(&self) -> Written {
        self.0.written()
    }
}
