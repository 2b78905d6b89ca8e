//! What all measurements of a run stand on: the folder, the programs, the one private PostgreSQL. Made by `main`, lent to
//! every town. Must never know which scenario is played.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{participant::Fault, peers, postgres::Postgres, town::Contender};

/// What Amends keeps its sagas in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreKind {
    Sqlite,
    Postgres,
}

/// Everything that is there before the first town is raised.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) store: StoreKind,
    pub(crate) amends: PathBuf,
    pub(crate) fault: Fault,
    pub(crate) postgres: Option<Postgres>,
    /// Where the peers' packages are installed, if one is asked for.
    pub(crate) peers: Option<PathBuf>,
    folder: TempDir,
    towns: AtomicU32,
}

impl Ground {
    /// # Errors
    /// A program is missing, or the database does not start.
    pub(crate) async fn prepare(
        store: StoreKind,
        amends: Option<PathBuf>,
        folder: Option<PathBuf>,
        fault: Fault,
        vs: &[Contender],
    ) -> Result<Self> {
        let folder = match folder {
            Some(folder) => TempDir::with_prefix_in("amends-bench-", folder),
            None => TempDir::with_prefix("amends-bench-"),
        };
        let folder = folder.context("a folder for the stores")?;
        let amends = match amends {
            Some(path) => path,
            None => built_beside().await?,
        };
        if !amends.is_file() {
            bail!("{} is not there: `cargo build --release -p amends --bin amends` makes it", amends.display());
        }
        let peers = if vs.is_empty() { None } else { Some(peers::install().await?) };
        let postgres = if store == StoreKind::Postgres || vs.contains(&Contender::Dbos) {
            Some(Postgres::start(folder.path()).await?)
        } else {
            None
        };
        Ok(Self { store, amends, fault, postgres, peers, folder, towns: AtomicU32::new(0) })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A name that no other town of the run has.
    pub(crate) fn next_name(&self) -> String {
        format!("town_{}", self.towns.fetch_add(1, Ordering::Relaxed))
    }

    /// # Errors
    /// The database does not end.
    pub(crate) async fn clear(self) -> Result<()> {
        if let Some(postgres) = self.postgres {
            postgres.stop().await?;
        }
        self.folder.close().context("the folder of the stores cannot be removed")
    }
}

/// The orchestrator of the same profile; under `cargo run` made anew, so that it is never an old one.
async fn built_beside() -> Result<PathBuf> {
    let myself = std::env::current_exe()?;
    if let (Some(cargo), Some(manifest)) = (std::env::var_os("CARGO"), std::env::var_os("CARGO_MANIFEST_DIR")) {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "-p", "amends", "--bin", "amends"]).current_dir(manifest);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        eprintln!("building the orchestrator");
        if !build.kill_on_drop(true).status().await?.success() {
            bail!("the orchestrator cannot be built");
        }
    }
    Ok(myself.with_file_name("amends"))
}
