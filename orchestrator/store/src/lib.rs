//! The door to durability: one trait, and the sides that stand behind it.
//!
//! Why it exists: what a saga means is decided in `core`; that it survives is decided here. Who calls it: `engine`
//! (everything), `api` (reads), `cli` (chooses and opens a side).
//!
//! **What it must never know:** definitions, steps or calls; HTTP; when to act. It keeps rows it does not read, and
//! refuses those of a writer who is no longer the owner.

mod append;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod sqlite;

use std::{ops::Range, sync::Arc};

use amends_core::{
    event::Recorded,
    ids::{Digest, SagaId},
    summary::{Status, Summary},
    time::Time,
};
use async_trait::async_trait;
use uuid::Uuid;

/// Durable state of every saga. All sides pass `conformance`.
///
/// No method may be cancelled half-way into a write: an implementation runs its transactions in tasks of their own.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes a batch of appends durable in **one** transaction (group commit) and answers for each, in order. An append
    /// that fails by [`AppendError::Fenced`], [`AppendError::Conflict`] or [`AppendError::Exists`] fails alone; a store
    /// that is away fails all of them by [`AppendError::Unavailable`] with nothing written. After `Ok` no crash loses it.
    ///
    /// The same append given again (same `commit`) after an answer was lost is `Ok` and writes nothing.
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>>;

    /// The row beside the journal.
    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError>;

    /// Rows of a journal with `seq` in the range, in order, at most `limit`.
    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError>;

    /// Sagas by filter, newest first by (`started_at`, id), below the cursor, at most `limit`.
    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError>;

    /// Sagas that are not terminal and whose owner is not `owner`, above `after` by id, in order of id, at most `limit`. A row
    /// that cannot be read is left out: one poisoned saga blocks no other (invariant 10).
    async fn orphans(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError>;

    /// Takes sagas over by compare-and-set on (id, owner, epoch): those that still are as given get `owner` and the next
    /// epoch. Answers which, in order. From then on appends under the old epoch are [`AppendError::Fenced`].
    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError>;

    /// Keeps a definition for ever under (name, version). Without a version: that of the newest row with this digest, or
    /// one above the highest.
    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError>;

    /// One definition; without a version the highest.
    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError>;

    /// The highest version of each name, by name, above `after`, at most `limit`.
    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError>;

    /// All versions of one name below `below`, highest first, at most `limit`.
    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError>;

    /// Counts of sagas that are not terminal, by status, and of those that need attention.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Whether the store answers at all; the source of `/readyz`.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The latest `at` in any row that is not terminal: a restarted clock never starts before it. `None`: no such row.
    async fn latest_at(&self) -> Result<Option<Time>, StoreError>;

    /// Transactions committed and appends in them since the store was opened.
    fn written(&self) -> Written;
}

/// Events of one saga that become durable together, or not at all.
#[derive(Clone, Debug)]
pub struct Append {
    pub saga: SagaId,
    /// Made new for this append by its writer, and kept when it is tried again.
    pub commit: Uuid,
    /// The epoch under which the writer owns the saga; also that of every event.
    pub epoch: u64,
    /// Dense, and the first one is the saga's next. Never empty.
    pub events: Vec<Recorded>,
    /// What the journal folds to with these events.
    pub summary: Summary,
    /// Set in the append that makes the saga, whose first event has `seq` 1.
    pub create: Option<Create>,
}

/// What the row of a new saga says for good.
#[derive(Clone, Debug)]
pub struct Create {
    pub owner: Uuid,
    pub name: Arc<str>,
    pub version: u32,
    pub definition: Digest,
    /// The start's idempotency key and the digest of what it asked for: a repeat must ask for the same.
    pub key: Option<StartKey>,
}

/// The key of an idempotent start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartKey {
    pub key: Arc<str>,
    pub request: Digest,
}

/// Why an append was not made. Each says what the writer should do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Somebody else owns the saga: drop it from memory, send nothing more.
    #[error("another process owns this saga")]
    Fenced,
    /// The journal goes on differently: drop it from memory and read it again.
    #[error("the journal has other rows at this place")]
    Conflict,
    /// A create lost against an earlier one: read that one.
    #[error("a saga with this id exists")]
    Exists,
    /// Nothing was written, or the answer was lost: try the same append again.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// The store could not be asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Away, busy or full: try again.
    #[error("the store is not available: {reason}")]
    Unavailable {
        reason: String,
        #[source]
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },
    /// A row that this version cannot read, or that breaks an invariant: a person has to look. Names the row.
    #[error("unreadable row: {reason}")]
    Corrupt { reason: String },
    /// The store cannot be opened as asked; says how to mend it.
    #[error("{reason}")]
    Refused { reason: String },
}

/// The row of a saga.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub saga: SagaId,
    pub name: Arc<str>,
    pub version: u32,
    pub definition: Digest,
    pub key: Option<StartKey>,
    pub owner: Option<Uuid>,
    pub epoch: u64,
    /// One above the last row of the journal.
    pub next_seq: u64,
    pub started_at: Time,
    /// `at` of the last event.
    pub updated_at: Time,
    pub summary: Summary,
}

/// A saga as its adopter saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub saga: SagaId,
    pub owner: Option<Uuid>,
    pub epoch: u64,
}

/// Which sagas a list is about; `None` and empty mean any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub statuses: Vec<Status>,
    pub name: Option<String>,
    pub attention: Option<bool>,
    /// Inclusive.
    pub started_from: Option<Time>,
    /// Exclusive.
    pub started_before: Option<Time>,
}

/// A place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub started_at: Time,
    pub saga: SagaId,
}

/// A definition to keep.
#[derive(Clone, Debug)]
pub struct NewDefinition {
    pub name: Arc<str>,
    pub version: Option<u32>,
    pub digest: Digest,
    pub source: Arc<str>,
    pub at: Time,
}

/// What became of a definition to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new under this version.
    Created(u32),
    /// The same text was there already under this version.
    Same(u32),
    /// Another text stands under the version that was asked for.
    Taken { digest: Digest },
}

/// A definition as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDefinition {
    pub name: Arc<str>,
    pub version: u32,
    pub digest: Digest,
    pub source: Arc<str>,
    pub created_at: Time,
}

/// How many sagas are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub running: u64,
    pub compensating: u64,
    pub attention: u64,
}

/// What the write door did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub commits: u64,
    pub appends: u64,
}
