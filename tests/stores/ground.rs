//! Servers, what is provisioned on them, and whether a credential opens a store. The last by the engines' own clients, so that
//! nothing of ours has a say in it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use amends_servers::{Mariadb, Options, Postgres, Redis};
use anyhow::{Context, Result, bail, ensure};

/// Who has a store. The last is the orchestrator.
pub(crate) const OWNERS: [&str; 5] = ["orders", "payments", "inventory", "shipping", "orchestrator"];
/// The first of some numbers that no account of a system has.
const FIRST_UID: u32 = 64_101;

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Postgres(u16),
    Mariadb(u16),
    Redis(u16),
    /// The folder in which each has a folder of its own.
    Sqlite(PathBuf),
}

/// One owner's store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) owner: &'static str,
    pub(crate) place: Place,
}

impl Store {
    /// With its own credential.
    pub(crate) fn address(&self) -> String {
        let (owner, password) = (self.owner, password(self.owner));
        match &self.place {
            Place::Postgres(port) => format!("postgres://{owner}:{password}@127.0.0.1:{port}/{owner}"),
            Place::Mariadb(port) => format!("mysql://{owner}:{password}@127.0.0.1:{port}/{owner}"),
            Place::Redis(port) => format!("redis://{owner}:{password}@127.0.0.1:{port}/0"),
            Place::Sqlite(folder) => file(folder, owner).display().to_string(),
        }
    }

    /// Makes it, by the script.
    pub(crate) fn provision(&self) -> Result<()> {
        match &self.place {
            Place::Postgres(port) => {
                let admin = format!("postgres://amends:amends@127.0.0.1:{port}/postgres");
                script("postgres.sh", self.owner, &[&admin])
            }
            Place::Mariadb(port) => script("mariadb.sh", self.owner, &mariadb_admin(&port.to_string())),
            Place::Redis(port) => script("redis.sh", self.owner, &redis_admin(&port.to_string())),
            Place::Sqlite(folder) => {
                script("sqlite.sh", self.owner, &[&uid(self.owner).to_string(), &folder.display().to_string()])
            }
        }
    }

    /// Whether this one's credential opens it, as far as writing to it.
    pub(crate) fn opens_for(&self, holder: &str) -> Result<bool> {
        let (owner, password) = (self.owner, password(holder));
        let (output, no) = match &self.place {
            Place::Postgres(port) => {
                let address = format!("postgres://{holder}:{password}@127.0.0.1:{port}/{owner}");
                let asks = "create temporary table probe (x integer)";
                let output = Command::new("psql").args(["--no-psqlrc", "--command", asks, &address]).output()?;
                (output, ["permission denied for database", "password authentication failed"].as_slice())
            }
            Place::Mariadb(port) => {
                let mut client = Command::new("mariadb");
                client.args(["--no-defaults", "--host=127.0.0.1", "--port", &port.to_string(), "--user", holder]);
                client.args([&format!("--password={password}"), owner, "--execute"]);
                (
                    client.arg("create table if not exists probe (x integer)").output()?,
                    ["Access denied for user"].as_slice(),
                )
            }
            Place::Redis(port) => {
                let mut client = Command::new("redis-cli");
                client.args([
                    "-e",
                    "-p",
                    &port.to_string(),
                    "--user",
                    holder,
                    "--pass",
                    &password,
                    "--no-auth-warning",
                ]);
                // As the barrier does it: from within a script.
                let asks = ["eval", "return redis.call('set', KEYS[1], 1)", "1", &format!("{{{owner}}}:probe")];
                (client.args(asks).output()?, ["NOPERM", "ACL failure", "WRONGPASS"].as_slice())
            }
            Place::Sqlite(folder) => {
                let mut client = Command::new("sh");
                client.args(["-c", ": >> \"$1\"", "sh"]).arg(file(folder, owner)).uid(uid(holder)).gid(uid(holder));
                (client.output()?, ["Permission denied"].as_slice())
            }
        };
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // Some clients say that they ended well whatever came.
        if no.iter().any(|word| said.contains(word)) {
            return Ok(false);
        }
        ensure!(output.status.success(), "{holder} at {self:?}: neither let in nor refused: {said}");
        Ok(true)
    }
}

pub(crate) fn password(holder: &str) -> String {
    format!("of-{holder}")
}

/// Its file, in a folder of its own.
fn file(folder: &Path, owner: &str) -> PathBuf {
    folder.join(owner).join(format!("{owner}.db"))
}

/// Whom it runs as. Without being root there is nobody else to be.
fn uid(owner: &str) -> u32 {
    let at = OWNERS.iter().position(|one| *one == owner).expect("one of the owners");
    FIRST_UID + u32::try_from(at).expect("few owners")
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn script(name: &str, owner: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(root().join("migrations/provision").join(name));
    let password = password(owner.trim_start_matches("--admin "));
    command.args(owner.split(' ')).args(arguments).env("AMENDS_PASSWORD", password);
    done(&command.env("AMENDS_CLIENT_HOST", "127.0.0.1").output()?).with_context(|| format!("{name} {owner}"))
}

pub(crate) fn done(output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    bail!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn mariadb_admin(port: &str) -> [&str; 5] {
    ["--no-defaults", "--host=127.0.0.1", "--user=amends", "--port", port]
}

fn redis_admin(port: &str) -> [&str; 7] {
    ["-p", port, "--user", "admin", "--pass", "of-admin", "--no-auth-warning"]
}

pub(crate) async fn postgres() -> Result<Postgres> {
    let options = Options { passwords: true, ..Options::default() };
    Ok(tokio::task::spawn_blocking(|| Postgres::start(options)).await??)
}

pub(crate) async fn mariadb() -> Result<Mariadb> {
    Ok(tokio::task::spawn_blocking(Mariadb::start).await??)
}

/// Without anybody who has no name.
pub(crate) async fn redis() -> Result<Redis> {
    let redis = tokio::task::spawn_blocking(|| Redis::start(&[])).await??;
    script("redis.sh", "--admin admin", &["-p", &redis.port().to_string()])?;
    Ok(redis)
}

/// The four engines, one for each service, and the orchestrator's database beside that of orders.
pub(crate) struct Town {
    pub(crate) postgres: Postgres,
    pub(crate) mariadb: Mariadb,
    pub(crate) redis: Redis,
    pub(crate) folder: tempfile::TempDir,
}

impl Town {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::TempDir::with_prefix("amends-stores-")?;
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        let (postgres, mariadb, redis) = tokio::try_join!(postgres(), mariadb(), redis())?;
        Ok(Self { postgres, mariadb, redis, folder })
    }

    pub(crate) fn stores(&self) -> Vec<Store> {
        let place = |owner| match owner {
            "payments" => Place::Mariadb(self.mariadb.port()),
            "inventory" => Place::Redis(self.redis.port()),
            "shipping" => Place::Sqlite(self.folder.path().to_owned()),
            _ => Place::Postgres(self.postgres.port()),
        };
        OWNERS.map(|owner| Store { owner, place: place(owner) }).into()
    }

    /// Provisioned: each store as the scripts make it. A file needs root for its owner.
    pub(crate) fn provision(&self) -> Result<Vec<Store>> {
        let stores = self.stores();
        for store in &stores {
            match &store.place {
                Place::Sqlite(folder) => fs::create_dir(folder.join(store.owner))?,
                _ => store.provision()?,
            }
        }
        Ok(stores)
    }
}
