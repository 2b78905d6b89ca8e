//! The run's one private PostgreSQL; each town has a database of its own in it. Called by `ground` and `town`. Must never
//! know what is stored.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use amends_servers::{Mode, Options};
use anyhow::{Context, Result, bail};
use tokio::{process::Command, task::spawn_blocking};

/// PostgreSQL's own default is 128 MB.
const SHARED_BUFFERS_MB: u32 = 128;
const MAX_CONNECTIONS: u32 = 200;

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: amends_servers::Postgres,
    pid: u32,
}

impl Postgres {
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        // The server runs as another user than root, who must get to its folder.
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        let options = Options {
            max_connections: MAX_CONNECTIONS,
            shared_buffers_mb: SHARED_BUFFERS_MB,
            folder: Some(folder.to_owned()),
            ..Options::default()
        };
        let server = spawn_blocking(|| amends_servers::Postgres::start(options)).await??;
        let pid = postmaster(folder)?;
        Ok(Self { server, pid })
    }

    /// Of the postmaster, whose children are the server.
    pub(crate) fn id(&self) -> u32 {
        self.pid
    }

    pub(crate) fn url(&self, name: &str) -> String {
        self.server.url_of(name)
    }

    /// # Errors
    /// There is one of this name already.
    pub(crate) async fn create(&self, name: &str) -> Result<()> {
        self.ask(&format!("create database {name}")).await.map(drop)
    }

    /// # Errors
    /// It does not answer.
    pub(crate) async fn bytes(&self, name: &str) -> Result<u64> {
        let answer = self.ask(&format!("select pg_database_size('{name}')")).await?;
        answer.parse().with_context(|| format!("the size of {name}: {answer}"))
    }

    /// # Errors
    /// It does not answer.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        self.ask(&format!("drop database {name} with (force)")).await.map(drop)
    }

    /// # Errors
    /// It does not answer.
    pub(crate) async fn settings(&self) -> Result<String> {
        let version = self.ask("show server_version").await?;
        let mut text = format!("PostgreSQL {version}, private");
        for name in ["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers"] {
            text.push_str(&format!(", {name} {}", self.ask(&format!("show {name}")).await?));
        }
        Ok(text)
    }

    /// # Errors
    /// It does not end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        spawn_blocking(move || self.server.stop(Mode::Fast)).await?.context("PostgreSQL")
    }

    async fn ask(&self, sql: &str) -> Result<String> {
        let mut command = Command::new(psql());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.args(["--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", sql]);
        let output = command.arg(self.server.url()).kill_on_drop(true).output().await.context("psql cannot be run")?;
        if !output.status.success() {
            bail!("{sql}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// From the file in which PostgreSQL says so.
fn postmaster(folder: &Path) -> Result<u32> {
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path().join("data/postmaster.pid"));
    let text = files.filter_map(|file| fs::read_to_string(file).ok()).next().context("postmaster.pid")?;
    text.lines().next().and_then(|line| line.trim().parse().ok()).context("a process id in postmaster.pid")
}

/// From PATH, or where Debian puts it.
fn psql() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    let mut all = std::env::split_paths(&path).chain(debian).map(|folder| folder.join("psql"));
    all.find(|psql| psql.is_file()).unwrap_or_else(|| "psql".into())
}
