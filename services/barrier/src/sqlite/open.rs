//! Opening a service's file: durability first, then the tables.

use std::{borrow::Cow, path::Path, sync::Arc, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use uuid::Uuid;

use super::{Barrier, FORGET_GRACE_DEFAULT, touched};
use crate::{Broken, clock::Clock, fault::Faults};

/// How long a statement waits for another process on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads are short; more connections than this only cost memory.
const READERS: u32 = 4;

/// The barrier's own tables. Their bookkeeping has its own table, so the service's migrations number freely.
static BARRIER: Migrator =
    Migrator { table_name: Cow::Borrowed("barrier_migrations"), ..sqlx::migrate!("migrations/sqlite") };

/// Opens the file, made if it is not there, and brings the barrier's tables and then the service's up to date.
///
/// # Errors
/// [`Broken`]: the file cannot be opened or migrated.
pub async fn open(path: &Path, service: &Migrator) -> Result<Barrier, Broken> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .optimize_on_close(false, None);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options.clone())
        .await?;
    BARRIER.run(&writer).await?;
    service.run(&writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .connect_with(options.pragma("query_only", "on"))
        .await?;
    let fingerprint = fingerprint(&writer).await?;
    Ok(Barrier {
        writer,
        readers,
        fingerprint,
        faults: Faults::default(),
        clock: Clock::default(),
        forget_grace: FORGET_GRACE_DEFAULT,
    })
}

/// A store's name for itself, made once. Two services that report the same one share a store.
async fn fingerprint(writer: &SqlitePool) -> Result<Arc<str>, Broken> {
    let result = sqlx::query(
        "-- barrier_store_name
        insert into barrier_store (id, fingerprint)
        values (1, $1)
        on conflict (id) do nothing",
    )
    .bind(Uuid::new_v4().to_string())
    .execute(writer)
    .await?;
    if result.rows_affected() != 0 {
        touched(&result, "barrier_store_name", 1)?;
    }
    let fingerprint = sqlx::query_scalar::<_, String>(
        "-- barrier_store_get
        select fingerprint
        from barrier_store
        where id = 1",
    )
    .fetch_one(writer)
    .await?;
    Ok(fingerprint.into())
}
