//! Restate: its server and our handlers behind its TypeScript SDK.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use super::{free_ports, node};
use crate::{ground::Ground, process::Process, wire::ask};

/// A server that makes its 24 partitions.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

pub(crate) const SETTINGS: &str = "restate-server 1.7.12, one node, its defaults (24 partitions, replicated loglet, log \
    and metadata synced: rocksdb-disable-wal-fsync = false), log warn; restate-sdk 1.17.2 on one Node.js process, HTTP/2 \
    bidirectional, each call a ctx.run; started through the ingress";

/// # Errors
/// It does not get ready.
pub(crate) async fn start(
    ground: &Ground,
    folder: &Path,
    participant: SocketAddr,
) -> Result<(Vec<Process>, SocketAddr)> {
    let peers = ground.peers.as_ref().context("the peers are installed")?;
    let mut handlers = node(peers, "restate.mjs");
    handlers.env("PARTICIPANT", format!("http://{participant}")).env("RESTATE_LOGGING", "WARN");
    let handlers = Process::start("restate handlers", handlers, &folder.join("handlers.log"), "ready ").await?;

    let [fabric, ingress, admin] = free_ports()?;
    let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let config = folder.join("restate.toml");
    std::fs::write(&config, settings(fabric, ingress, admin))?;
    let mut server = Command::new(program(peers)?);
    server.arg("--config-file").arg(&config).arg("--base-dir").arg(folder.join("store")).arg("--no-logo");
    server.current_dir(folder);
    let server = Process::logged("restate-server", server, &folder.join("restate.log"))?;

    let began = Instant::now();
    let body = format!(r#"{{"uri":"http://127.0.0.1:{}"}}"#, handlers.said);
    loop {
        server.id()?;
        let registered = ask(local(admin), "POST", "/deployments", &body).await;
        if matches!(registered, Ok((200 | 201, _))) && started(local(ingress)).await {
            return Ok((vec![server, handlers], local(ingress)));
        }
        if began.elapsed() > READY_TIMEOUT {
            bail!("Restate does not get ready: {registered:?}");
        }
        sleep(POLL).await;
    }
}

async fn started(ingress: SocketAddr) -> bool {
    matches!(ask(ingress, "GET", "/restate/health", "").await, Ok((200, _)))
}

/// Durability spelled out although it is the default: it is what the comparison stands on.
fn settings(fabric: u16, ingress: u16, admin: u16) -> String {
    format!(
        r#"
node-name = "bench"
cluster-name = "bench"
listen-mode = "tcp"
bind-address = "127.0.0.1:{fabric}"
advertised-address = "http://127.0.0.1:{fabric}/"
auto-provision = true
disable-telemetry = true
log-filter = "warn"

[ingress]
bind-address = "127.0.0.1:{ingress}"

[admin]
bind-address = "127.0.0.1:{admin}"
disable-web-ui = true

[log-server]
rocksdb-disable-wal-fsync = false

[bifrost.local]
rocksdb-disable-wal = false
rocksdb-disable-wal-fsync = false
"#
    )
}

/// The program itself rather than the package's launcher: it is what must be measured and ended.
fn program(peers: &Path) -> Result<std::path::PathBuf> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let program = peers.join(format!("node_modules/@restatedev/restate-server-{os}-{arch}/bin/restate-server"));
    if program.is_file() { Ok(program) } else { bail!("{} is not there", program.display()) }
}
