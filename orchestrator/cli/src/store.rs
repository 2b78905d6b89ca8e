//! Which side of the store, and opening it.
//!
//! **What it must never know:** what is kept in it.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use amends_store::{Store, StoreError, postgres::PostgresStore, sqlite::SqliteStore};
use anyhow::Context;

use crate::config::{self, Flags};

/// Which store to read, for commands that need no server.
#[derive(Debug, clap::Args)]
pub(crate) struct ToRead {
    /// A server's configuration, for its store; without it `amends.toml` of the current folder, if there is one
    #[arg(long, env = "AMENDS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The SQLite file; or a PostgreSQL database, postgres://user:password@host:port/database [default: amends.db]
    #[arg(long, value_name = "PATH|URL")]
    database: Option<String>,
}

impl ToRead {
    /// # Errors
    /// The configuration is not valid, or the store cannot be opened.
    pub(crate) async fn open(self) -> anyhow::Result<Opened> {
        let flags = Flags { config: self.config, database: self.database, ..Flags::default() };
        open_to_read(&config::load(&flags)?.config.store).await
    }
}

/// For tasks to let go of a store that is to be closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// An open store, still known by its side so that it can be closed.
pub(crate) enum Opened {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

/// # Errors
/// It cannot be opened; says why without the password.
pub(crate) async fn open(config: &config::Store) -> anyhow::Result<Opened> {
    if let Some(url) = &config.url {
        let options = amends_store::postgres::Options::new(url.reveal()).lanes(config.lanes);
        let store = PostgresStore::open(options).await.context("the store")?;
        return Ok(Opened::Postgres(Arc::new(store)));
    }
    let path = config.path.relative();
    let store = SqliteStore::open(&path).await.with_context(|| format!("the store {}", path.display()))?;
    Ok(Opened::Sqlite(Arc::new(store)))
}

/// Whether a server may wait for it: a database that is away comes back. A file that cannot be opened is somebody's mistake, or
/// somebody else's.
pub(crate) fn may_come_back(config: &config::Store, error: &anyhow::Error) -> bool {
    config.url.is_some() && matches!(error.downcast_ref(), Some(StoreError::Unavailable { .. }))
}

/// Opens a store beside the server that owns it, if one does.
///
/// # Errors
/// It cannot be opened; says why without the password.
async fn open_to_read(config: &config::Store) -> anyhow::Result<Opened> {
    if let Some(url) = &config.url {
        let store = PostgresStore::open_read_only(url.reveal()).await.context("the store")?;
        return Ok(Opened::Postgres(Arc::new(store)));
    }
    let path = config.path.relative();
    let store = SqliteStore::open_read_only(&path).await.with_context(|| format!("the store {}", path.display()))?;
    Ok(Opened::Sqlite(Arc::new(store)))
}

impl Opened {
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => store.clone(),
            Self::Postgres(store) => store.clone(),
        }
    }

    /// Closes it in good order: a file is complete and free then. Tasks that end just now are waited for; one that hangs keeps
    /// the store until the process ends.
    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(store) => match alone(store).await {
                Some(store) => store.close().await,
                None => tracing::debug!("a task still holds the store; it closes with the process"),
            },
            Self::Postgres(store) => {
                if let Some(store) = alone(store).await {
                    store.close().await;
                }
            }
        }
    }
}

async fn alone<S>(mut store: Arc<S>) -> Option<S> {
    let until = Instant::now() + CLOSE_WITHIN;
    loop {
        match Arc::try_unwrap(store) {
            Ok(store) => return Some(store),
            Err(_) if Instant::now() > until => return None,
            Err(held) => store = held,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
