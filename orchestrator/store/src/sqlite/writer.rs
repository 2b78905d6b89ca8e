//! The one connection that writes, and the only way to it.
//!
//! A transaction runs in a task of its own, so that a caller who goes away cancels nothing half-way. The connection is
//! taken out of its place for as long, and comes back only if it is known to be clean; otherwise a fresh one is opened.

use std::{
    panic,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::Mutex;

use super::lock::ServerLock;
use crate::Written;

/// What the statements of a transaction come to.
pub(super) enum Work<T> {
    /// It wrote: commit, then answer.
    Wrote(T),
    /// It wrote nothing: no sync is due.
    Untouched(T),
}

pub(super) type Working<'c, T> = Pin<Box<dyn Future<Output = Result<Work<T>, sqlx::Error>> + Send + 'c>>;

pub(super) type Trip<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

/// The connection within a transaction whose statements are counted.
pub(super) struct Counted<'c> {
    connection: &'c mut SqliteConnection,
    statements: u64,
}

impl<'c> Counted<'c> {
    pub(super) fn new(connection: &'c mut SqliteConnection) -> Self {
        Self { connection, statements: 0 }
    }

    /// For one statement.
    pub(super) fn statement(&mut self) -> &mut SqliteConnection {
        self.statements += 1;
        self.connection
    }

    pub(super) fn statements(&self) -> u64 {
        self.statements
    }
}

pub(super) struct Writer {
    /// `None` while it is in use, and after it could not be trusted any more.
    connection: Mutex<Option<SqliteConnection>>,
    options: SqliteConnectOptions,
    commits: AtomicU64,
    appends: AtomicU64,
    statements: AtomicU64,
    /// Last, so that the connection ends before the right to have it.
    _lock: ServerLock,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection, options: SqliteConnectOptions, lock: ServerLock) -> Self {
        Self {
            connection: Mutex::new(Some(connection)),
            options,
            commits: AtomicU64::new(0),
            appends: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            _lock: lock,
        }
    }

    /// Runs `work` in one transaction that holds SQLite's write lock from its first statement on. Any error: nothing was
    /// written, or (an error of the commit itself) it is not known.
    pub(super) async fn transaction<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Working<'c, T> + Send + 'static,
    ) -> Result<T, sqlx::Error> {
        let writer = Arc::clone(self);
        in_task(async move { writer.run(work).await }).await
    }

    /// Runs `work`, which opens and closes its transaction itself. After an error the connection is given up, and with it
    /// whatever it left open.
    pub(super) async fn in_one_trip<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Trip<'c, T> + Send + 'static,
    ) -> Result<T, sqlx::Error> {
        let writer = Arc::clone(self);
        in_task(async move {
            let mut place = writer.connection.lock().await;
            let mut connection = match place.take() {
                Some(connection) => connection,
                None => writer.options.connect().await?,
            };
            let result = work(&mut connection).await;
            if result.is_ok() {
                *place = Some(connection);
            }
            result
        })
        .await
    }

    async fn run<T>(
        &self,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Working<'c, T>,
    ) -> Result<T, sqlx::Error> {
        let mut place = self.connection.lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let (result, clean) = within_transaction(&mut connection, work).await;
        if clean {
            *place = Some(connection);
        }
        result
    }

    /// One transaction with appends was committed.
    pub(super) fn count(&self, appends: u64, statements: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.appends.fetch_add(appends, Ordering::Relaxed);
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> Written {
        Written {
            commits: self.commits.load(Ordering::Relaxed),
            appends: self.appends.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take()
            && let Err(error) = connection.close().await
        {
            // Nothing is lost: the next server reads the WAL.
            tracing::warn!(error = %error, "the SQLite file could not be closed cleanly");
        }
    }

    /// For tests that break the connection on purpose.
    #[cfg(test)]
    pub(super) async fn with_connection<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut place = self.connection.lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let result = work(&mut connection).await?;
        *place = Some(connection);
        Ok(result)
    }
}

/// Goes on to its end even if nobody waits for it any more.
async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, sqlx::Error> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(sqlx::Error::WorkerCrashed),
        },
    }
}

/// The result, and whether the connection may be used again: that it is in no transaction, in SQLite's eyes and in sqlx's.
async fn within_transaction<T>(
    connection: &mut SqliteConnection,
    work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Working<'c, T>,
) -> (Result<T, sqlx::Error>, bool) {
    let mut transaction = match connection.begin_with("begin immediate").await {
        Ok(transaction) => transaction,
        Err(error) => {
            // SQLite answered, mostly that it is busy: then nothing was begun.
            let clean = error.as_database_error().is_some();
            return (Err(error), clean);
        }
    };
    match work(&mut transaction).await {
        Ok(Work::Wrote(answer)) => match transaction.commit().await {
            Ok(()) => (Ok(answer), true),
            Err(error) => (Err(error), false),
        },
        Ok(Work::Untouched(answer)) => {
            let clean = transaction.rollback().await.is_ok();
            (Ok(answer), clean)
        }
        Err(error) => {
            // Fails when SQLite has rolled back by itself (disk full, IO error): sqlx would count on wrongly.
            let clean = transaction.rollback().await.is_ok();
            (Err(error), clean)
        }
    }
}
