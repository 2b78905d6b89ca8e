//! The orchestrator as a child process of this very executable, so that a crash is a crash.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// It opens a store and binds a port; slow machines and debug builds included.
const START_WITHIN: Duration = Duration::from_secs(15);
/// Its words before the demo stops with an error.
const LOG_LINES: usize = 20;

/// A running orchestrator.
pub(super) struct Orchestrator {
    folder: PathBuf,
    child: Child,
    pub(super) url: String,
}

impl Orchestrator {
    /// Starts it on the folder's `amends.toml`, on a free port.
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let (child, url) = spawn(folder, "127.0.0.1:0").await?;
        Ok(Self { folder: folder.to_owned(), child, url })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// kill -9: no goodbye, no flush, no handler. Returns when the process is gone.
    pub(super) async fn kill_9(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("the orchestrator could not be killed")
    }

    /// Starts it again on the same file and port.
    pub(super) async fn start_again(&mut self) -> anyhow::Result<()> {
        let listen = self.url.strip_prefix("http://").unwrap_or(&self.url).to_owned();
        (self.child, self.url) = spawn(&self.folder, &listen).await?;
        Ok(())
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

const LOG: &str = "orchestrator.log";

async fn spawn(folder: &Path, listen: &str) -> anyhow::Result<(Child, String)> {
    let log = OpenOptions::new().create(true).append(true).open(folder.join(LOG))?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("serve")
        .arg("--config")
        .arg(folder.join("amends.toml"))
        .args(["--listen", listen])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    // The demo's ctrl-c is the demo's to handle.
    #[cfg(unix)]
    command.process_group(0);
    // What the person has set for a server of their own is not meant for this one.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AMENDS_")) {
        command.env_remove(name);
    }
    let mut child = command.spawn().context("the orchestrator does not start")?;
    let stdout = child.stdout.take().context("the orchestrator has no stdout")?;
    let mut line = String::new();
    let mut reader = BufReader::new(stdout);
    match tokio::time::timeout(START_WITHIN, reader.read_line(&mut line)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(error).context("the orchestrator's stdout"),
        Err(_) => bail!("the orchestrator does not listen after {} s", START_WITHIN.as_secs()),
    }
    match line.trim().strip_prefix("listening on ") {
        Some(url) => Ok((child, url.to_owned())),
        None => bail!("the orchestrator did not start"),
    }
}
