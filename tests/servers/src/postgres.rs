//! One PostgreSQL cluster. Durable like a real one: `fsync` and `synchronous_commit` are on and cannot be given otherwise.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::user::User;

/// Recovery of what a test wrote takes a second at most; the rest is for a machine that is busy.
const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Somebody else may take a port between our finding it free and the server's binding it.
const PORTS_TRIED: usize = 5;

const SUPERUSER: &str = "amends";

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Options {
    pub max_connections: u32,
    pub shared_buffers_mb: u32,
    /// More settings, each as `name=value`. The two of durability are given after these.
    pub settings: Vec<String>,
    /// Where its folder is made; `None`: the system's folder for temporary files. A disk that is to be measured is named here.
    pub folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_connections: 100, shared_buffers_mb: 64, settings: Vec::new(), folder: None }
    }
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Ends all sessions and writes a checkpoint.
    Fast,
    /// As in a crash: it recovers when it is started again.
    Immediate,
}

/// A server that belongs to whoever started it.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    options: Options,
    user: Option<User>,
    port: u16,
    running: Option<Running>,
    folder: TempDir,
}

#[derive(Debug)]
struct Running {
    postmaster: Child,
    /// Ends the server if our process dies without dropping it.
    guard: Child,
}

impl Postgres {
    /// Makes a cluster and starts it; returns when it takes connections.
    pub fn start(options: Options) -> io::Result<Self> {
        let binaries = binaries()?;
        let user = User::to_become()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("amends-postgres-");
        let folder = match &options.folder {
            Some(folder) => builder.tempdir_in(folder)?,
            None => builder.tempdir()?,
        };
        if let Some(user) = user {
            user.own(folder.path())?;
        }
        let mut server = Self { binaries, options, user, port: 0, running: None, folder };
        // Without syncing: nothing is in it yet that could be lost.
        server.run(
            "initdb",
            ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", SUPERUSER],
            |run| {
                run.arg("--pgdata").arg(server.data());
            },
        )?;
        for tried in 1.. {
            server.port = free_port()?;
            match server.start_again() {
                Ok(()) => break,
                Err(error) if tried == PORTS_TRIED || !server.log().contains("could not bind") => return Err(error),
                Err(_) => {}
            }
        }
        Ok(server)
    }

    /// Of the database every cluster has.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a database and answers its URL.
    pub fn create_database(&self, name: &str) -> io::Result<String> {
        let port = self.port.to_string();
        let arguments = ["--host=127.0.0.1", "--port", &port, "--username", SUPERUSER, "--no-password", name];
        self.run("createdb", arguments, |_| {})?;
        Ok(self.url_of(name))
    }

    /// Stops the server; returns when it is gone. One that is stopped stays so.
    pub fn stop(&mut self, mode: Mode) -> io::Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        // First the guard: it knows the server by its number only, which is free again once the server is gone.
        running.guard.kill()?;
        running.guard.wait()?;
        let signal = if mode == Mode::Fast { Signal::INT } else { Signal::QUIT };
        kill_process(Pid::from_child(&running.postmaster), signal)?;
        let gone = within(STOP_WITHIN, || Ok(running.postmaster.try_wait()?.is_some()));
        if !matches!(gone, Ok(true)) {
            running.postmaster.kill()?;
            running.postmaster.wait()?;
            return Err(io::Error::other(format!("PostgreSQL did not stop and was killed:\n{}", self.log())));
        }
        Ok(())
    }

    /// Starts the same cluster again, on the same port; returns when it takes connections.
    pub fn start_again(&mut self) -> io::Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let log = File::create(self.log_path())?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in self.settings() {
            command.arg("-c").arg(setting);
        }
        let mut postmaster = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let guard = match guard(&postmaster, self.folder.path()) {
            Ok(guard) => guard,
            Err(error) => {
                postmaster.kill()?;
                postmaster.wait()?;
                return Err(error);
            }
        };
        let mut running = Running { postmaster, guard };
        let ready = within(START_WITHIN, || match running.postmaster.try_wait()? {
            Some(status) => Err(io::Error::other(format!("it ended with {status}"))),
            None => Ok(is_ready(&self.data(), running.postmaster.id())),
        });
        self.running = Some(running);
        let why = match ready {
            Ok(true) => return Ok(()),
            Ok(false) => format!("it did not take connections within {START_WITHIN:?}"),
            Err(error) => error.to_string(),
        };
        let log = self.log();
        self.end();
        Err(io::Error::other(format!("PostgreSQL did not start: {why}\n{log}")))
    }

    /// What the server wrote since it was started last.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map_or_else(|error| error.to_string(), |log| String::from_utf8_lossy(&log).into_owned())
    }

    fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            // No file of it lies outside its folder.
            "unix_socket_directories=".to_owned(),
            format!("max_connections={}", self.options.max_connections),
            format!("shared_buffers={}MB", self.options.shared_buffers_mb),
        ];
        settings.extend(self.options.settings.iter().cloned());
        settings.extend(["fsync=on".to_owned(), "synchronous_commit=on".to_owned()]);
        settings
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        // Settings of whoever runs the tests are not ours.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if let Some(user) = self.user {
            user.run(&mut command);
        }
        command
    }

    fn run<'a>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = &'a str>,
        more: impl FnOnce(&mut Command),
    ) -> io::Result<()> {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null());
        more(&mut command);
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{program} ended with {}:\n{said}", output.status)))
    }

    fn end(&mut self) {
        if let Err(error) = self.stop(Mode::Immediate) {
            eprintln!("{error}");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for the end of our process, which closes its standard input, and then ends the server and removes the folder.
fn guard(postmaster: &Child, folder: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r nothing; kill -QUIT \"$1\"; sleep 1; kill -KILL \"$1\"; rm -rf \"$2\"", "guard"])
        .arg(postmaster.id().to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// As `pg_ctl` finds out: the last line of the postmaster's file.
fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

fn within(limit: Duration, mut there: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let since = Instant::now();
    loop {
        if there()? {
            return Ok(true);
        }
        if since.elapsed() > limit {
            return Ok(false);
        }
        #[expect(clippy::disallowed_methods, reason = "there is no runtime here")]
        thread::sleep(LOOK_EVERY);
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The folder with PostgreSQL's programs: from PATH, or where Debian puts them, the newest first.
fn binaries() -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let folders = env::split_paths(&path).chain(versions);
    let all = |folder: &PathBuf| ["initdb", "postgres", "createdb"].iter().all(|name| folder.join(name).is_file());
    folders.into_iter().find(all).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "PostgreSQL is not installed: there is no folder with initdb, postgres and createdb in PATH or \
             /usr/lib/postgresql/*/bin; install the packages postgresql and postgresql-client (13 or later)",
        )
    })
}

fn version(folder: &Path) -> u32 {
    folder.parent().and_then(Path::file_name).and_then(OsStr::to_str).and_then(|name| name.parse().ok()).unwrap_or(0)
}
