//! The orchestrator's file, read by SQL: summary rows, journals, definitions. Its events are spelled here a second time,
//! on purpose: the checker shares no code with what it checks.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use sqlx::{
    FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use uuid::Uuid;

use super::shape::Shape;
use crate::words::{Call, Op, SagaCall};

/// One saga as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Saga {
    pub id: Uuid,
    pub name: String,
    pub version: u32,
    /// Digest of the definition it started with, from its first event.
    pub definition: String,
    pub row: Row,
    pub journal: Vec<Recorded>,
}

/// The summary row beside the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub status: String,
    pub attention: bool,
    pub started_at: i64,
    pub updated_at: i64,
    pub ended_at: Option<i64>,
    pub wake_at: Option<i64>,
    pub epoch: u64,
    pub next_seq: u64,
}

/// One row of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub seq: u64,
    pub epoch: u64,
    pub at: i64,
    pub event: Event,
}

/// What happened, as far as the checker cares.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    SagaStarted {
        name: String,
        version: u32,
        definition: String,
        #[serde(default)]
        input: Value,
        #[serde(default)]
        deadline_at: Option<i64>,
    },
    Adopted,
    /// The owner let go in good order: nothing that is open has left.
    Released,
    CallIntended {
        call: Call,
        attempt: u32,
        due_at: i64,
        request: String,
    },
    CallSucceeded {
        call: Call,
        attempt: u32,
    },
    CallUnusable {
        call: Call,
        attempt: u32,
    },
    CallRejected {
        call: Call,
        attempt: u32,
        acked: bool,
    },
    CallNotSent {
        call: Call,
        attempt: u32,
    },
    CallUnknown {
        call: Call,
        attempt: u32,
    },
    CallWithdrawn {
        call: Call,
        attempt: u32,
    },
    CallRefused {
        call: Call,
    },
    StepFailed {
        step: String,
        how: How,
    },
    AttentionRaised {
        call: Call,
        reason: String,
    },
    CancelRequested {},
    CompensationStarted {
        cause: Cause,
    },
    SagaCompleted {},
    SagaCompensated,
}

/// What a failed step left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Rejected,
    NeverSent,
    Unusable,
    Unresolved,
}

/// Why a saga is undone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    StepFailed { step: String },
    Cancelled {},
    DeadlinePassed,
}

/// The file, open for reading. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader(SqlitePool);

#[derive(FromRow)]
struct SagaRow {
    id: Uuid,
    name: String,
    version: u32,
    status: String,
    attention: bool,
    started_at: i64,
    updated_at: i64,
    ended_at: Option<i64>,
    wake_at: Option<i64>,
    epoch: i64,
    next_seq: i64,
}

#[derive(FromRow)]
struct EventRow {
    saga: Uuid,
    seq: i64,
    epoch: i64,
    at: i64,
    event: String,
}

/// A file opened so that nothing can be written through it. Not by opening it read-only: after a kill -9 somebody has to
/// recover the write-ahead log before anybody can read.
pub(crate) fn open(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(10))
        .pragma("query_only", "1");
    SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options)
}

impl Reader {
    /// Opens the file when it is first needed; it may not be there yet.
    pub fn new(path: &Path) -> Self {
        Self(open(path))
    }

    /// Whether the intent of this attempt can be read by somebody else, which is to say that it was committed. A file
    /// that cannot be read holds none.
    pub async fn has_intent(&self, call: &SagaCall, attempt: u32) -> bool {
        let op = match call.call.op {
            Op::Action => "action",
            Op::Compensate => "compensate",
        };
        sqlx::query_scalar(
            "-- audit_has_intent
            select exists (
                select 1 from journal
                where saga = $1
                    and json_extract(event, '$.kind') = 'call_intended'
                    and json_extract(event, '$.call.step') = $2
                    and json_extract(event, '$.call.op') = $3
                    and json_extract(event, '$.call.index') is $4
                    and json_extract(event, '$.attempt') = $5
            )",
        )
        .bind(call.saga)
        .bind(&call.call.step)
        .bind(op)
        .bind(call.call.index)
        .bind(attempt)
        .fetch_one(&self.0)
        .await
        .unwrap_or(false)
    }

    /// All sagas with their journals, as of one moment.
    ///
    /// # Errors
    /// The file cannot be read, or holds an event that is not spelled as agreed.
    pub async fn sagas(&self) -> Result<Vec<Saga>> {
        let mut tx = self.0.begin().await?;
        let rows: Vec<SagaRow> = sqlx::query_as(
            "-- audit_sagas
            select id, name, version, status, attention, started_at, updated_at, ended_at, wake_at, epoch, next_seq
            from sagas order by id",
        )
        .fetch_all(&mut *tx)
        .await?;
        let events: Vec<EventRow> = sqlx::query_as(
            "-- audit_journal
            select saga, seq, epoch, at, event from journal order by saga, seq",
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.rollback().await?;
        let mut journals = BTreeMap::<Uuid, Vec<Recorded>>::new();
        for row in events {
            let event = serde_json::from_str(&row.event)
                .with_context(|| format!("saga {} seq {}: {}", row.saga, row.seq, row.event))?;
            let recorded = Recorded { seq: row.seq.try_into()?, epoch: row.epoch.try_into()?, at: row.at, event };
            journals.entry(row.saga).or_default().push(recorded);
        }
        rows.into_iter().map(|row| saga(row, &mut journals)).collect()
    }

    /// All definitions.
    ///
    /// # Errors
    /// The file cannot be read, or a definition is not one.
    pub async fn shapes(&self) -> Result<BTreeMap<(String, u32), Shape>> {
        let rows: Vec<(String, u32, String, String)> = sqlx::query_as(
            "-- audit_definitions
            select name, version, digest, source from definitions",
        )
        .fetch_all(&self.0)
        .await?;
        rows.into_iter()
            .map(|(name, version, digest, source)| Ok(((name, version), Shape::read(&source, &digest)?)))
            .collect()
    }
}

fn saga(row: SagaRow, journals: &mut BTreeMap<Uuid, Vec<Recorded>>) -> Result<Saga> {
    let journal = journals.remove(&row.id).unwrap_or_default();
    let definition = match journal.first().map(|first| &first.event) {
        Some(Event::SagaStarted { definition, .. }) => definition.clone(),
        _ => String::new(),
    };
    Ok(Saga {
        id: row.id,
        name: row.name,
        version: row.version,
        definition,
        row: Row {
            status: row.status,
            attention: row.attention,
            started_at: row.started_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
            wake_at: row.wake_at,
            epoch: row.epoch.try_into()?,
            next_seq: row.next_seq.try_into()?,
        },
        journal,
    })
}
