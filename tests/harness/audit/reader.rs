//! Where an orchestrator writes, read by SQL: a file, or a PostgreSQL database that many nodes share. Either way the same
//! rows come out.
//!
//! **What it must never know:** what the rows mean; how to write.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use sqlx::{
    FromRow, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use uuid::Uuid;

use super::{
    journal::{Event, Recorded, Row, Saga},
    shape::Shape,
};
use crate::words::{Op, SagaCall};

/// A database that is away says so at once; the rest is for a machine that is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Open for reading. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Reader {
    File(SqlitePool),
    Server(PgPool),
}

#[derive(FromRow)]
struct SagaRow {
    id: Uuid,
    name: String,
    version: i64,
    status: String,
    attention: bool,
    started_at: i64,
    updated_at: i64,
    ended_at: Option<i64>,
    wake_at: Option<i64>,
    epoch: i64,
    next_seq: i64,
    owner: Option<Uuid>,
    asleep_until: Option<i64>,
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
    pub fn of_file(path: &Path) -> Self {
        Self::File(open(path))
    }

    /// Connects when it is first needed.
    ///
    /// # Errors
    /// It is no address of a database.
    pub fn of_server(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.application_name("audit").options([("default_transaction_read_only", "on")]);
        let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(ACQUIRE_TIMEOUT);
        Ok(Self::Server(pool.connect_lazy_with(options)))
    }

    /// Whether the intent of this attempt can be read by somebody else, which is to say that it was committed. A file that
    /// cannot be read holds none; of a server that is away nobody can tell.
    pub async fn has_intent(&self, call: &SagaCall, attempt: u32) -> Option<bool> {
        let op = match call.call.op {
            Op::Action => "action",
            Op::Compensate => "compensate",
        };
        match self {
            Self::File(pool) => {
                let found = sqlx::query_scalar(
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
                .fetch_one(pool)
                .await;
                Some(found.unwrap_or(false))
            }
            Self::Server(pool) => sqlx::query_scalar(
                "-- audit_has_intent
                select exists (
                    select 1 from journal
                    where saga = $1
                        and event::json ->> 'kind' = 'call_intended'
                        and event::json #>> '{call,step}' = $2
                        and event::json #>> '{call,op}' = $3
                        and (event::json #>> '{call,index}')::bigint is not distinct from $4
                        and (event::json ->> 'attempt')::bigint = $5
                )",
            )
            .bind(call.saga)
            .bind(&call.call.step)
            .bind(op)
            .bind(call.call.index.map(i64::from))
            .bind(i64::from(attempt))
            .fetch_one(pool)
            .await
            .ok(),
        }
    }

    /// All sagas with their journals, as of one moment.
    ///
    /// # Errors
    /// They cannot be read, or an event is not spelled as agreed.
    pub async fn sagas(&self) -> Result<Vec<Saga>> {
        self.some(None).await
    }

    /// One saga with its journal.
    ///
    /// # Errors
    /// As [`Reader::sagas`]; it is not there.
    pub async fn saga(&self, saga: Uuid) -> Result<Saga> {
        self.some(Some(saga)).await?.pop().with_context(|| format!("saga {saga} is not there"))
    }

    async fn some(&self, saga: Option<Uuid>) -> Result<Vec<Saga>> {
        let (rows, events): (Vec<SagaRow>, Vec<EventRow>) = match self {
            Self::File(pool) => {
                let mut tx = pool.begin().await?;
                let rows = sqlx::query_as(SAGAS).bind(saga).fetch_all(&mut *tx).await?;
                let events = sqlx::query_as(JOURNAL).bind(saga).fetch_all(&mut *tx).await?;
                tx.rollback().await?;
                (rows, events)
            }
            Self::Server(pool) => {
                let mut tx = pool.begin_with("begin transaction isolation level repeatable read").await?;
                let rows = sqlx::query_as(SAGAS).bind(saga).fetch_all(&mut *tx).await?;
                let events = sqlx::query_as(JOURNAL).bind(saga).fetch_all(&mut *tx).await?;
                tx.rollback().await?;
                (rows, events)
            }
        };
        let mut journals = BTreeMap::<Uuid, Vec<Recorded>>::new();
        for row in events {
            let event = serde_json::from_str(&row.event)
                .with_context(|| format!("saga {} seq {}: {}", row.saga, row.seq, row.event))?;
            let recorded = Recorded { seq: row.seq.try_into()?, epoch: row.epoch.try_into()?, at: row.at, event };
            journals.entry(row.saga).or_default().push(recorded);
        }
        rows.into_iter().map(|row| of_rows(row, &mut journals)).collect()
    }

    /// Sagas that have not ended, with owner and epoch; without their journals.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn live(&self) -> Result<Vec<(Uuid, Option<Uuid>, u64)>> {
        let rows: Vec<(Uuid, Option<Uuid>, i64)> = match self {
            Self::File(pool) => sqlx::query_as(LIVE).fetch_all(pool).await?,
            Self::Server(pool) => sqlx::query_as(LIVE).fetch_all(pool).await?,
        };
        rows.into_iter().map(|(id, owner, epoch)| Ok((id, owner, epoch.try_into()?))).collect()
    }

    /// All definitions.
    ///
    /// # Errors
    /// They cannot be read, or one is none.
    pub async fn shapes(&self) -> Result<BTreeMap<(String, u32), Shape>> {
        let rows: Vec<(String, i64, String, String)> = match self {
            Self::File(pool) => sqlx::query_as(DEFINITIONS).fetch_all(pool).await?,
            Self::Server(pool) => sqlx::query_as(DEFINITIONS).fetch_all(pool).await?,
        };
        rows.into_iter()
            .map(|(name, version, digest, source)| {
                Ok(((name, u32::try_from(version)?), Shape::read(&source, &digest)?))
            })
            .collect()
    }
}

const SAGAS: &str = "-- audit_sagas
    select id, name, version, status, attention, started_at, updated_at, ended_at, wake_at, epoch, next_seq, owner,
        asleep_until
    from sagas
    where id = coalesce($1, id)
    order by id";

const JOURNAL: &str = "-- audit_journal
    select saga, seq, epoch, at, event from journal where saga = coalesce($1, saga) order by saga, seq";

const LIVE: &str = "-- audit_live
    select id, owner, epoch from sagas where ended_at is null";

const DEFINITIONS: &str = "-- audit_definitions
    select name, version, digest, source from definitions
    -- Of what was deleted only the number is left.
    where source <> ''";

fn of_rows(row: SagaRow, journals: &mut BTreeMap<Uuid, Vec<Recorded>>) -> Result<Saga> {
    let journal = journals.remove(&row.id).unwrap_or_default();
    let definition = match journal.first().map(|first| &first.event) {
        Some(Event::SagaStarted { definition, .. }) => definition.clone(),
        _ => String::new(),
    };
    Ok(Saga {
        id: row.id,
        name: row.name,
        version: row.version.try_into()?,
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
            owner: row.owner,
            asleep_until: row.asleep_until,
        },
        journal,
    })
}
