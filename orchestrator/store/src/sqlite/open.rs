//! Opening: who may serve the file, with which SQLite, under which rules of durability.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::OpenFlags;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{SqliteStore, lock::ServerLock, writer::Writer};
use crate::StoreError;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/orchestrator/sqlite");

/// Before it a checkpoint could reset the WAL under a reader and lose commits.
const SQLITE_VERSION_MIN: [u32; 3] = [3, 51, 3];

/// Longer than any of our own transactions; beyond it the caller hears that the store is busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads are short; more connections than cores only wait for each other.
const READERS_MAX: u32 = 4;

/// 40 MB. A checkpoint costs two syncs and a write per changed page, so it should see many commits; but what it has not
/// seen is what a restart reads again.
const CHECKPOINT_EVERY_PAGES: i64 = 10_000;

/// 8 MB: the pages of all sagas in flight, and the ends of the indexes. Sagas with keys are spread over the whole table; what
/// is not here is in the operating system's cache. Measured at 512 in flight: with 24 MB it was no faster, only larger.
const WRITER_CACHE_KIB: i64 = 8_192;

/// All that the writer ever prepares, each once.
const WRITER_STATEMENTS_MAX: usize = 64;

impl SqliteStore {
    /// Opens the store in the file at `path` to serve it, making it or bringing it up to date first. One server per file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = create(path.as_ref())?;
        let lock = ServerLock::take(&path)?;
        let mut preparing = preparing_options(&path).connect().await?;
        check_version(&mut preparing).await?;
        forget_statistics(&mut preparing).await?;
        MIGRATIONS.run(&mut preparing).await.map_err(|error| refused_schema(&path, error))?;
        preparing.close().await?;
        let writer = Writer::start(&path, lock).await?;
        let readers = readers(&path).await?;
        Ok(Self { readers, writer: Some(writer) })
    }

    /// Opens the store for reading, also beside a running server. Everything that writes answers
    /// [`StoreError::Refused`].
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let path = path.canonicalize().map_err(|error| refused_file(path, &error))?;
        let readers = readers(&path).await?;
        let mut connection = readers.acquire().await?;
        check_version(&mut connection).await?;
        check_schema(&mut connection, &path).await?;
        drop(connection);
        Ok(Self { readers, writer: None })
    }

    /// Ends all connections, after the write under way. The file is then complete without its WAL and free for another
    /// server. Dropping the store does the same, a moment later.
    pub async fn close(self) {
        self.readers.close().await;
        if let Some(writer) = self.writer {
            writer.close().await;
        }
    }
}

/// The canonical path of a file that exists from now on: only then is there one name to lock.
fn create(path: &Path) -> Result<PathBuf, StoreError> {
    // An empty file is an empty database.
    OpenOptions::new().append(true).create(true).open(path).map_err(|error| refused_file(path, &error))?;
    path.canonicalize().map_err(|error| refused_file(path, &error))
}

/// For what is done once at the beginning, where migrations are: sqlx does those.
fn preparing_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .thread_name(|number| format!("amends-sqlite-opening-{number}"))
        .disable_statement_logging()
}

/// The connection that writes, for the thread that has it.
pub(super) fn connect(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    // The file is there, and its path is no URI.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    // First: the others may have to wait for somebody.
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(&format!(
        "pragma journal_mode = wal;
        pragma synchronous = full;
        pragma foreign_keys = off;
        pragma wal_autocheckpoint = {CHECKPOINT_EVERY_PAGES};
        pragma cache_size = -{WRITER_CACHE_KIB};"
    ))?;
    connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS_MAX);
    Ok(connection)
}

async fn readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .thread_name(|number| format!("amends-sqlite-reader-{number}"))
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(BUSY_TIMEOUT)
        // A connection to a file does not die of idleness, and asking it costs a round trip to its thread.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(pool)
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let text: String = sqlx::query_scalar(
        "-- sqlite_version
        select sqlite_version()",
    )
    .fetch_one(connection)
    .await?;
    if is_safe(&text) {
        return Ok(());
    }
    Err(StoreError::Refused {
        reason: format!(
            "SQLite {text} can lose commits when it resets its WAL; build against 3.51.3 or later (the bundled one is)"
        ),
    })
}

pub(super) fn is_safe(sqlite_version: &str) -> bool {
    let parts: Option<Vec<u32>> = sqlite_version.split('.').map(|part| part.parse().ok()).collect();
    parts.is_some_and(|parts| parts.as_slice() >= &SQLITE_VERSION_MIN[..])
}

/// Our plans are chosen for big tables. After an `analyze` of a store that was still small SQLite would think it small for
/// ever, and read the whole table of sagas where an index is meant.
async fn forget_statistics(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::raw_sql(
        "-- forget_statistics
        drop table if exists sqlite_stat1;
        drop table if exists sqlite_stat4;",
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn check_schema(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    let found: Option<i64> = sqlx::query_scalar(
        "-- schema_version
        select max(version)
        from _sqlx_migrations
        where success",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| match error {
        // The table is not there.
        sqlx::Error::Database(error) if error.code().as_deref() == Some("1") => {
            StoreError::Refused { reason: format!("{} is not a store of Amends", path.display()) }
        }
        other => other.into(),
    })?;
    if found == newest {
        return Ok(());
    }
    Err(StoreError::Refused {
        reason: format!(
            "{} has schema {found:?}, this program reads {newest:?}: use the program of the server that owns it",
            path.display()
        ),
    })
}

fn refused_file(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Refused { reason: format!("cannot open {}: {error}", path.display()) }
}

fn refused_schema(path: &Path, error: MigrateError) -> StoreError {
    match error {
        // The disk is full or the file is locked: trying again may help.
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(version) => StoreError::Refused {
            reason: format!(
                "{} has schema {version}, which this program does not know: it was written by a newer one; use that",
                path.display()
            ),
        },
        other => StoreError::Refused { reason: format!("cannot bring {} up to date: {other}", path.display()) },
    }
}
