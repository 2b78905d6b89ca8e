//! The suite that all sides pass. One test, for a server takes longer to start than most cases take to run; it names each
//! case and fails with the list of those that do not hold.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use amends_servers::Postgres;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{connect, server, tamper};
use crate::{
    conformance::{self, Side},
    postgres::{Options, PostgresStore},
};

macro_rules! names {
    ($($module:ident::$case:ident,)*) => {
        &[$((stringify!($module), stringify!($case)),)*]
    };
}

const CASES: &[(&str, &str)] = crate::conformance_cases!(names);

/// They count transactions, of which a batch over several lanes has several.
const OF_ONE_LANE: [&str; 2] = ["one_bad_append_leaves_its_neighbours_alone", "a_thousand_appends_are_one_commit"];

/// Cases at once: more only wait for the disk.
const AT_ONCE: usize = 4;

/// Cases of these themes are run over two lanes as well: the others are not about batches.
const OVER_LANES: [&str; 3] = ["appends", "batches", "adoption"];

/// A store in tables of its own (a database of its own would take longer to make than to use), whose leases end when a case
/// says so.
async fn side(server: &Postgres, lanes: usize) -> Side {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let schema = format!("store{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    tamper(&server.url(), format!("create schema {schema}")).await;
    let url = format!("{}?options[search_path]={schema}", server.url());
    let store = PostgresStore::open(Options::new(url.clone()).lanes(lanes)).await.unwrap();
    let end = move |node: Uuid| {
        let url = url.clone();
        async move {
            // As time would: to a moment ago.
            let ended = sqlx::query("update nodes set lease_until = 1 where id = $1")
                .bind(node)
                .execute(&mut connect(&url).await)
                .await
                .unwrap();
            assert_eq!(ended.rows_affected(), 1);
        }
    };
    Side::shared(Arc::new(store), end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_suite_holds() {
    let server = Arc::new(server());
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = Vec::new();
    for lanes in [1, 2] {
        let over_lanes = |theme, case| OVER_LANES.contains(&theme) && !OF_ONE_LANE.contains(&case);
        for (_, case) in CASES.iter().filter(|(theme, case)| lanes == 1 || over_lanes(*theme, *case)) {
            let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
            let server = Arc::clone(&server);
            let run = tokio::spawn(async move {
                let began = Instant::now();
                let side = side(&server, lanes).await;
                conformance::run(case, side).await;
                println!("{case} (lanes: {lanes}): {:?}", began.elapsed());
                drop(permit);
            });
            under_way.push((format!("{case} (lanes: {lanes})"), run));
        }
    }
    let mut failed = Vec::new();
    for (case, run) in under_way {
        if run.await.is_err() {
            failed.push(case);
        }
    }
    assert!(CASES.len() > 40, "the list of cases is there");
    assert!(failed.is_empty(), "{} cases do not hold: {failed:#?}", failed.len());
}

/// The test above can fail: a case on a store that is not empty does.
#[tokio::test]
async fn a_case_that_does_not_hold_is_noticed() {
    let server = server();
    let side = side(&server, 1).await;
    let store: Arc<dyn crate::Store> = side.into();
    assert!(store.commit(vec![conformance::given::create(1)]).await[0].is_ok());
    let used = Side::shared(store, |_| async {});
    assert!(tokio::spawn(conformance::run("counts_are_of_sagas_that_live", used)).await.is_err());
}
