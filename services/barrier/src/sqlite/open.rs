//! Opening a service's file: durability first, then the tables.

use std::{borrow::Cow, path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use uuid::Uuid;

use crate::{
    Broken,
    sql::{Barrier, Pools, touched},
};

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
    make_private(path)?;
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
    Ok(Barrier::new(Pools::Sqlite { writer, readers }, &fingerprint))
}

/// A new file is its owner's alone; SQLite gives its log and its index the mode of the file. One that is there keeps its mode.
#[cfg(unix)]
fn make_private(path: &Path) -> Result<(), Broken> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Broken::Store(error.into())),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> Result<(), Broken> {
    Ok(())
}

/// A store's name for itself, made once. Two services that report the same one share a store.
async fn fingerprint(writer: &SqlitePool) -> Result<String, Broken> {
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
        touched(result.rows_affected(), "barrier_store_name", 1)?;
    }
    let fingerprint = sqlx::query_scalar::<_, String>(
        "-- barrier_store_get
        select fingerprint
        from barrier_store
        where id = 1",
    )
    .fetch_one(writer)
    .await?;
    Ok(fingerprint)
}
