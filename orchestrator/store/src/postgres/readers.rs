//! A few connections that read.
//!
//! Not sqlx's pool: after the server was away that one would hand out, one by one, every connection that died with it, or
//! ask each before each use. Here a dead one takes the other idle ones with it, and the read goes over a new one at once.
//!
//! **What it must never know:** what is read.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use sqlx::{
    Connection, PgConnection, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgRow},
    query::Query,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    error::{Fault, fault, too_late},
    session::{self, Purpose},
};
use crate::StoreError;

/// Reads are short; beyond the server's cores they only wait for each other there instead of here.
pub(super) const READERS_MAX: usize = 8;

/// Beyond it the caller hears that the store is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) type Asked = Query<'static, Postgres, PgArguments>;

#[derive(Clone)]
pub(super) struct Readers {
    shared: Arc<Shared>,
}

struct Shared {
    options: PgConnectOptions,
    permits: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

impl Readers {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let permits = Semaphore::new(READERS_MAX);
        Self { shared: Arc::new(Shared { options, permits, idle: Mutex::default() }) }
    }

    /// The rows of a statement. A caller who goes away takes the connection with it, and nobody meets what was left of it.
    pub(super) async fn rows(&self, asked: impl Fn() -> Asked) -> Result<Vec<PgRow>, StoreError> {
        let _permit = self.permit().await.map_err(StoreError::of_postgres)?;
        let idle = self.idle().pop();
        if let Some(mut connection) = idle {
            match session::answer(asked().fetch_all(&mut connection)).await {
                Err(error) if fault(&error) == Fault::Lost => self.idle().clear(),
                other => return self.done(connection, other),
            }
        }
        let mut connection =
            session::connect(&self.shared.options, Purpose::Reading).await.map_err(StoreError::of_postgres)?;
        let result = session::answer(asked().fetch_all(&mut connection)).await;
        self.done(connection, result)
    }

    /// The first row of a statement, if it has one.
    pub(super) async fn row(&self, asked: impl Fn() -> Asked) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(asked).await?.into_iter().next())
    }

    fn done<T>(&self, connection: PgConnection, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        let lost = result.as_ref().is_err_and(|error| fault(error) == Fault::Lost);
        if !lost && !self.shared.permits.is_closed() {
            self.idle().push(connection);
        }
        result.map_err(StoreError::of_postgres)
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, sqlx::Error> {
        match timeout(ACQUIRE_TIMEOUT, self.shared.permits.acquire()).await {
            Ok(permit) => permit.map_err(|_| sqlx::Error::PoolClosed),
            Err(_) => Err(too_late("waiting for one of the connections that read")),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PgConnection>> {
        self.shared.idle.lock().expect("invariant: nothing panics while it holds the connections")
    }

    pub(super) async fn close(&self) {
        self.shared.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a connection could not be closed politely");
            }
        }
    }
}
