//! How long one saga takes, start to end, when nothing else runs: `POST /v1/sagas` with `Prefer: wait`, three steps against
//! trivial participants over HTTP, the embedded store with every commit synced. Prints what it took, and what a sync takes
//! here; ends with 1 if the median of all is above 3 ms or a saga costs more than four commits.
//!
//! `cargo run --release -p amends --example one_in_flight`

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use amends_client::{Client, Start};
use amends_engine::{Catalogue, Engine, HttpParticipant, LeaseTerms, Limits, Retention, Setup, SystemClock};
use amends_protocol::v1::{SagaStatus, StartRequest};
use amends_store::{Store, sqlite::SqliteStore};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 3;
const SAGAS: usize = 300;
const MEDIAN_MOST: Duration = Duration::from_millis(3);
const COMMITS_MOST: u32 = 4;

const THREE: &str = "
saga: three
steps:
  one: { call: trivial POST /one, body: { saga: '${{ saga.id }}' }, compensate: { call: trivial DELETE /one } }
  two: { call: trivial POST /two, body: { saga: '${{ saga.id }}' }, output: { ok: '${{ response.body.ok }}' }, compensate: { call: trivial DELETE /two } }
  three: { call: trivial POST /three, body: { ok: '${{ steps.two.output.ok }}' }, compensate: { call: trivial DELETE /three } }
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path().join("amends.db")).await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener));
    let catalogue: Catalogue = serde_json::from_value(json!({ "trivial": { "url": url } }))?;
    let engine = Engine::open(Setup {
        store: store.clone(),
        participant: Arc::new(HttpParticipant::new(&catalogue)?),
        clock: Arc::new(SystemClock::anchored(None)),
        catalogue,
        limits: Limits::default(),
        name: "example".into(),
        lease: LeaseTerms::default(),
        retention: Retention::default(),
        faults: None,
    })
    .await?;
    let api = TcpListener::bind("127.0.0.1:0").await?;
    let client = Client::new(&format!("http://{}", api.local_addr()?))?;
    let stop = CancellationToken::new();
    tokio::spawn(amends_api::serve(api, amends_api::router(engine), stop.clone(), Duration::from_secs(1)));
    client.register(THREE).await?;

    let before = store.written();
    let mut all = Vec::with_capacity(ROUNDS * SAGAS);
    for _ in 0..ROUNDS {
        let mut times = Vec::with_capacity(SAGAS);
        for _ in 0..SAGAS {
            times.push(one_saga(&client).await?);
        }
        times.sort();
        let (median, p99) = (times[SAGAS / 2], times[SAGAS * 99 / 100]);
        println!("{SAGAS} sagas, one in flight: median {median:?}, p99 {p99:?}");
        all.extend(times);
    }
    let commits = (store.written().commits - before.commits) as f64 / (ROUNDS * SAGAS) as f64;
    let sync = sync_median(&folder.path().join("synced"))?;
    println!("{commits} commits a saga; a sync of 20 KiB takes {sync:?} here");
    all.sort();
    let median = all[all.len() / 2];
    println!("median of all {median:?}");
    if median > MEDIAN_MOST || commits > f64::from(COMMITS_MOST) {
        return Err(format!("at most {MEDIAN_MOST:?} and {COMMITS_MOST} commits").into());
    }
    Ok(())
}

async fn one_saga(client: &Client) -> Result<Duration, Box<dyn std::error::Error>> {
    let request =
        StartRequest { definition: "three".to_owned(), version: None, input: json!({}), labels: Default::default() };
    let start = Start { request, wait: Some(Duration::from_secs(10)), ..Start::default() };
    let began = Instant::now();
    let saga = client.start(&start).await?.saga;
    let took = began.elapsed();
    assert_eq!(saga.status, SagaStatus::Completed, "a trivial saga completes");
    Ok(took)
}

/// What the disk takes to make about as much durable as one commit writes.
fn sync_median(path: &Path) -> std::io::Result<Duration> {
    let mut file = File::create(path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        file.write_all(&[7; 20 * 1024])?;
        file.sync_all()?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// Answers everything with the same.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

async fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}")
            .await?;
    }
}
