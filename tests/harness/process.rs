//! Real processes: started, killed, stopped, restarted on the same port and file. None survives its handle.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::port;

/// A debug build on a loaded machine, recovering hundreds of sagas.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// After SIGKILL only the kernel has work left.
const REAP_TIMEOUT: Duration = Duration::from_secs(10);
/// What is shown of a log when a test fails.
const TAIL_BYTES: usize = 4_000;

/// What to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in the folder of built programs.
    pub binary: &'static str,
    /// Everything but `--listen`.
    pub arguments: Vec<String>,
    /// Where its log goes.
    pub log: PathBuf,
    /// What it logs, if not what it logs by itself.
    pub log_filter: Option<&'static str>,
    /// Beside what it has of the test.
    pub environment: Vec<(&'static str, String)>,
}

/// A process that has said where it listens.
#[derive(Debug)]
pub struct Process {
    program: Program,
    address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts it on a port of its own and waits until it listens.
    ///
    /// # Errors
    /// It is not built, or ends before it listens; with the end of its log.
    pub async fn start(program: Program) -> Result<Self> {
        let address = port::free()?;
        Self::start_at(program, address).await
    }

    /// The same where others already know that it will be.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn start_at(program: Program, address: SocketAddr) -> Result<Self> {
        Self::listen(program, address).await
    }

    async fn listen(program: Program, address: SocketAddr) -> Result<Self> {
        let mut child = spawn(&program, &["--listen", &address.to_string()])?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START_TIMEOUT, lines.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten().unwrap_or_default();
        let said = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let Some(said) = said else {
            bail!("{} does not listen; it said {line:?}, and in its log:\n{}", program.binary, tail(&program.log));
        };
        // Whoever stops reading a pipe stops its writer.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { program, address: said, child })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As one line each, what it logged.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.program.log)?)
    }

    /// kill -9, and waits until it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub async fn kill(&mut self) -> Result<()> {
        // It may have died by itself, which is what some tests wait for.
        let _gone = self.child.start_kill();
        self.exited(REAP_TIMEOUT).await.map(drop)
    }

    /// SIGTERM, and waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not end within the bound.
    pub async fn stop(&mut self, bound: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.exited(bound).await
    }

    /// Sends a signal to this process and to no other.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.id().context("the process has ended")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("a process has a positive id")?;
        kill_process(pid, signal).context("a process of ours can be signalled")
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not end within the bound.
    pub async fn exited(&mut self, bound: Duration) -> Result<ExitStatus> {
        match timeout(bound, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} does not end within {bound:?}", self.program.binary),
        }
    }

    /// Starts the same program again, on the same port and with the same files. The one before must be gone.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        *self = Self::listen(self.program.clone(), self.address).await?;
        Ok(())
    }

    /// As [`Process::restart`], with this in its environment, and nothing else beside what it has of the test.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn restart_with(&mut self, environment: Vec<(&'static str, String)>) -> Result<()> {
        self.program.environment = environment;
        self.restart().await
    }

    /// As [`Process::restart`], without this flag and its value.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn restart_without(&mut self, flag: &str) -> Result<()> {
        let arguments = &mut self.program.arguments;
        if let Some(at) = arguments.iter().position(|argument| argument == flag) {
            arguments.drain(at..=at + 1);
        }
        self.restart().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.start_kill();
        if std::thread::panicking() {
            eprintln!("--- end of the log of {}\n{}", self.program.binary, tail(&self.program.log));
        }
    }
}

/// Runs a program that is to end by itself, and answers how.
///
/// # Errors
/// It is not built, or does not end.
pub async fn run(program: &Program, arguments: &[&str]) -> Result<(ExitStatus, String)> {
    let mut child = spawn(program, arguments)?;
    let status = timeout(START_TIMEOUT, child.wait()).await.context("it should have ended by itself")??;
    Ok((status, fs::read_to_string(&program.log)?))
}

/// What a program that is to end well by itself writes to stdout.
///
/// # Errors
/// It is not built, does not end, or fails.
pub async fn output(name: &str, arguments: &[&str]) -> Result<String> {
    let output = ended(name, arguments, START_TIMEOUT).await?;
    if !output.status.success() {
        bail!("{name} {arguments:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What a program leaves that is to end by itself within so long, well or not.
///
/// # Errors
/// It is not built, or does not end.
pub async fn ended(name: &str, arguments: &[&str], within: Duration) -> Result<std::process::Output> {
    let mut command = Command::new(binary(name)?);
    command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
    Ok(timeout(within, command.output()).await.context("it should have ended by itself")??)
}

fn spawn(program: &Program, more: &[&str]) -> Result<Child> {
    let binary = binary(program.binary)?;
    let log = File::options().create(true).append(true).open(&program.log)?;
    Command::new(binary)
        .args(&program.arguments)
        .args(more)
        .env_remove("RUST_LOG")
        .env_remove("AMENDS_LOG")
        .envs(program.log_filter.map(|filter| ("RUST_LOG", filter)))
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be run", program.binary))
}

/// A program that cargo built beside this test.
///
/// # Errors
/// It is not there.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("a test lies in target/<profile>/deps")?;
    let path = folder.join(name);
    if !path.exists() {
        bail!("{} is not there: build the binaries first, as tests/run does", path.display());
    }
    Ok(path)
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}
