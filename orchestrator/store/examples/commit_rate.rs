//! How many appends a second one SQLite store takes, by the size of the batch: `cargo run --release -p amends-store
//! --features testing --example commit_rate [folder]`. The folder should be on the disk that is to be measured.
#![expect(clippy::unwrap_used, reason = "a measurement may stop anywhere")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use amends_store::{
    Append, Store,
    conformance::given::{create, end, step},
    sqlite::SqliteStore,
};

/// A saga of three steps: made, twice gone on with, ended.
const COMMITS_OF_A_SAGA: usize = 4;

#[tokio::main]
async fn main() {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    println!("{:>6} {:>12} {:>12} {:>12} {:>12}", "batch", "appends/s", "sagas/s", "median ms", "p99 ms");
    for (size, waves) in [(1, 100), (16, 50), (64, 40), (256, 40), (1000, 10)] {
        let folder = tempfile::tempdir_in(&folder).unwrap();
        let store = SqliteStore::open(folder.path().join("amends.db")).await.unwrap();
        let mut latencies = Vec::new();
        for _ in 0..waves {
            wave(&store, size, &mut latencies).await;
        }
        report(size, latencies);
        store.close().await;
    }
}

/// Sagas from their start to their end, four batches in flight by turns, as an engine would have them.
async fn wave(store: &SqliteStore, size: i64, latencies: &mut Vec<Duration>) {
    let mut groups: Vec<Vec<Append>> = (0..4).map(|_| (0..size).map(create).collect()).collect();
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

fn report(size: i64, mut latencies: Vec<Duration>) {
    let total: Duration = latencies.iter().sum();
    latencies.sort_unstable();
    let milliseconds = |part: usize| latencies[(latencies.len() - 1) * part / 100].as_secs_f64() * 1e3;
    let commits = f64::from(u32::try_from(latencies.len()).unwrap());
    let appends = commits * f64::from(u32::try_from(size).unwrap()) / total.as_secs_f64();
    let sagas = appends / f64::from(u32::try_from(COMMITS_OF_A_SAGA).unwrap());
    println!("{size:>6} {appends:>12.0} {sagas:>12.0} {:>12.2} {:>12.2}", milliseconds(50), milliseconds(99));
}
