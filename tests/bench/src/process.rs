//! Processes of the town: started, waited for, killed by their own pid. None survives its handle.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::oneshot,
    time::timeout,
};

/// A peer's server on a loaded machine, making its store.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// After SIGKILL only the kernel has work left.
const REAP_TIMEOUT: Duration = Duration::from_secs(10);
/// What is shown of a log when something fails.
const TAIL_BYTES: usize = 4_000;

/// A process that has said it is ready.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    /// What followed the word it was waited for with.
    pub(crate) said: String,
}

impl Process {
    /// Starts it and waits until a line of its output begins with `ready`.
    ///
    /// # Errors
    /// It cannot be run, or ends or falls silent before; with the end of its log.
    pub(crate) async fn start(name: &str, command: Command, log: &Path, ready: &str) -> Result<Self> {
        let mut process = Self::piped(name, command, log)?;
        let stdout = process.child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let heard = timeout(START_TIMEOUT, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(rest) = line.strip_prefix(ready) {
                    return Some(rest.trim().to_owned());
                }
            }
            None
        });
        let Some(said) = heard.await.ok().flatten() else {
            bail!("{name} does not get ready; the end of its log:\n{}", process.log_tail());
        };
        process.said = said;
        // Whoever stops reading a pipe stops its writer.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(process)
    }

    /// Starts it without waiting for a word; all it says goes into its log.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn logged(name: &str, command: Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        Self::spawn(name, command, log, output.into())
    }

    /// Starts it; what it says is for [`Process::output`].
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn piped(name: &str, command: Command, log: &Path) -> Result<Self> {
        Self::spawn(name, command, log, Stdio::piped())
    }

    fn spawn(name: &str, mut command: Command, log: &Path, stdout: Stdio) -> Result<Self> {
        let errors = File::options().create(true).append(true).open(log)?;
        let child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be run"))?;
        Ok(Self { name: name.to_owned(), log: log.to_owned(), child, said: String::new() })
    }

    /// Its output, once it has ended well.
    ///
    /// # Errors
    /// It fails, or does not end within the bound.
    pub(crate) async fn output(mut self, bound: Duration) -> Result<String> {
        let mut stdout = self.child.stdout.take().context("stdout is piped")?;
        let mut text = String::new();
        let ended = timeout(bound, async {
            stdout.read_to_string(&mut text).await?;
            self.child.wait().await
        });
        let name = &self.name;
        let status = ended.await.with_context(|| format!("{name} does not end within {bound:?}"))??;
        if !status.success() {
            bail!("{name} failed: {}", self.log_tail());
        }
        Ok(text)
    }

    /// # Errors
    /// It has ended.
    pub(crate) fn id(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has ended:\n{}", self.name, self.log_tail()))
    }

    /// kill -9, and waits until it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let _gone = self.child.start_kill();
        self.exited(REAP_TIMEOUT).await.map(drop)
    }

    /// SIGTERM, and waits until it has ended by itself; past the bound it is killed.
    ///
    /// # Errors
    /// It does not go even so.
    pub(crate) async fn stop(&mut self, bound: Duration) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _gone = kill_process(pid, Signal::TERM);
        }
        match self.exited(bound).await {
            Ok(_) => Ok(()),
            Err(_) => self.kill().await,
        }
    }

    async fn exited(&mut self, bound: Duration) -> Result<ExitStatus> {
        let waited = timeout(bound, self.child.wait()).await;
        Ok(waited.with_context(|| format!("{} does not end within {bound:?}", self.name))??)
    }

    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_BYTES)..]).into_owned()
    }
}

/// This very program with other arguments.
///
/// # Errors
/// It cannot find itself.
pub(crate) fn myself(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Until the one at the other end of standard input is gone. A thread of its own: a blocking read cannot be called off, and
/// must not hold up the end of a runtime.
pub(crate) async fn stdin_ends() {
    let (ended, end) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _whatever_ends_it = io::copy(&mut io::stdin(), &mut io::sink());
        drop(ended);
    });
    let _ended = end.await;
}
