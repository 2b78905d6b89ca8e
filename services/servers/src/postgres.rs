//! One PostgreSQL cluster. Durable like a real one: `fsync` and `synchronous_commit` are on and cannot be given otherwise.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    process::{PORTS_TRIED, Running, free_port},
    user::User,
};

const SUPERUSER: &str = "amends";

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Options {
    pub max_connections: u32,
    pub shared_buffers_mb: u32,
    /// More settings, each as `name=value`. The two of durability are given after these.
    pub settings: Vec<String>,
    /// Everybody is asked for a password, as a real server does; the superuser's is his name. Without it nobody is.
    pub passwords: bool,
    /// Where its folder is made; `None`: the system's folder for temporary files. A disk that is to be measured is named here.
    pub folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_connections: 100, shared_buffers_mb: 64, settings: Vec::new(), passwords: false, folder: None }
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
        let auth = if server.options.passwords { "--auth=scram-sha-256" } else { "--auth=trust" };
        let password = server.folder.path().join("password");
        fs::write(&password, SUPERUSER)?;
        // Without syncing: nothing is in it yet that could be lost.
        server.run("initdb", ["--no-sync", auth, "--encoding=UTF8", "--locale=C", "--username", SUPERUSER], |run| {
            run.arg("--pgdata").arg(server.data()).arg("--pwfile").arg(&password);
        })?;
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
        let password = if self.options.passwords { format!(":{SUPERUSER}") } else { String::new() };
        format!("postgres://{SUPERUSER}{password}@127.0.0.1:{}/{database}", self.port)
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
        let Some(running) = self.running.take() else { return Ok(()) };
        let signal = if mode == Mode::Fast { Signal::INT } else { Signal::QUIT };
        running.stop(signal).map_err(|error| io::Error::other(format!("PostgreSQL: {error}:\n{}", self.log())))
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
        let data = self.data();
        let started = Running::start(&mut command, log, self.folder.path(), |pid| is_ready(&data, pid));
        match started {
            Ok(running) => self.running = Some(running),
            Err(error) => return Err(io::Error::other(format!("PostgreSQL did not start: {error}\n{}", self.log()))),
        }
        Ok(())
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

/// As `pg_ctl` finds out: the last line of the postmaster's file.
fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
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
