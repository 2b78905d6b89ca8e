//! Definitions, kept for ever under (name, version).

use amends_core::{ids::Digest, time::Time};
use rusqlite::{Connection, OptionalExtension, params};
use sqlx::SqlitePool;

use super::{
    rows,
    writer::{Work, Writer},
};
use crate::{NewDefinition, Put, StoreError, StoredDefinition};

pub(super) async fn put_definition(writer: &Writer, definition: NewDefinition) -> Result<Put, StoreError> {
    writer.transaction(move |connection| put(connection, &definition)).await?
}

/// Within one transaction that holds the write lock: what is read here cannot change before it is written.
fn put(connection: &Connection, definition: &NewDefinition) -> rusqlite::Result<Work<Result<Put, StoreError>>> {
    let version = match definition.version {
        Some(version) => match digest_of(connection, &definition.name, version)? {
            Some(digest) if digest == definition.digest => return Ok(Work::Untouched(Ok(Put::Same(version)))),
            Some(digest) => return Ok(Work::Untouched(Ok(Put::Taken { digest }))),
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

fn digest_of(connection: &Connection, name: &str, version: u32) -> rusqlite::Result<Option<Digest>> {
    let mut digest_of = connection.prepare_cached(
        "-- digest_of
        select digest
        from definitions
        where name = ? and version = ?",
    )?;
    digest_of.query_row(params![name, version], |row| row.get(0).map(Digest)).optional()
}

fn newest_with(connection: &Connection, definition: &NewDefinition) -> rusqlite::Result<Option<u32>> {
    let mut newest_with = connection.prepare_cached(
        "-- newest_with
        select max(version)
        from definitions
        where name = ? and digest = ?",
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
        select name, version, digest, source, created_at, disabled_at
        from definitions
        where name = ?1 and (?2 is null or version = ?2)
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
        select name, version, digest, source, created_at, disabled_at
        from definitions
        where name = ? and disabled_at is null
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
            -- Who disables again does not disable later.
            set disabled_at = case when ?3 is null then null else coalesce(disabled_at, ?3) end
            where name = ?1 and version = ?2",
        )?;
        let touched = set_disabled.execute(params![name, version, at.map(|at| at.0)])?;
        assert!(touched <= 1, "invariant: a definition is one row");
        Ok(if touched == 1 { Work::Wrote(true) } else { Work::Untouched(false) })
    };
    Ok(writer.transaction(set).await?)
}

pub(super) async fn definitions(
    readers: &SqlitePool,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredDefinition>, StoreError> {
    sqlx::query(
        "-- definitions
        select name, version, digest, source, created_at, disabled_at
        from definitions as newest
        where (?1 is null or name > ?1)
            and version = (select max(version) from definitions where name = newest.name)
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
        select name, version, digest, source, created_at, disabled_at
        from definitions
        where name = ?1 and (?2 is null or version < ?2)
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
