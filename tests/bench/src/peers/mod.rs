//! The peers' packages, pinned, installed once into a folder beside the build, and their processes. Called by `ground` and
//! `town`. Must never know what is measured.

pub(crate) mod dbos;
pub(crate) mod restate;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::process::Process;

/// From a registry far away.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);
const LOCK: (&str, &str) = ("package-lock.json", include_str!("js/package-lock.json"));
const FILES: [(&str, &str); 4] = [
    ("package.json", include_str!("js/package.json")),
    ("participant.mjs", include_str!("js/participant.mjs")),
    ("restate.mjs", include_str!("js/restate.mjs")),
    ("dbos.mjs", include_str!("js/dbos.mjs")),
];

/// The folder with the packages and our own handlers.
///
/// # Errors
/// npm is missing or cannot reach its registry.
pub(crate) async fn install() -> Result<PathBuf> {
    let myself = std::env::current_exe()?;
    let target = myself.parent().and_then(Path::parent).context("a program lies in target/<profile>")?;
    let folder = target.join("bench-peers");
    fs::create_dir_all(&folder)?;
    for (name, text) in FILES {
        fs::write(folder.join(name), text)?;
    }
    // Written last: what is there was installed whole.
    let done = folder.join("installed");
    if fs::read_to_string(&done).is_ok_and(|lock| lock == LOCK.1) {
        return Ok(folder);
    }
    fs::write(folder.join(LOCK.0), LOCK.1)?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    let installed = Process::piped("npm ci", npm, &folder.join("npm.log"))?.output(INSTALL_TIMEOUT).await;
    installed.context("the peers' packages cannot be installed")?;
    fs::write(done, LOCK.1)?;
    Ok(folder)
}

/// Node.js, as a service runs in production.
fn node(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(folder.join(script)).current_dir(folder).env("NODE_ENV", "production").env_remove("NODE_OPTIONS");
    command
}

/// Ports that are free now, below those that the kernel gives to clients, each another one.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = vec![];
    let begin = 15_000 + u16::try_from(std::process::id() % 10_000)?;
    for port in begin..begin + 5_000 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
            if held.len() == N {
                break;
            }
        }
    }
    let ports: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
    ports.try_into().ok().context("there is no free port")
}
