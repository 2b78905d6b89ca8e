//! The embedded side: one SQLite file, one server.
//!
//! WAL with `synchronous=FULL`: a commit that was answered survives kill -9 and power loss. One connection writes, since
//! SQLite has one writer anyway; a small pool reads beside it without waiting for it. That a file has one server is kept
//! by a lock of the operating system and not by SQLite's exclusive mode, which would shut out our own readers and the
//! tools beside a running server.
//!
//! **What it must never know:** what an event or a status means; other servers (PostgreSQL is for many nodes).

mod adopt;
mod commit;
mod definitions;
mod error;
mod list;
mod lock;
mod lone;
mod multirow;
mod open;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::{ops::Range, sync::Arc};

use amends_core::{event::Recorded, ids::SagaId, time::Time};
use async_trait::async_trait;
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::{
    Append, AppendError, Claim, Counts, Cursor, Filter, Head, NewDefinition, Put, Store, StoreError, StoredDefinition,
    Written,
};

use self::writer::Writer;

/// A store in one SQLite file.
pub struct SqliteStore {
    readers: SqlitePool,
    /// `None` beside a running server.
    writer: Option<Arc<Writer>>,
}

impl SqliteStore {
    fn writer(&self) -> Result<&Arc<Writer>, StoreError> {
        self.writer.as_ref().ok_or_else(|| StoreError::Refused {
            reason: "the store is open for reading only: ask the server that owns it".to_owned(),
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>> {
        match self.writer() {
            Ok(writer) => commit::commit(writer, batch).await,
            Err(refused) => batch.iter().map(|_| Err(refused.clone().into())).collect(),
        }
    }

    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError> {
        read::head(&self.readers, saga).await
    }

    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        read::journal(&self.readers, saga, seqs, limit).await
    }

    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError> {
        list::list(&self.readers, filter, below, limit).await
    }

    async fn orphans(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError> {
        adopt::orphans(&self.readers, owner, after, limit).await
    }

    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError> {
        adopt::adopt(self.writer()?, sagas, owner).await
    }

    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError> {
        definitions::put_definition(self.writer()?, definition).await
    }

    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError> {
        definitions::definition(&self.readers, name, version).await
    }

    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        definitions::definitions(&self.readers, after, limit).await
    }

    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError> {
        definitions::versions(&self.readers, name, below, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        read::counts(&self.readers).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        read::ping(&self.readers).await
    }

    async fn latest_at(&self) -> Result<Option<Time>, StoreError> {
        read::latest_at(&self.readers).await
    }

    fn written(&self) -> Written {
        self.writer.as_ref().map_or_else(Written::default, |writer| writer.written())
    }
}
