//! Definitions, kept for ever under (name, version).

use std::sync::Arc;

use amends_core::ids::Digest;
use sqlx::{SqliteConnection, SqlitePool};

use super::{
    rows,
    writer::{Work, Writer},
};
use crate::{NewDefinition, Put, StoreError, StoredDefinition};

pub(super) async fn put_definition(writer: &Arc<Writer>, definition: NewDefinition) -> Result<Put, StoreError> {
    writer.transaction(move |connection| Box::pin(async move { put(connection, &definition).await })).await?
}

/// Within one transaction that holds the write lock: what is read here cannot change before it is written.
async fn put(
    connection: &mut SqliteConnection,
    definition: &NewDefinition,
) -> Result<Work<Result<Put, StoreError>>, sqlx::Error> {
    let version = match definition.version {
        Some(version) => match digest_of(connection, &definition.name, version).await? {
            Some(digest) if digest == definition.digest => return Ok(Work::Untouched(Ok(Put::Same(version)))),
            Some(digest) => return Ok(Work::Untouched(Ok(Put::Taken { digest }))),
            None => version,
        },
        None => match newest_with(connection, definition).await? {
            Some(version) => return Ok(Work::Untouched(Ok(Put::Same(version)))),
            None => {
                match highest(connection, &definition.name).await?.map_or(Some(1), |highest| highest.checked_add(1)) {
                    Some(version) => version,
                    None => {
                        let reason = format!("no version is above the highest of {}", definition.name);
                        return Ok(Work::Untouched(Err(StoreError::Refused { reason })));
                    }
                }
            }
        },
    };
    insert(connection, definition, version).await?;
    Ok(Work::Wrote(Ok(Put::Created(version))))
}

async fn digest_of(
    connection: &mut SqliteConnection,
    name: &Arc<str>,
    version: u32,
) -> Result<Option<Digest>, sqlx::Error> {
    let digest: Option<String> = sqlx::query_scalar(
        "-- digest_of
        select digest
        from definitions
        where name = ? and version = ?",
    )
    .bind(Arc::clone(name))
    .bind(i64::from(version))
    .fetch_optional(connection)
    .await?;
    Ok(digest.map(|digest| Digest(digest.into())))
}

async fn newest_with(
    connection: &mut SqliteConnection,
    definition: &NewDefinition,
) -> Result<Option<u32>, sqlx::Error> {
    sqlx::query_scalar(
        "-- newest_with
        select max(version)
        from definitions
        where name = ? and digest = ?",
    )
    .bind(Arc::clone(&definition.name))
    .bind(Arc::clone(&definition.digest.0))
    .fetch_one(connection)
    .await
}

async fn highest(connection: &mut SqliteConnection, name: &Arc<str>) -> Result<Option<u32>, sqlx::Error> {
    sqlx::query_scalar(
        "-- highest
        select max(version)
        from definitions
        where name = ?",
    )
    .bind(Arc::clone(name))
    .fetch_one(connection)
    .await
}

async fn insert(
    connection: &mut SqliteConnection,
    definition: &NewDefinition,
    version: u32,
) -> Result<(), sqlx::Error> {
    let inserted = sqlx::query(
        "-- insert_definition
        insert into definitions (name, version, digest, source, created_at)
        values (?, ?, ?, ?, ?)",
    )
    .bind(Arc::clone(&definition.name))
    .bind(i64::from(version))
    .bind(Arc::clone(&definition.digest.0))
    .bind(Arc::clone(&definition.source))
    .bind(definition.at.0)
    .execute(connection)
    .await?
    .rows_affected();
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
        select name, version, digest, source, created_at
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

pub(super) async fn definitions(
    readers: &SqlitePool,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredDefinition>, StoreError> {
    sqlx::query(
        "-- definitions
        select name, version, digest, source, created_at
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
        select name, version, digest, source, created_at
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
