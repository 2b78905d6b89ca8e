//! Which stores the services have: a file each, or the engines that such services have in real life.
//!
//! The engines are private servers on free ports of 127.0.0.1 in folders of their own; nothing that already runs is used. Each service
//! has a database (or a server) for itself, and the orchestrator's own store is another one.

use std::path::Path;

use amends_servers::{Mariadb, Options, Postgres, Redis};
use anyhow::Context as _;
use clap::ValueEnum;

/// Where the services keep what they know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stores {
    /// A SQLite file for each service; needs nothing
    #[default]
    Embedded,
    /// Orders on PostgreSQL, payments on MariaDB, inventory on Redis, shipping on SQLite; servers are started for the demo
    Real,
}

/// Where one service's store is.
pub(super) struct Place {
    /// As the service takes it.
    pub(super) address: String,
    /// As a person is told.
    pub(super) shown: String,
}

/// What runs for the demo alone.
pub(super) struct Engines {
    postgres: Postgres,
    mariadb: Mariadb,
    redis: Redis,
}

impl Engines {
    /// `None` where no service needs one. The servers of one after the other: they are ready within seconds.
    ///
    /// # Errors
    /// One is not installed, or does not start; with what to do.
    pub(super) async fn start(stores: Stores) -> anyhow::Result<Option<Self>> {
        if stores == Stores::Embedded {
            return Ok(None);
        }
        let started = tokio::task::spawn_blocking(|| -> anyhow::Result<Self> {
            let few = "it is needed for `--stores real`; without it the services keep files";
            Ok(Self {
                postgres: Postgres::start(Options::default()).context(few)?,
                mariadb: Mariadb::start().context(few)?,
                redis: Redis::start(&[]).context(few)?,
            })
        });
        Ok(Some(started.await??))
    }

    /// A new database for this service.
    fn place(&self, service: &str) -> anyhow::Result<Option<Place>> {
        // The calls of a client program: a few hundredths of a second, and nothing else is under way.
        let database = service.replace('-', "_");
        let (address, shown) = match service {
            "orders" => (self.postgres.create_database(&database)?, format!("PostgreSQL, database {database}")),
            "payments" | "bank-a" | "bank-b" => {
                (self.mariadb.create_database(&database)?, format!("MariaDB, database {database}"))
            }
            "inventory" => (self.redis.url(), "Redis, all of it".to_owned()),
            _ => return Ok(None),
        };
        Ok(Some(Place { address, shown }))
    }

    /// Returns when the servers are gone, and their folders.
    pub(super) async fn stop(self) {
        if let Err(error) = tokio::task::spawn_blocking(move || drop(self)).await {
            tracing::error!(%error, "the engines could not be stopped");
        }
    }
}

/// Where this service's store is to be: on an engine, or a file in the demo's folder.
pub(super) fn place(engines: Option<&Engines>, service: &str, folder: &Path) -> anyhow::Result<Place> {
    let engine = match engines {
        Some(engines) => engines.place(service)?,
        None => None,
    };
    let file = format!("{service}.db");
    let on_file = || Place { address: folder.join(&file).display().to_string(), shown: format!("SQLite, {file}") };
    Ok(engine.unwrap_or_else(on_file))
}
