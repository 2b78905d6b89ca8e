//! Rows into values. What cannot be read names its row, and a person has to look; it never takes the process down.

use std::{fmt, sync::Arc};

use amends_core::{
    event::Recorded,
    ids::{Digest, LockName, SagaId},
    summary::{Status, Summary},
    time::Time,
};
use sqlx::{Row, Sqlite, decode::Decode, sqlite::SqliteRow, types::Type};
use uuid::Uuid;

use crate::{Head, HeldLock, Node, Note, Noted, Queued, StartKey, StoreError, StoredDefinition};

/// A number for the database. None of ours is above its range (`Append::check`), so one that is matches nothing.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn head(row: &SqliteRow) -> Result<Head, StoreError> {
    let saga = SagaId(get(row, "id", "a saga")?);
    let place = format_args!("saga {saga}");
    let key: Option<&str> = get(row, "start_key", place)?;
    let request: Option<&str> = get(row, "request", place)?;
    let status: &str = get(row, "status", place)?;
    let at = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column, place)?.map(Time));
    Ok(Head {
        saga,
        name: get::<&str>(row, "name", place)?.into(),
        version: unsigned(row, "version", place)?,
        definition: Digest(get::<&str>(row, "definition", place)?.into()),
        key: match (key, request) {
            (Some(key), Some(request)) => Some(StartKey { key: key.into(), request: Digest(request.into()) }),
            (None, None) => None,
            _ => return Err(corrupt(place, "a start key and its request go together")),
        },
        parent: get::<Option<Uuid>>(row, "parent", place)?.map(SagaId),
        owner: get(row, "owner", place)?,
        epoch: unsigned(row, "epoch", place)?,
        next_seq: unsigned(row, "next_seq", place)?,
        started_at: Time(get(row, "started_at", place)?),
        updated_at: Time(get(row, "updated_at", place)?),
        purged_at: at("purged_at")?,
        summary: Summary {
            status: Status::parse(status).ok_or_else(|| corrupt(place, format_args!("unknown status {status:?}")))?,
            attention: get(row, "attention", place)?,
            wake_at: at("wake_at")?,
            ended_at: at("ended_at")?,
        },
    })
}

pub(super) fn recorded(saga: SagaId, row: &SqliteRow) -> Result<Recorded, StoreError> {
    let seq = unsigned(row, "seq", format_args!("journal of saga {saga}"))?;
    let place = format_args!("journal of saga {saga}, seq {seq}");
    let event: &str = get(row, "event", place)?;
    Ok(Recorded {
        seq,
        epoch: unsigned(row, "epoch", place)?,
        at: Time(get(row, "at", place)?),
        event: serde_json::from_str(event).map_err(|error| corrupt(place, error))?,
    })
}

pub(super) fn definition(row: &SqliteRow) -> Result<StoredDefinition, StoreError> {
    let name: Arc<str> = get::<&str>(row, "name", "a definition")?.into();
    let version = unsigned(row, "version", format_args!("definition {name}"))?;
    let place = format_args!("definition {name} version {version}");
    Ok(StoredDefinition {
        version,
        digest: Digest(get::<&str>(row, "digest", place)?.into()),
        source: get::<&str>(row, "source", place)?.into(),
        created_at: Time(get(row, "created_at", place)?),
        disabled_at: get::<Option<i64>>(row, "disabled_at", place)?.map(Time),
        name,
    })
}

pub(super) fn node(row: &SqliteRow) -> Result<Node, StoreError> {
    let id: Uuid = get(row, "id", "a node")?;
    let place = format_args!("node {id}");
    Ok(Node {
        id,
        name: get::<&str>(row, "name", place)?.into(),
        joined_at: Time(get(row, "joined_at", place)?),
        lease_until: get::<Option<i64>>(row, "lease_until", place)?.map(Time),
    })
}

/// A note, and the row of its saga if there is one.
pub(super) fn noted(row: &SqliteRow) -> Result<Noted, StoreError> {
    let saga = SagaId(get(row, "note_saga", "a note")?);
    let id: Uuid = get(row, "note_id", format_args!("a note to saga {saga}"))?;
    let place = format_args!("note {id} to saga {saga}");
    let note =
        Note { saga, id, body: get::<&str>(row, "note_body", place)?.into(), at: Time(get(row, "note_at", place)?) };
    let there = get::<Option<&[u8]>>(row, "id", place)?.is_some();
    Ok(Noted { note, head: if there { Some(head(row)?) } else { None } })
}

/// A saga in the queue of a lock.
pub(super) fn queued(row: &SqliteRow) -> Result<Queued, StoreError> {
    let saga = SagaId(get(row, "saga", "a place in the queue of a lock")?);
    let place = format_args!("saga {saga}");
    let status: &str = get(row, "status", place)?;
    Ok(Queued {
        saga,
        name: get::<&str>(row, "name", place)?.into(),
        status: Status::parse(status).ok_or_else(|| corrupt(place, format_args!("unknown status {status:?}")))?,
        arrived_at: Time(get(row, "arrived_at", place)?),
    })
}

/// A lock, with the saga that has it.
pub(super) fn held_lock(row: &SqliteRow) -> Result<HeldLock, StoreError> {
    let lock: &str = get(row, "lock", "a lock")?;
    let waiting: i64 = get(row, "waiting", format_args!("lock {lock}"))?;
    let waiting = u64::try_from(waiting).unwrap_or(0);
    Ok(HeldLock { lock: LockName(lock.into()), holder: queued(row)?, waiting })
}

/// What a person has to look at, and why.
pub(super) fn corrupt(place: impl fmt::Display, why: impl fmt::Display) -> StoreError {
    StoreError::Corrupt { reason: format!("{place}: {why}") }
}

pub(super) fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    column: &str,
    place: impl fmt::Display,
) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| corrupt(place, error))
}

pub(super) fn unsigned<T: TryFrom<i64>>(
    row: &SqliteRow,
    column: &str,
    place: impl fmt::Display + Copy,
) -> Result<T, StoreError> {
    let number: i64 = get(row, column, place)?;
    T::try_from(number).map_err(|_| corrupt(place, format_args!("{column} is {number}")))
}

/// The saga that a write names as touched.
pub(super) fn touched(row: &SqliteRow) -> Result<SagaId, sqlx::Error> {
    row.try_get::<Uuid, _>("id").map(SagaId)
}
