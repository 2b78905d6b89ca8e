//! Definitions, kept under (name, version). What is deleted leaves a row without its text.

use amends_core::{
    ids::{Digest, SagaId},
    time::Time,
};
use rusqlite::{Connection, OptionalExtension, params};
use sqlx::SqlitePool;
use uuid::Uuid;

use super::{
    rows,
    writer::{Work, Writer},
};
use crate::{Deleted, NewDefinition, Put, StoreError, StoredDefinition};

pub(super) async fn put_definition(writer: &Writer, definition: NewDefinition) -> Result<Put, StoreError> {
    writer.transaction(move |connection| put(connection, &definition)).await?
}

/// Within one transaction that holds the write lock: what is read here cannot change before it is written.
fn put(connection: &Connection, definition: &NewDefinition) -> rusqlite::Result<Work<Result<Put, StoreError>>> {
    let version = match definition.version {
        Some(version) => match digest_of(connection, &definition.name, version)? {
            Some((digest, false)) if digest == definition.digest => return Ok(Work::Untouched(Ok(Put::Same(version)))),
            Some((digest, _)) => return Ok(Work::Untouched(Ok(Put::Taken { digest }))),
            None => version,
        },
        None => match newest_with(connection, definition)? {
            Some(version) => return Ok(Work::Untouched(Ok(Put::Same(version)))),
            None => match highest(connection, &definition.name)?.map_or(Some(1), |highest| highest.checked_add(1)) {
                Some(version) => version,
                None => {
                    let reason = format!("no version is above the highest of {}", definition.name);
                    return Ok(Work::Untouched(Err(StoreError::Refused { reason })));
                }
            },
        },
    };
    insert(connection, definition, version)?;
    Ok(Work::Wrote(Ok(Put::Created(version))))
}

/// With whether it was deleted.
fn digest_of(connection: &Connection, name: &str, version: u32) -> rusqlite::Result<Option<(Digest, bool)>> {
    let mut digest_of = connection.prepare_cached(
        "-- digest_of
        select digest, deleted_at is not null
        from definitions
        where name = ? and version = ?",
    )?;
    digest_of.query_row(params![name, version], |row| Ok((Digest(row.get(0)?), row.get(1)?))).optional()
}

fn newest_with(connection: &Connection, definition: &NewDefinition) -> rusqlite::Result<Option<u32>> {
    let mut newest_with = connection.prepare_cached(
        "-- newest_with
        select max(version)
        from definitions
        where name = ? and digest = ? and deleted_at is null",
    )?;
    newest_with.query_row([&*definition.name, &*definition.digest.0], |row| row.get(0))
}

fn highest(connection: &Connection, name: &str) -> rusqlite::Result<Option<u32>> {
    let mut highest = connection.prepare_cached(
        "-- highest
        select max(version)
        from definitions
        where name = ?",
    )?;
    highest.query_row([name], |row| row.get(0))
}

fn insert(connection: &Connection, definition: &NewDefinition, version: u32) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "-- insert_definition
        insert into definitions (name, version, digest, source, created_at)
        values (?, ?, ?, ?, ?)",
    )?;
    let NewDefinition { name, digest, source, at, .. } = definition;
    let inserted = insert.execute(params![&**name, version, &*digest.0, &**source, at.0])?;
    assert_eq!(inserted, 1, "invariant: a definition is one row");
    Ok(())
}

pub(super) async fn definition(
    readers: &SqlitePool,
    name: &str,
    version: Option<u32>,
) -> Result<Option<StoredDefinition>, StoreError> {
    sqlx::query(
        "-- definition
        select name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
        from definitions
        where name = ?1 and (?2 is null or version = ?2) and source <> ''
        order by version desc
        limit 1",
    )
    .bind(name)
    .bind(version.map(i64::from))
    .fetch_optional(readers)
    .await?
    .as_ref()
    .map(rows::definition)
    .transpose()
}

pub(super) async fn startable(readers: &SqlitePool, name: &str) -> Result<Option<StoredDefinition>, StoreError> {
    sqlx::query(
        "-- startable
        select name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
        from definitions
        where name = ? and disabled_at is null and deleted_at is null
        order by version desc
        limit 1",
    )
    .bind(name)
    .fetch_optional(readers)
    .await?
    .as_ref()
    .map(rows::definition)
    .transpose()
}

pub(super) async fn set_disabled(
    writer: &Writer,
    name: &str,
    version: u32,
    at: Option<Time>,
) -> Result<bool, StoreError> {
    let name = name.to_owned();
    let set = move |connection: &Connection| -> rusqlite::Result<Work<bool>> {
        let mut set_disabled = connection.prepare_cached(
            "-- set_disabled
            update definitions
            -- Who disables again does not disable later. Who enables calls off a deletion that was not finished.
            set disabled_at = case when ?3 is null then null else coalesce(disabled_at, ?3) end,
                deleted_at = case when ?3 is null then null else deleted_at end
            where name = ?1 and version = ?2 and source <> ''",
        )?;
        let touched = set_disabled.execute(params![name, version, at.map(|at| at.0)])?;
        assert!(touched <= 1, "invariant: a definition is one row");
        Ok(if touched == 1 { Work::Wrote(true) } else { Work::Untouched(false) })
    };
    Ok(writer.transaction(set).await?)
}

/// Marks it, so that no saga is made of it any more; then looks, beside those that write, whether one was.
pub(super) async fn delete_definition(
    writer: &Writer,
    readers: &SqlitePool,
    name: &str,
    version: u32,
    at: Time,
) -> Result<Deleted, StoreError> {
    let Some(mark) = marked(writer, MARK_DELETED, name, version, at.0).await? else { return Ok(Deleted::Unknown) };
    let (sagas, example): (i64, Option<Uuid>) =
        sqlx::query_as(USED_BY).bind(name).bind(i64::from(version)).fetch_one(readers).await?;
    let (end, answer) = match example.map(SagaId) {
        Some(example) => (UNMARK_DELETED, Deleted::InUse { sagas: u64::try_from(sagas).unwrap_or(0), example }),
        None => (DROP_DEFINITION, Deleted::Gone),
    };
    match marked(writer, end, name, version, mark).await? {
        Some(_) => Ok(answer),
        None => Err(overtaken(name, version)),
    }
}

/// Somebody else deletes it as well, or has called this off.
fn overtaken(name: &str, version: u32) -> StoreError {
    let reason = format!("version {version} of {name} was changed by somebody else meanwhile");
    StoreError::Unavailable { reason, source: None }
}

/// The mark of its row, if there is such a row.
async fn marked(
    writer: &Writer,
    statement: &'static str,
    name: &str,
    version: u32,
    mark: i64,
) -> Result<Option<i64>, StoreError> {
    let name = name.to_owned();
    let work = move |connection: &Connection| -> rusqlite::Result<Work<Option<i64>>> {
        let mut statement = connection.prepare_cached(statement)?;
        let marked = statement.query_row(params![name, version, mark], |row| row.get(0)).optional()?;
        Ok(if marked.is_some() { Work::Wrote(marked) } else { Work::Untouched(None) })
    };
    Ok(writer.transaction(work).await?)
}

const MARK_DELETED: &str = "-- mark_deleted
    update definitions
    -- Above the mark of one that did not come to its end: two who delete at once must not take each other's for their own.
    set deleted_at = max(?3, coalesce(deleted_at + 1, ?3))
    where name = ?1 and version = ?2 and source <> ''
    returning deleted_at";

const USED_BY: &str = "-- used_by
    select count(*), min(id)
    from sagas
    where name = ? and version = ? and purged_at is null";

const UNMARK_DELETED: &str = "-- unmark_deleted
    update definitions
    set deleted_at = null
    where name = ?1 and version = ?2 and source <> '' and deleted_at = ?3
    returning ?3";

const DROP_DEFINITION: &str = "-- drop_definition
    update definitions
    set source = ''
    where name = ?1 and version = ?2 and source <> '' and deleted_at = ?3
    returning ?3";

pub(super) async fn definitions(
    readers: &SqlitePool,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredDefinition>, StoreError> {
    sqlx::query(
        "-- definitions
        select name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
        from definitions as newest
        where (?1 is null or name > ?1)
            and version = (select max(version) from definitions where name = newest.name and source <> '')
        order by name
        limit ?2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(readers)
    .await?
    .iter()
    .map(rows::definition)
    .collect()
}

pub(super) async fn versions(
    readers: &SqlitePool,
    name: &str,
    below: Option<u32>,
    limit: u32,
) -> Result<Vec<StoredDefinition>, StoreError> {
    sqlx::query(
        "-- versions
        select name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
        from definitions
        where name = ?1 and (?2 is null or version < ?2) and source <> ''
        order by version desc
        limit ?3",
    )
    .bind(name)
    .bind(below.map(i64::from))
    .bind(i64::from(limit))
    .fetch_all(readers)
    .await?
    .iter()
    .map(rows::definition)
    .collect()
}
