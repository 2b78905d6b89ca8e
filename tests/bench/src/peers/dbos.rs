//! DBOS: our workflows on its TypeScript SDK, its system database in the private PostgreSQL.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, Result};

use super::node;
use crate::{ground::Ground, process::Process};

/// Of 10 (its default), 20 and 50 the best at 512 in flight, by a few percent, on two cores.
const POOL: &str = "50";

pub(crate) const SETTINGS: &str = "dbos-sdk 5.3.0 on one Node.js process, system database on the private PostgreSQL (fsync \
    and synchronous_commit on), pool of 50 connections, each call a DBOS.runStep, node:http in front";

/// # Errors
/// It does not get ready.
pub(crate) async fn start(
    ground: &Ground,
    folder: &Path,
    participant: SocketAddr,
    url: &str,
) -> Result<(Vec<Process>, SocketAddr)> {
    let peers = ground.peers.as_ref().context("the peers are installed")?;
    let mut app = node(peers, "dbos.mjs");
    app.env("PARTICIPANT", format!("http://{participant}")).env("DATABASE", url).env("POOL", POOL);
    let app = Process::start("dbos", app, &folder.join("dbos.log"), "ready ").await?;
    let door = SocketAddr::from(([127, 0, 0, 1], app.said.parse()?));
    Ok((vec![app], door))
}
