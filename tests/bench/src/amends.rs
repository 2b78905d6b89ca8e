//! The orchestrator's process: its configuration and the sagas it is measured with. Called by `town` and by the scenario
//! that restarts it. Must never know who drives it.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::{process::Process, wire::ask};

/// More than any scenario has in flight.
const MAX_LIVE_SAGAS: usize = 20_000;
/// As many as are in flight at most: the bulkhead must not be what is measured.
const CONCURRENCY: usize = 1_024;

pub(crate) const SETTINGS: &str = "one node, every commit synced (SQLite: WAL, synchronous=FULL; PostgreSQL: fsync, \
    synchronous_commit=on), log level info into a file, participant `plain`, concurrency 1024, max_live_sagas 20000";

const THREE: &str = "
saga: three
steps:
  one: { call: trivial POST /one, body: { saga: '${{ saga.id }}' }, compensate: { call: trivial POST /one/undo, body: { saga: '${{ saga.id }}' } } }
  two: { call: trivial POST /two, body: { saga: '${{ saga.id }}' }, compensate: { call: trivial POST /two/undo, body: { saga: '${{ saga.id }}' } } }
  three: { call: trivial POST /three, body: { saga: '${{ saga.id }}' }, compensate: { call: trivial POST /three/undo, body: { saga: '${{ saga.id }}' } } }
";

const REFUSED: &str = "
saga: refused
steps:
  one: { call: trivial POST /one, body: { saga: '${{ saga.id }}' }, compensate: { call: trivial POST /one/undo, body: { saga: '${{ saga.id }}' } } }
  two: { call: trivial POST /two, body: { saga: '${{ saga.id }}' }, compensate: { call: trivial POST /two/undo, body: { saga: '${{ saga.id }}' } } }
  three: { call: trivial POST /refuse, body: { saga: '${{ saga.id }}' }, compensate: { call: trivial POST /three/undo, body: { saga: '${{ saga.id }}' } } }
";

/// Starts it and waits until it listens.
///
/// # Errors
/// It does not.
pub(crate) async fn start(
    program: &Path,
    folder: &Path,
    participant: SocketAddr,
    database: Option<&str>,
    listen: Option<SocketAddr>,
) -> Result<Process> {
    let (store, sagas, file) = (folder.join("store"), folder.join("sagas"), folder.join("amends.toml"));
    fs::create_dir_all(&store)?;
    fs::create_dir_all(&sagas)?;
    fs::write(sagas.join("three.yaml"), THREE)?;
    fs::write(sagas.join("refused.yaml"), REFUSED)?;
    fs::write(
        &file,
        format!(
            "[limits]\nmax_live_sagas = {MAX_LIVE_SAGAS}\n\n[services.trivial]\nurl = \"http://{participant}\"\ncontract \
             = \"plain\"\ntimeout = \"2m\"\nconcurrency = {CONCURRENCY}\n"
        ),
    )?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(&file).arg("--sagas").arg(&sagas);
    match database {
        Some(url) => command.arg("--database").arg(url),
        None => command.arg("--database").arg(store.join("amends.db")),
    };
    let listen = listen.map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
    command.arg("--listen").arg(listen).env_remove("RUST_LOG").env_remove("AMENDS_LOG");
    Process::start("amends", command, &folder.join("amends.log"), "listening on http://").await
}

/// `Err` with the server's reason for a definition that this version does not run.
///
/// # Errors
/// It does not answer.
pub(crate) async fn register(door: SocketAddr, source: &str) -> Result<Result<(), String>> {
    let mut connection = crate::wire::Connection::open(door).await?;
    let request = format!(
        "POST /v1/definitions HTTP/1.1\r\nhost: {door}\r\ncontent-type: application/yaml\r\ncontent-length: \
         {}\r\n\r\n{source}",
        source.len()
    );
    let answer = connection.exchange(request.as_bytes()).await?;
    match answer.status {
        200 | 201 => Ok(Ok(())),
        400..=499 => Ok(Err(String::from_utf8_lossy(answer.body).into_owned())),
        status => bail!("registering a definition: {status}"),
    }
}

/// How many sagas (at most 200) have not ended yet.
///
/// # Errors
/// It does not answer.
pub(crate) async fn not_ended(door: SocketAddr) -> Result<usize> {
    let (status, text) = ask(door, "GET", "/v1/sagas?status=running,compensating&limit=200", "").await?;
    let page: serde_json::Value = serde_json::from_str(&text)?;
    let items = page["items"].as_array().with_context(|| format!("a list of sagas, not {status} {text:.300}"))?;
    Ok(items.len())
}
