//! One connection that writes, and the only way to it.
//!
//! Work runs in a task of its own, so that a caller who goes away cancels nothing half-way. The connection is taken out of
//! its place for as long, and comes back only if it is known to be clean; otherwise a fresh one is opened by whoever is next.
//! Most work is one statement that commits itself: no begin and no commit to wait for.

use std::{panic, pin::Pin, sync::Arc};

use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex;

use super::{
    error::{Fault, fault},
    session::{self, Purpose},
};

/// Each time nothing was written, and somebody else's work was: one of those who meet always gets on.
const TRIES_AMONG_OTHERS: u32 = 8;

pub(super) type Trip<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

/// Says what kind of closure this is, which the compiler does not find out where it only stands in a `let`.
pub(super) fn repeatable<T, W>(work: W) -> W
where
    W: for<'c> Fn(&'c mut PgConnection, bool) -> Trip<'c, T>,
{
    work
}

/// Commits an open transaction, or rolls it back after an error. None is open afterwards, unless the connection is lost.
pub(super) async fn close_transaction<T>(
    connection: &mut PgConnection,
    result: Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    match &result {
        Ok(_) => connection.execute("commit").await?,
        Err(error) if fault(error) == Fault::Lost => return result,
        Err(_) => connection.execute("rollback").await?,
    };
    result
}

pub(super) struct Writer {
    /// `None` while it is in use, before it was needed, and after it could not be trusted any more.
    connection: Mutex<Option<PgConnection>>,
    options: PgConnectOptions,
}

impl Writer {
    /// Connects when it is used first.
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { connection: Mutex::new(None), options }
    }

    /// Runs `work`, which leaves no transaction open unless it fails with a lost connection. It is run again if others were
    /// in the way, and once more if the connection turns out to be lost that was fine when it was used last; it is told so
    /// (`again`), for what it did may have been done. Any error: nothing was written, or it is not known.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl for<'c> Fn(&'c mut PgConnection, bool) -> Trip<'c, T> + Send + Sync + 'static,
    ) -> Result<T, sqlx::Error> {
        let writer = Arc::clone(self);
        match tokio::spawn(async move { writer.run_here(work).await }).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(sqlx::Error::WorkerCrashed),
            },
        }
    }

    async fn run_here<T>(
        &self,
        work: impl for<'c> Fn(&'c mut PgConnection, bool) -> Trip<'c, T>,
    ) -> Result<T, sqlx::Error> {
        let mut place = self.connection.lock().await;
        let mut again = false;
        let mut met = 0;
        loop {
            let (mut connection, fresh) = match place.take() {
                Some(connection) => (connection, false),
                None => (session::connect(&self.options, Purpose::Writing).await?, true),
            };
            let result = session::answer(work(&mut connection, again)).await;
            let fault = result.as_ref().err().map(fault);
            if fault != Some(Fault::Lost) {
                *place = Some(connection);
            }
            match fault {
                Some(Fault::Lost) if !fresh && !again => again = true,
                Some(Fault::Again) if met < TRIES_AMONG_OTHERS => met += 1,
                _ => return result,
            }
        }
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "a connection could not be closed politely");
        }
    }
}
