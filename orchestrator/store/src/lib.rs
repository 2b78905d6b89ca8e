//! The door to durability: one trait, and the sides that stand behind it.
//!
//! Why it exists: what a saga means is decided in `core`; that it survives is decided here. Who calls it: `engine`
//! (everything), `api` (reads), `cli` (chooses and opens a side).
//!
//! **What it must never know:** definitions, steps or calls; HTTP; when to act. It keeps rows it does not read, and
//! refuses those of a writer who is no longer the owner.

mod append;
mod batch;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod fsck;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod postgres;
mod secret;
pub mod sqlite;

use std::{ops::Range, sync::Arc, time::Duration};

use amends_core::{
    event::Recorded,
    ids::{Digest, LockName, SagaId},
    summary::{Status, Summary},
    time::Time,
};
use async_trait::async_trait;
use uuid::Uuid;

pub use batch::{Batch, DROPPED_REMEMBERED, Places, Turn};
pub use secret::Secret;

/// Durable state of every saga. All sides pass `conformance`.
///
/// No method may be cancelled half-way into a write: an implementation runs its transactions in tasks or threads of their own.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes a batch of appends durable in **one** transaction (group commit) and answers for each, in order. An append
    /// that fails by [`AppendError::Fenced`], [`AppendError::Conflict`] or [`AppendError::Exists`] fails alone; a store
    /// that is away fails all of them by [`AppendError::Unavailable`] with nothing written. After `Ok` no crash loses it.
    ///
    /// A saga that has ended may go on, but its end stays: an append whose summary has none is [`AppendError::Conflict`].
    /// One of nobody's takes no append at all: [`AppendError::Fenced`].
    ///
    /// The same append given again (same `commit`) after an answer was lost is `Ok` and writes nothing.
    async fn commit(&self, batch: Vec<Append>) -> Vec<Result<(), AppendError>>;

    /// The row beside the journal.
    async fn head(&self, saga: SagaId) -> Result<Option<Head>, StoreError>;

    /// Rows of a journal with `seq` in the range, in order, at most `limit`.
    async fn journal(&self, saga: SagaId, seqs: Range<u64>, limit: u32) -> Result<Vec<Recorded>, StoreError>;

    /// Sagas by filter, newest first by (`started_at`, id), below the cursor, at most `limit`.
    async fn list(&self, filter: &Filter, below: Option<Cursor>, limit: u32) -> Result<Vec<Head>, StoreError>;

    /// Rows of several journals from their beginning, for adoption in batches: in order of `sagas`, each whole or, when it
    /// has more than `limit` rows, its first `limit`. A journal that cannot be read is an error of its own.
    async fn journals(
        &self,
        sagas: &[SagaId],
        limit: u32,
    ) -> Result<Vec<Result<Vec<Recorded>, StoreError>>, StoreError>;

    /// A process takes part under a new identity, for `lease` from now by the database's time. Owners of sagas that no lease
    /// was ever written for are known from then on as nodes whose lease has ended.
    async fn join(&self, node: NewNode, lease: Duration) -> Result<Lease, StoreError>;

    /// Prolongs a lease, to `lease` from now by the database's time. One that has ended is never revived:
    /// [`Lease::Ended`], and the process needs a new identity.
    async fn renew(&self, node: Uuid, lease: Duration) -> Result<Lease, StoreError>;

    /// Ends a lease at once. What the node still owns are orphans from then on.
    async fn leave(&self, node: Uuid) -> Result<(), StoreError>;

    /// Nodes whose lease lasts, by identity.
    async fn nodes(&self) -> Result<Vec<Node>, StoreError>;

    /// Sagas that are not terminal and whose owner's lease has ended, above `after` by (owner, id), in this order, at most
    /// `limit`. A row that cannot be read is left out: one poisoned saga blocks no other (invariant 10). Costs nothing to
    /// speak of when no lease has ended, however many sagas there are.
    async fn orphans(&self, after: Option<(Uuid, SagaId)>, limit: u32) -> Result<Vec<Head>, StoreError>;

    /// Sagas that are not terminal and that `owner` owns, above `after` by id, in order of id, at most `limit`. Rows that cannot
    /// be read are left out.
    async fn owned(&self, owner: Uuid, after: Option<SagaId>, limit: u32) -> Result<Vec<Head>, StoreError>;

    /// Sagas of nobody whose wake-up is due at `now`, earliest first, at most `limit`. Rows that cannot be read are left out.
    async fn due(&self, now: Time, limit: u32) -> Result<Vec<Head>, StoreError>;

    /// When the next saga of nobody wants to be woken; `None`: none does.
    async fn next_due(&self) -> Result<Option<Time>, StoreError>;

    /// Takes sagas over by compare-and-set on (id, owner, epoch): those that still are as given get `owner` and the next
    /// epoch, and sleep no more. Answers which, in order. From then on appends under the old epoch are
    /// [`AppendError::Fenced`]. A stub is not taken over.
    async fn adopt(&self, sagas: Vec<Claim>, owner: Uuid) -> Result<Vec<bool>, StoreError>;

    /// Leaves a note for whoever owns the saga. Durable once `Ok`; the same note again changes nothing.
    async fn post(&self, note: Note) -> Result<(), StoreError>;

    /// Notes without a verdict that `node` can do something about, oldest first, at most `limit`: those to sagas that it owns,
    /// that nobody owns, that have ended, or that are not there.
    async fn notes(&self, node: Uuid, limit: u32) -> Result<Vec<Noted>, StoreError>;

    /// Gives notes of one saga their verdicts without an event, if the saga's epoch is `epoch`, or it has ended, or is not
    /// there. `false`: it is otherwise, and nothing was written. The first verdict of a note stays. An append gives verdicts in
    /// its own commit ([`Append::verdicts`]).
    async fn settle(&self, saga: SagaId, epoch: u64, verdicts: Vec<Verdict>) -> Result<bool, StoreError>;

    /// Says that a saga cannot be read by its owner, under this epoch: from then on its row asks for a person, though no event says
    /// so. Of what is said again the first time stays. `false`: it has another epoch, has ended, or is not there.
    ///
    /// It holds until somebody appends to the saga: he has read it, and the attention of its row is again what its journal says.
    async fn poison(&self, epoch: u64, poisoned: Poisoned) -> Result<bool, StoreError>;

    /// What was said of a saga, if it holds.
    async fn poisoned(&self, saga: SagaId) -> Result<Option<Poisoned>, StoreError>;

    /// The verdict of a note; `None`: it has none yet. A note that is not there is [`StoreError::Corrupt`].
    async fn verdict(&self, saga: SagaId, note: Uuid) -> Result<Option<Arc<str>>, StoreError>;

    /// Takes a place for a saga in the queue of a lock; the one that it has, if it has one. The saga has been made before: a place
    /// of none counts no more than one of a saga that has ended.
    ///
    /// Of one lock no two places are the same, and none becomes visible after a higher one did: whoever sees nobody who lives
    /// before him will never see anybody there. So [`Place::first`] stays true until its saga ends, and is never said to two
    /// sagas that live. `at` is the place if it is above all that were given; times of nodes that disagree do no harm.
    async fn enqueue(&self, lock: &LockName, saga: SagaId, at: Time) -> Result<Place, StoreError>;

    /// The sagas in the queue of a lock that live, in order of arrival, behind `after`, at most `limit`. The first of all has it.
    async fn lock_queue(&self, lock: &LockName, after: Option<Time>, limit: u32) -> Result<Vec<Queued>, StoreError>;

    /// The locks that sagas have whose names begin with `prefix`, by name, above `after`, at most `limit`.
    async fn locks(&self, prefix: &str, after: Option<&LockName>, limit: u32) -> Result<Vec<HeldLock>, StoreError>;

    /// Deletes the places of a saga that has ended; one that lives keeps them. Tidying: they count no more in any case.
    async fn leave_queues(&self, saga: SagaId, locks: &[LockName]) -> Result<(), StoreError>;

    /// Deletes notes that have had a verdict and arrived before `before`, nodes whose lease ended before `before` and
    /// that own nothing that lives, what locks of before then have left, and what was said before then of sagas that somebody has
    /// read since; at most `limit` of each. Answers how many.
    async fn tidy(&self, before: Time, limit: u32) -> Result<u64, StoreError>;

    /// Looks at up to `limit` sagas started before `before`, oldest first, above `after`, and answers those that ended before
    /// `before` and are not purged. For retention: `next` is where to go on, `None` at the end.
    async fn ended(&self, before: Time, after: Option<Cursor>, limit: u32) -> Result<Page, StoreError>;

    /// Deletes terminal sagas: journals, notes, rows. Of one with a start key its row stays as a stub (`purged_at`), so that
    /// a late repeat of the start meets it. Others are left alone, and so is a child whose parent is not purged before. Answers how
    /// many were purged.
    async fn purge(&self, sagas: Vec<SagaId>, at: Time) -> Result<u64, StoreError>;

    /// What brought turns of sagas ([`amends_core::Lifecycle`]) beyond `after`, at most `limit` transactions. Of each writer they come
    /// in its order and without holes (but for what was dropped), and all turns of one saga come in theirs, whoever wrote them: none
    /// is answered as long as one that came before it in its saga is beyond `after` and was not.
    async fn batches(&self, after: &Places, limit: u32) -> Result<Vec<Batch>, StoreError>;

    /// The place behind everything that has been written so far.
    async fn places(&self) -> Result<Places, StoreError>;

    /// Up to where batches were dropped: whoever has not passed these places has missed something.
    async fn dropped(&self) -> Result<Places, StoreError>;

    /// Rows of journals by saga and seq, in order of `wanted`; `None` of one that is not kept. One that cannot be read is an error of
    /// its own.
    async fn rows(&self, wanted: &[(SagaId, u64)]) -> Result<Vec<Result<Option<Recorded>, StoreError>>, StoreError>;

    /// Deletes batches of before `before`, of each writer at most those that `passed` has passed (`None`: any), at most `limit` of
    /// each. Up to where is kept for `remember` longer. Answers how many.
    async fn drop_batches(
        &self,
        before: Time,
        passed: Option<&Places>,
        now: Time,
        remember: Duration,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Keeps somebody to be told, under an id that nobody has. `false`: there is one with this id, and nothing was written.
    async fn add_subscription(&self, new: NewSubscription) -> Result<bool, StoreError>;

    /// All of them, by id.
    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError>;

    /// Deletes one. `false`: there is none.
    async fn delete_subscription(&self, id: Uuid) -> Result<bool, StoreError>;

    /// It is told nothing from now on (one that was told nothing already keeps its time), or is again (`None`). `false`: there is none.
    async fn pause_subscription(&self, id: Uuid, at: Option<Time>) -> Result<bool, StoreError>;

    /// `owner` is the one who tells it, for `lease` from now by the database's time; nobody else can claim it until then. Answers the
    /// epoch, which rises with each new owner; `None`: somebody else has it, or there is none.
    async fn claim_subscription(&self, id: Uuid, owner: Uuid, lease: Duration) -> Result<Option<u64>, StoreError>;

    /// Writes down what it has been told, if `epoch` is the last that was given out. `false`: it is not, and nothing was written.
    async fn record_told(&self, id: Uuid, epoch: u64, told: Told) -> Result<bool, StoreError>;

    /// Every saga, stubs too, above `after` by id, in order of id, at most `limit`. A row that cannot be read is an error
    /// of its own, with the id to go on from. For `fsck` and `export`.
    async fn scan(
        &self,
        after: Option<SagaId>,
        limit: u32,
    ) -> Result<Vec<(SagaId, Result<Head, StoreError>)>, StoreError>;

    /// Keeps a definition under (name, version). Without a version: that of the newest row with this digest, or one above the
    /// highest that ever was.
    async fn put_definition(&self, definition: NewDefinition) -> Result<Put, StoreError>;

    /// One definition; without a version the highest.
    async fn definition(&self, name: &str, version: Option<u32>) -> Result<Option<StoredDefinition>, StoreError>;

    /// The highest version of a name that takes starts.
    async fn startable(&self, name: &str) -> Result<Option<StoredDefinition>, StoreError>;

    /// From now on the version takes starts (`None`) or takes none; one that takes none already keeps its time. `false`: there is
    /// no such version.
    async fn set_disabled(&self, name: &str, version: u32, at: Option<Time>) -> Result<bool, StoreError>;

    /// Deletes a version that no saga was made of which is still kept: what is left of it is its number, which is never given again.
    /// It is there for nobody from then on. No saga is ever made of a version that is deleted ([`AppendError::Deleted`]), wherever
    /// its start comes from and however late; one that was made before is found here. While it is looked, the version takes no starts.
    async fn delete_definition(&self, name: &str, version: u32, at: Time) -> Result<Deleted, StoreError>;

    /// The highest version of each name, by name, above `after`, at most `limit`.
    async fn definitions(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError>;

    /// All versions of one name below `below`, highest first, at most `limit`.
    async fn versions(&self, name: &str, below: Option<u32>, limit: u32) -> Result<Vec<StoredDefinition>, StoreError>;

    /// The secret that all processes on this store share under this name: the one that was kept first. If there is none, that is
    /// `offered`. Durable once `Ok`.
    async fn shared_key(&self, name: &str, offered: Secret, at: Time) -> Result<Secret, StoreError>;

    /// Counts of sagas that are not terminal, by status, and of those that need attention.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Whether the store answers at all; the source of `/readyz`.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The latest `at` in any row that is not terminal: a restarted clock never starts before it. `None`: no such row.
    async fn latest_at(&self) -> Result<Option<Time>, StoreError>;

    /// Transactions committed and appends in them since the store was opened.
    fn written(&self) -> Written;

    /// Batches that can be committed side by side. A saga's appends must always go the same way: [`lane_of`].
    fn lanes(&self) -> usize {
        1
    }
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
    /// `seq` of the event after which nobody has to look at the saga any more, if one of these is that.
    pub attention_cleared: Option<u64>,
    /// Set in the append that makes the saga, whose first event has `seq` 1.
    pub create: Option<Create>,
    /// The owner lets go in this very commit: the row has no owner from then on, and is due ([`Store::due`]) at the summary's
    /// `wake_at`.
    pub release: bool,
    /// Notes that this append answers, in its own commit.
    pub verdicts: Vec<Verdict>,
}

/// Which of `lanes` a saga's appends go.
pub fn lane_of(saga: SagaId, lanes: usize) -> usize {
    // The last bytes of a UUID of any version are random.
    usize::from(saga.0.as_bytes()[15]) % lanes.max(1)
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
    /// Whose child it is.
    pub parent: Option<SagaId>,
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
    /// A create of a definition that was deleted, or is just being.
    #[error("this version of the definition is deleted")]
    Deleted,
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
    /// Whose child it is; a root is nobody's.
    pub parent: Option<SagaId>,
    pub owner: Option<Uuid>,
    pub epoch: u64,
    /// One above the last row of the journal.
    pub next_seq: u64,
    pub started_at: Time,
    /// `at` of the last event.
    pub updated_at: Time,
    /// Retention has taken its journal, at this time: what is left is a stub.
    pub purged_at: Option<Time>,
    pub summary: Summary,
}

/// A saga as its adopter saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub saga: SagaId,
    pub owner: Option<Uuid>,
    pub epoch: u64,
}

/// A saga that its owner cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poisoned {
    pub saga: SagaId,
    /// For people.
    pub reason: Arc<str>,
    /// When it was said for the first time.
    pub since: Time,
    /// Who said so last, as [`NewNode::name`].
    pub node: Arc<str>,
}

/// A process that wants to take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// Made new by the process, and again after each loss of its lease.
    pub id: Uuid,
    /// For people: host and process.
    pub name: Arc<str>,
}

/// What was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The store belongs to this process as long as it is open; there is nothing to renew.
    Sole,
    /// From `now` on, which is the database's time.
    Granted { now: Time },
    /// It had ended, and is not revived.
    Ended,
}

/// A process that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: Uuid,
    pub name: Arc<str>,
    pub joined_at: Time,
    /// By the database's time; `None`: it does not end.
    pub lease_until: Option<Time>,
}

/// A saga's place in the queue of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub arrived_at: Time,
    /// The lock is the saga's, until it ends: nobody who came before lives.
    pub first: bool,
}

/// A saga in the queue of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    pub saga: SagaId,
    pub name: Arc<str>,
    pub status: Status,
    pub arrived_at: Time,
}

/// A lock that a saga has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    pub lock: LockName,
    /// The first in its queue.
    pub holder: Queued,
    /// How many are behind it.
    pub waiting: u64,
}

/// Somebody to be told of turns of sagas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscription {
    pub id: Uuid,
    /// What it wants to hear, and where. The store does not read it.
    pub body: Arc<str>,
    pub created_at: Time,
    /// From where on.
    pub told: Told,
}

/// Somebody who is told of turns of sagas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: Uuid,
    pub body: Arc<str>,
    pub created_at: Time,
    /// Since when it is told nothing, because somebody said so.
    pub paused_at: Option<Time>,
    pub told: Told,
    /// Who tells it, or did last.
    pub owner: Option<Uuid>,
    pub epoch: u64,
}

/// What somebody has been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Everything up to there, but for what the report says.
    pub places: Places,
    /// Every turn of before.
    pub until: Time,
    /// How it goes. The store does not read it.
    pub report: Arc<str>,
}

/// Something for the owner of a saga, from whoever was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub saga: SagaId,
    /// Made new by its writer, and kept when it is tried again.
    pub id: Uuid,
    /// The store does not read it.
    pub body: Arc<str>,
    pub at: Time,
}

/// A note and where its saga stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    pub note: Note,
    /// `None`: there is no such saga.
    pub head: Option<Head>,
}

/// What became of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub note: Uuid,
    /// The store does not read it.
    pub body: Arc<str>,
}

/// Part of a walk over many sagas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub found: Vec<Head>,
    pub next: Option<Cursor>,
}

/// Which sagas a list is about; `None` and empty mean any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub statuses: Vec<Status>,
    pub name: Option<String>,
    /// The children of this saga.
    pub parent: Option<SagaId>,
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

/// What became of a version to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    Gone,
    /// Sagas that are kept were made of it, running or not; this is one of them. Nothing has changed.
    InUse {
        sagas: u64,
        example: SagaId,
    },
    /// There is none.
    Unknown,
}

/// A definition as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDefinition {
    pub name: Arc<str>,
    pub version: u32,
    pub digest: Digest,
    pub source: Arc<str>,
    pub created_at: Time,
    /// Since when it takes no new starts; `None`: it takes them.
    pub disabled_at: Option<Time>,
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
    /// Statements in these transactions, begin and commit not counted. One that is carried out for many rows counts once.
    pub statements: u64,
}
