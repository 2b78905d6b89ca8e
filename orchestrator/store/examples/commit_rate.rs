//! How many appends a second a store takes, by the size of the batch: `cargo run --release -p amends-store
//! --features testing --example commit_rate [sqlite|postgres] [folder]`. The folder should be on the disk that is to be
//! measured. PostgreSQL is a private server there, with two lanes side by side.
#![expect(clippy::unwrap_used, reason = "a measurement may stop anywhere")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use amends_core::ids::SagaId;
use amends_servers::Postgres;
use amends_store::{
    Append, Store,
    conformance::given::{create_with_id, end, step},
    lane_of,
    postgres::{Options, PostgresStore},
    sqlite::SqliteStore,
};
use uuid::Uuid;

/// A saga of three steps: made, twice gone on with, ended.
const COMMITS_OF_A_SAGA: usize = 4;

/// Per size of batch.
const MEASURED_FOR: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let side = arguments.next().map_or_else(|| "sqlite".into(), |side| side.into_string().unwrap());
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "{:>9} {:>6} {:>10} {:>10} {:>10} {:>10} {:>10}",
        side, "batch", "appends/s", "sagas/s", "p50 ms", "p99 ms", "saga ms"
    );
    for size in [1, 16, 64, 256, 1000] {
        match side.as_str() {
            "sqlite" => sqlite(&folder, size).await,
            "postgres" => postgres(&folder, size).await,
            other => panic!("there is no side {other}: sqlite or postgres"),
        }
    }
}

async fn sqlite(folder: &Path, size: usize) {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("amends.db")).await.unwrap());
    measure(store, size).await;
}

async fn postgres(folder: &Path, size: usize) {
    let folder = Some(folder.to_owned());
    let server = Postgres::start(amends_servers::Options { folder, shared_buffers_mb: 256, ..Default::default() });
    let server = server.unwrap();
    let store = PostgresStore::open(Options::new(server.url())).await.unwrap();
    measure(Arc::new(store), size).await;
}

/// One writer per lane, or a single one for the batch of one, which is about how long a saga alone takes.
async fn measure(store: Arc<dyn Store>, size: usize) {
    let lanes = if size == 1 { 1 } else { store.lanes() };
    let began = Instant::now();
    let writers: Vec<_> = (0..lanes)
        .map(|lane| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while began.elapsed() < MEASURED_FOR {
                    wave(&*store, lane, lanes, size, &mut latencies).await;
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.await.unwrap());
    }
    report(&store.written(), size, began.elapsed(), latencies);
}

/// Sagas from their start to their end, four batches by turns, as an engine would have them.
async fn wave(store: &dyn Store, lane: usize, lanes: usize, size: usize, latencies: &mut Vec<Duration>) {
    let saga = || std::iter::repeat_with(|| SagaId(Uuid::now_v7())).find(|saga| lane_of(*saga, lanes) == lane).unwrap();
    let mut groups: Vec<Vec<Append>> = (0..4).map(|_| (0..size).map(|_| create_with_id(saga(), 1)).collect()).collect();
    for commit in 0..COMMITS_OF_A_SAGA {
        for group in &mut groups {
            let next: Vec<Append> = group.iter().map(if commit + 2 < COMMITS_OF_A_SAGA { step } else { end }).collect();
            let batch = std::mem::replace(group, next);
            let began = Instant::now();
            let answers = store.commit(batch).await;
            latencies.push(began.elapsed());
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }
    }
}

fn report(written: &amends_store::Written, size: usize, took: Duration, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let milliseconds = |part: usize| latencies[(latencies.len() - 1) * part / 100].as_secs_f64() * 1e3;
    let appends = f64::from(u32::try_from(written.appends).unwrap()) / took.as_secs_f64();
    let commits_of_a_saga = f64::from(u32::try_from(COMMITS_OF_A_SAGA).unwrap());
    println!(
        "{:>9} {size:>6} {appends:>10.0} {:>10.0} {:>10.2} {:>10.2} {:>10.2}",
        "",
        appends / commits_of_a_saga,
        milliseconds(50),
        milliseconds(99),
        milliseconds(50) * commits_of_a_saga
    );
}
