//! The store in memory, with switches for the bad days of its read side.

use std::{
    ops::Range,
    sync::atomic::{AtomicU8, Ordering},
};

use amends_core::{event::Recorded, ids::SagaId, time::Time};
use amends_store::{
    Append, AppendError, Claim, Counts, Cursor, Filter, Head, NewDefinition, Put, Store, StoreError, StoredDefinition,
    Written, memory::MemoryStore,
};
use async_trait::async_trait;
use uuid::Uuid;

/// What only the operator may read.
pub(crate) const SECRET: &str = "connection to postgres://amends:hunter2@db/amends refused";

#[derive(Default)]
pub(crate) struct Switched {
    pub(crate) memory: MemoryStore,
    reads: AtomicU8,
}

/// How reads go.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Reads {
    Well = 0,
    Away = 1,
    Corrupt = 2,
    Panic = 3,
}

impl Switched {
    pub(crate) fn reads(&self, reads: Reads) {
        self.reads.store(reads as u8, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.reads.load(Ordering::SeqCst) {
            1 => Err(StoreError::Unavailable { reason: SECRET.to_owned(), source: None }),
            2 => Err(StoreError::Corrupt { reason: SECRET.to_owned() }),
            3 => panic!("{SECRET}"),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Switched {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        self.memory.commit(batch).await
    }

    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError> {
        self.check()?;
        self.memory.head(saga).await
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        self.check()?;
        self.memory.journal(saga, seqs, limit).await
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError> {
        self.check()?;
        self.memory.list(filter, below, limit).await
    }

    async fn orphans(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError> {
        self.memory.orphans(owner, after, limit).await
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
        self.memory.adopt(sagas, owner).await
    }

    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError> {
        self.memory.put_definition(definition).await
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError> {
        self.check()?;
        self.memory.definition(name, version).await
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        self.check()?;
        self.memory.definitions(after, limit).await
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        self.check()?;
        self.memory.versions(name, below, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.memory.counts().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check()?;
        self.memory.ping().await
    }

    async fn latest_at(&self) -> Result<Option<Time>, StoreError> {
        self.memory.latest_at().await
    }

    fn written(&self) -> Written {
        self.memory.written()
    }
}
