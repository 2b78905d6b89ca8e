//! Definitions, kept under (name, version). What is deleted leaves a row without its text.

use std::sync::Arc;

use amends_core::{
    ids::{Digest, SagaId},
    time::Time,
};
use sqlx::{Executor as _, PgConnection, Row as _};
use uuid::Uuid;

use super::{
    readers::Readers,
    rows,
    writer::{Writer, close_transaction, repeatable},
};
use crate::{Deleted, NewDefinition, Put, StoreError, StoredDefinition};

/// Each time somebody else took the version that was free a moment before.
const TRIES: usize = 100;

pub(super) async fn put_definition(writer: &Arc<Writer>, definition: NewDefinition) -> Result<Put, StoreError> {
    let definition = Arc::new(definition);
    for _ in 0..TRIES {
        let definition = Arc::clone(&definition);
        let work = repeatable(move |connection, _again| {
            let definition = Arc::clone(&definition);
            Box::pin(async move { put(connection, &definition).await })
        });
        match writer.run(work).await.map_err(StoreError::of_postgres)? {
            Tried::Put(put) => return Ok(put),
            Tried::Refused(reason) => return Err(StoreError::Refused { reason }),
            Tried::Overtaken => {}
        }
    }
    let reason = format!("versions of {} are put by too many at once", definition.name);
    Err(StoreError::Unavailable { reason, source: None })
}

enum Tried {
    Put(Put),
    Refused(String),
    /// What was read has changed before it was written: nothing was.
    Overtaken,
}

async fn put(connection: &mut PgConnection, definition: &NewDefinition) -> Result<Tried, sqlx::Error> {
    let version = match definition.version {
        Some(version) => match digest_of(connection, &definition.name, version).await? {
            Some((digest, false)) if digest == definition.digest => return Ok(Tried::Put(Put::Same(version))),
            Some((digest, _)) => return Ok(Tried::Put(Put::Taken { digest })),
            None => i64::from(version),
        },
        None => {
            // Which is the highest first: a version that comes in between with this digest is found, and one without it
            // takes the place that this one would have.
            let next = next_version(connection, &definition.name).await?;
            if let Some(version) = newest_with(connection, definition).await? {
                return Ok(Tried::Put(Put::Same(known(version))));
            }
            if next > i64::from(u32::MAX) {
                return Ok(Tried::Refused(format!("no version is above the highest of {}", definition.name)));
            }
            next
        }
    };
    Ok(if insert(connection, definition, version).await? {
        Tried::Put(Put::Created(known(version)))
    } else {
        Tried::Overtaken
    })
}

/// Only versions that were given as such are in the table.
fn known(version: i64) -> u32 {
    u32::try_from(version).unwrap_or(u32::MAX)
}

/// With whether it was deleted.
async fn digest_of(
    connection: &mut PgConnection,
    name: &Arc<str>,
    version: u32,
) -> Result<Option<(Digest, bool)>, sqlx::Error> {
    let kept: Option<(String, bool)> = sqlx::query_as(
        "-- digest_of
        select digest, deleted_at is not null
        from definitions
        where name = $1 and version = $2",
    )
    .bind(&**name)
    .bind(i64::from(version))
    .fetch_optional(connection)
    .await?;
    Ok(kept.map(|(digest, deleted)| (Digest(digest.into()), deleted)))
}

async fn newest_with(connection: &mut PgConnection, definition: &NewDefinition) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "-- newest_with
        select max(version)
        from definitions
        where name = $1 and digest = $2 and deleted_at is null",
    )
    .bind(&*definition.name)
    .bind(&*definition.digest.0)
    .fetch_one(connection)
    .await
}

async fn next_version(connection: &mut PgConnection, name: &Arc<str>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "-- next_version
        select coalesce(max(version), 0) + 1
        from definitions
        where name = $1",
    )
    .bind(&**name)
    .fetch_one(connection)
    .await
}

/// `false`: somebody else has put this version.
async fn insert(connection: &mut PgConnection, definition: &NewDefinition, version: i64) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "-- insert_definition
        insert into definitions (name, version, digest, source, created_at)
        values ($1, $2, $3, $4, $5)
        on conflict (name, version) do nothing",
    )
    .bind(&*definition.name)
    .bind(version)
    .bind(&*definition.digest.0)
    .bind(&*definition.source)
    .bind(definition.at.0)
    .execute(connection)
    .await?
    .rows_affected();
    assert!(inserted <= 1, "invariant: a definition is one row");
    Ok(inserted == 1)
}

pub(super) async fn definition(
    readers: &Readers,
    name: &str,
    version: Option<u32>,
) -> Result<Option<StoredDefinition>, StoreError> {
    let asked = || {
        sqlx::query(
            "-- definition
            select name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
            from definitions
            where name = $1 and ($2::bigint is null or version = $2) and source <> ''
            order by version desc
            limit 1",
        )
        .bind(name.to_owned())
        .bind(version.map(i64::from))
    };
    readers.row(asked).await?.as_ref().map(rows::definition).transpose()
}

pub(super) async fn startable(readers: &Readers, name: &str) -> Result<Option<StoredDefinition>, StoreError> {
    let asked = || {
        sqlx::query(
            "-- startable
            select name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
            from definitions
            where name = $1 and disabled_at is null and deleted_at is null
            order by version desc
            limit 1",
        )
        .bind(name.to_owned())
    };
    readers.row(asked).await?.as_ref().map(rows::definition).transpose()
}

pub(super) async fn set_disabled(
    writer: &Arc<Writer>,
    name: &str,
    version: u32,
    at: Option<Time>,
) -> Result<bool, StoreError> {
    let name: Arc<str> = name.into();
    let work = repeatable(move |connection, _again| {
        let name = Arc::clone(&name);
        Box::pin(async move {
            let touched = sqlx::query(
                "-- set_disabled
                update definitions
                -- Who disables again does not disable later. Who enables calls off a deletion that was not finished.
                set disabled_at = case when $3::bigint is null then null else coalesce(disabled_at, $3) end,
                    deleted_at = case when $3::bigint is null then null else deleted_at end
                where name = $1 and version = $2 and source <> ''",
            )
            .bind(&*name)
            .bind(i64::from(version))
            .bind(at.map(|at| at.0))
            .execute(connection)
            .await?
            .rows_affected();
            assert!(touched <= 1, "invariant: a definition is one row");
            Ok(touched == 1)
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

/// Marks it, so that no saga is made of it any more; waits for those who may not have seen the mark; looks, beside those that
/// write, whether one was made.
pub(super) async fn delete_definition(
    writer: &Arc<Writer>,
    readers: &Readers,
    name: &str,
    version: u32,
    at: Time,
) -> Result<Deleted, StoreError> {
    let Some(mark) = marked(writer, MARK_DELETED, name, version, at.0).await? else { return Ok(Deleted::Unknown) };
    wait_for_writers(writer).await?;
    let asked = || sqlx::query(USED_BY).bind(name.to_owned()).bind(i64::from(version));
    let used = match readers.row(asked).await? {
        Some(row) => {
            let read = || Ok((row.try_get::<i64, _>("sagas")?, row.try_get::<Option<Uuid>, _>("example")?));
            read().map_err(StoreError::of_postgres)?
        }
        None => (0, None),
    };
    let (end, answer) = match used {
        (sagas, Some(example)) => {
            let sagas = u64::try_from(sagas).unwrap_or(0);
            (UNMARK_DELETED, Deleted::InUse { sagas, example: SagaId(example) })
        }
        (_, None) => (DROP_DEFINITION, Deleted::Gone),
    };
    match marked(writer, end, name, version, mark).await? {
        Some(_) => Ok(answer),
        None => {
            let reason = format!("version {version} of {name} was changed by somebody else meanwhile");
            Err(StoreError::Unavailable { reason, source: None })
        }
    }
}

/// A statement that began before the mark was there does not see it, and has the table locked until it has committed what it
/// makes. Whoever comes after sees the mark: the lock is taken, and given back at once.
async fn wait_for_writers(writer: &Arc<Writer>) -> Result<(), StoreError> {
    let work = repeatable(|connection, _again| {
        Box::pin(async move {
            connection.execute("begin").await?;
            let locked = connection.execute(WAIT_FOR_WRITERS).await.map(drop);
            close_transaction(connection, locked).await
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

/// The mark of its row, if there is such a row.
async fn marked(
    writer: &Arc<Writer>,
    statement: &'static str,
    name: &str,
    version: u32,
    mark: i64,
) -> Result<Option<i64>, StoreError> {
    let name: Arc<str> = name.into();
    let work = repeatable(move |connection, _again| {
        let name = Arc::clone(&name);
        Box::pin(async move {
            let asked = sqlx::query_scalar(statement).bind(&*name).bind(i64::from(version)).bind(mark);
            asked.fetch_optional(connection).await
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

const MARK_DELETED: &str = "-- mark_deleted
    update definitions
    -- Above the mark of one that did not come to its end: two who delete at once must not take each other's for their own.
    set deleted_at = greatest($3, coalesce(deleted_at + 1, $3))
    where name = $1 and version = $2 and source <> ''
    returning deleted_at";

const WAIT_FOR_WRITERS: &str = "-- wait_for_writers
    lock table sagas in share mode";

const USED_BY: &str = "-- used_by
    select count(*) as sagas, (array_agg(id))[1] as example
    from sagas
    where name = $1 and version = $2 and purged_at is null";

const UNMARK_DELETED: &str = "-- unmark_deleted
    update definitions
    set deleted_at = null
    where name = $1 and version = $2 and source <> '' and deleted_at = $3
    returning $3::bigint";

const DROP_DEFINITION: &str = "-- drop_definition
    update definitions
    set source = ''
    where name = $1 and version = $2 and source <> '' and deleted_at = $3
    returning deleted_at";

pub(super) async fn definitions(
    readers: &Readers,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredDefinition>, StoreError> {
    let asked = || {
        sqlx::query(
            "-- definitions
            select distinct on (name) name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
            from definitions
            where ($1::text is null or name > $1) and source <> ''
            order by name, version desc
            limit $2",
        )
        .bind(after.map(str::to_owned))
        .bind(i64::from(limit))
    };
    readers.rows(asked).await?.iter().map(rows::definition).collect()
}

pub(super) async fn versions(
    readers: &Readers,
    name: &str,
    below: Option<u32>,
    limit: u32,
) -> Result<Vec<StoredDefinition>, StoreError> {
    let asked = || {
        sqlx::query(
            "-- versions
            select name, version, digest, source, created_at, coalesce(disabled_at, deleted_at) as disabled_at
            from definitions
            where name = $1 and ($2::bigint is null or version < $2) and source <> ''
            order by version desc
            limit $3",
        )
        .bind(name.to_owned())
        .bind(below.map(i64::from))
        .bind(i64::from(limit))
    };
    readers.rows(asked).await?.iter().map(rows::definition).collect()
}
