//! One MariaDB server, durable like a real one.

use std::{
    env,
    fs::{self, File},
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    postgres::Mode,
    process::{PORTS_TRIED, Running, free_port},
    user::User,
};

/// Who may do everything, without a password, from 127.0.0.1 only.
const SUPERUSER: &str = "amends";

/// A server that belongs to whoever started it.
#[derive(Debug)]
pub struct Mariadb {
    binaries: Binaries,
    user: Option<User>,
    port: u16,
    running: Option<Running>,
    folder: TempDir,
}

#[derive(Debug)]
struct Binaries {
    install: PathBuf,
    server: PathBuf,
    client: PathBuf,
}

impl Mariadb {
    /// Makes its files and starts it; returns when it takes connections.
    pub fn start() -> io::Result<Self> {
        let binaries = Binaries::find()?;
        let user = User::to_become()?;
        let folder = tempfile::Builder::new().prefix("amends-mariadb-").tempdir()?;
        if let Some(user) = user {
            user.own(folder.path())?;
        }
        let mut server = Self { binaries, user, port: 0, running: None, folder };
        server.install()?;
        for tried in 1.. {
            server.port = free_port()?;
            match server.start_again() {
                Ok(()) => break,
                Err(error) if tried == PORTS_TRIED || !server.log().contains("Can't start server") => {
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

    /// As the superuser.
    pub fn url_of(&self, database: &str) -> String {
        format!("mysql://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database and answers its URL.
    pub fn create_database(&self, name: &str) -> io::Result<String> {
        self.say(&format!("create database {name}"))?;
        Ok(self.url_of(name))
    }

    /// Statements, as the superuser.
    pub fn say(&self, statements: &str) -> io::Result<()> {
        let mut command = self.command(&self.binaries.client);
        command.args(["--no-defaults", "--host=127.0.0.1", "--user", SUPERUSER, "--port", &self.port.to_string()]);
        run(command.args(["--execute", statements]))
    }

    /// Stops the server; returns when it is gone. One that is stopped stays so.
    pub fn stop(&mut self, mode: Mode) -> io::Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let signal = if mode == Mode::Fast { Signal::TERM } else { Signal::KILL };
        running.stop(signal).map_err(|error| io::Error::other(format!("MariaDB: {error}:\n{}", self.log())))
    }

    /// Starts the same server again, on the same port; returns when it takes connections.
    pub fn start_again(&mut self) -> io::Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let log = File::create(self.log_path())?;
        let folder = self.folder.path();
        let mut command = self.command(&self.binaries.server);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.data().display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .arg(format!("--port={}", self.port))
            .arg(format!("--init-file={}", self.init_path().display()))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=500"])
            .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--performance-schema=off"])
            .args(["--innodb-flush-log-at-trx-commit=1", "--default-storage-engine=InnoDB"]);
        // What it says last before it takes connections.
        let ready = |_| self.log().contains("ready for connections");
        match Running::start(&mut command, log, folder, ready) {
            Ok(running) => self.running = Some(running),
            Err(error) => return Err(io::Error::other(format!("MariaDB did not start: {error}\n{}", self.log()))),
        }
        Ok(())
    }

    /// What the server wrote since it was started last.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map_or_else(|error| error.to_string(), |log| String::from_utf8_lossy(&log).into_owned())
    }

    fn install(&self) -> io::Result<()> {
        // Read at each start, as the server's own root; a statement is a line.
        let superuser = format!(
            "create user if not exists {SUPERUSER}@'127.0.0.1';\n\
             grant all on *.* to {SUPERUSER}@'127.0.0.1' with grant option;\n"
        );
        fs::write(self.init_path(), superuser)?;
        let mut command = self.command(&self.binaries.install);
        command
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--skip-name-resolve", "--innodb-log-file-size=16M"])
            .arg(format!("--datadir={}", self.data().display()));
        run(&mut command)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn init_path(&self) -> PathBuf {
        self.folder.path().join("superuser.sql")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("HOME", self.folder.path()).env("LC_ALL", "C");
        if let Some(user) = self.user {
            user.run(&mut command);
        }
        command
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        if let Err(error) = self.stop(Mode::Immediate) {
            eprintln!("{error}");
        }
    }
}

impl Binaries {
    fn find() -> io::Result<Self> {
        let find = |names: [&str; 2]| {
            let path = env::var_os("PATH").unwrap_or_default();
            let folders: Vec<PathBuf> =
                env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]).collect();
            let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
            all.into_iter().find(|file| file.is_file()).ok_or_else(|| {
                let hint = "install the package mariadb-server (10.6 or later)";
                io::Error::new(io::ErrorKind::NotFound, format!("MariaDB is not installed: no {}; {hint}", names[0]))
            })
        };
        Ok(Self {
            install: find(["mariadb-install-db", "mysql_install_db"])?,
            server: find(["mariadbd", "mysqld"])?,
            client: find(["mariadb", "mysql"])?,
        })
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    Err(io::Error::other(format!("{command:?} ended with {}:\n{said}", output.status)))
}
