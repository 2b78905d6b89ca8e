//! One Redis server that keeps what it has answered: an append-only file, synced before each answer.

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    postgres::Mode,
    process::{PORTS_TRIED, Running, free_port},
    user::User,
};

/// A server that belongs to whoever started it.
#[derive(Debug)]
pub struct Redis {
    binary: PathBuf,
    /// Given after the durable ones, so that a test can have a server that is not.
    settings: Vec<String>,
    user: Option<User>,
    port: u16,
    running: Option<Running>,
    folder: TempDir,
}

impl Redis {
    /// Starts it; returns when it takes connections. More settings as on its command line: `["--maxmemory", "8mb"]`.
    pub fn start(settings: &[&str]) -> io::Result<Self> {
        let user = User::to_become()?;
        let folder = tempfile::Builder::new().prefix("amends-redis-").tempdir()?;
        if let Some(user) = user {
            user.own(folder.path())?;
        }
        // Where it keeps its users; there is none yet but the one without a name.
        let users = File::create(folder.path().join("users"))?;
        if let Some(user) = user {
            user.own(&folder.path().join("users"))?;
        }
        drop(users);
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { binary: binary()?, settings, user, port: 0, running: None, folder };
        for tried in 1.. {
            server.port = free_port()?;
            match server.start_again() {
                Ok(()) => break,
                Err(error) if tried == PORTS_TRIED || !server.log().contains("Address already in use") => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        Ok(server)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// As its default user, who may do everything and needs no password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// One command, as the default user; what came back, as it came.
    pub fn say(&self, words: &[&str]) -> io::Result<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        connection.write_all(command.as_bytes())?;
        let mut answer = vec![0; 4096];
        let length = connection.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).trim_end().to_owned())
    }

    /// Stops the server; returns when it is gone. One that is stopped stays so.
    pub fn stop(&mut self, mode: Mode) -> io::Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let signal = if mode == Mode::Fast { Signal::TERM } else { Signal::KILL };
        running.stop(signal).map_err(|error| io::Error::other(format!("Redis: {error}:\n{}", self.log())))
    }

    /// Starts the same server again, on the same port; returns when it takes connections.
    pub fn start_again(&mut self) -> io::Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let log = File::create(self.log_path())?;
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.folder.path())
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"])
            .args(["--port", &self.port.to_string()])
            .arg("--aclfile")
            .arg(self.folder.path().join("users"))
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.settings);
        if let Some(user) = self.user {
            user.run(&mut command);
        }
        // While it reads its file it answers, and says that it does.
        let ready = |_| self.say(&["ping"]).is_ok_and(|answer| answer == "+PONG" || answer.starts_with("-NOAUTH"));
        match Running::start(&mut command, log, self.folder.path(), ready) {
            Ok(running) => self.running = Some(running),
            Err(error) => return Err(io::Error::other(format!("Redis did not start: {error}\n{}", self.log()))),
        }
        Ok(())
    }

    /// Where it appends what was written since it was started or rewritten last.
    pub fn append_only_file(&self) -> io::Result<PathBuf> {
        let folder = fs::read_dir(self.folder.path().join("appendonlydir"))?;
        let mut files = folder.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
        files.retain(|file| file.to_string_lossy().ends_with(".incr.aof"));
        files.sort();
        files.pop().ok_or_else(|| io::Error::other("there is no append-only file"))
    }

    /// What the server wrote since it was started last.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map_or_else(|error| error.to_string(), |log| String::from_utf8_lossy(&log).into_owned())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Err(error) = self.stop(Mode::Immediate) {
            eprintln!("{error}");
        }
    }
}

fn binary() -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&path).chain(["/usr/bin".into()]).map(|folder| folder.join("redis-server"));
    all.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        let hint = "install the package redis-server (7 or later)";
        io::Error::new(io::ErrorKind::NotFound, format!("Redis is not installed: no redis-server in PATH; {hint}"))
    })
}
