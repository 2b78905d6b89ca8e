//! A process that dies while it makes its file: at the write with which a file would become larger than so many pages, for every number
//! of pages, until one passes untouched.

use std::{collections::BTreeSet, env, os::unix::process::ExitStatusExt as _, path::Path, process::Command};

use super::{asked, created, file, open};
use crate::sqlite::{SqliteStore, open::MIGRATIONS};

/// The kernel kills whoever writes beyond `ulimit -f`.
const SIGXFSZ: i32 = 25;
/// `ulimit -f` counts blocks of 512 bytes; a page has 4096.
const BLOCKS_PER_PAGE: u32 = 8;

/// How many migrations the file has; a copy is asked, since whoever opens it repairs it.
fn made(path: &Path) -> usize {
    let copy = tempfile::tempdir().unwrap();
    for name in ["amends.db", "amends.db-wal"].map(|name| (path.with_file_name(name), copy.path().join(name))) {
        // One that died at once has left none.
        let _absent = std::fs::copy(name.0, name.1);
    }
    let connection = rusqlite::Connection::open(file(&copy)).unwrap();
    let count =
        connection.query_row("select count(*) from _sqlx_migrations where success", [], |row| row.get::<_, i64>(0));
    // Not even the table of them is there.
    usize::try_from(count.unwrap_or(0)).unwrap()
}

#[tokio::test]
async fn a_migration_that_dies_half_way_is_made_by_whoever_opens_next() {
    const FILE: &str = "AMENDS_STORE_TEST_FILE";
    const OPENED: &str = "it was opened";
    if let Some(path) = env::var_os(FILE) {
        SqliteStore::open(path).await.unwrap();
        println!("\n{OPENED}");
        return;
    }
    let test = "sqlite::tests::dying::a_migration_that_dies_half_way_is_made_by_whoever_opens_next";
    let (mut died, mut left) = (0, BTreeSet::new());
    for pages in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh");
        let limit =
            format!("ulimit -c 0; ulimit -f {}; exec \"$0\" --exact --nocapture \"$1\"", pages * BLOCKS_PER_PAGE);
        child.args(["-c", &limit]).arg(env::current_exe().unwrap()).arg(test).env(FILE, file(&folder));
        let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
        let passed = output.status.success();
        if passed {
            assert!(String::from_utf8_lossy(&output.stdout).contains(OPENED), "{output:?}");
        } else {
            assert_eq!(output.status.signal(), Some(SIGXFSZ), "with {pages} pages: {output:?}");
            left.insert(made(&file(&folder)));
            died += 1;
        }
        let store = open(&file(&folder)).await;
        created(&store, 1).await;
        assert_eq!(asked(&store, "select integrity_check from pragma_integrity_check").await, "ok", "{pages} pages");
        store.close().await;
        assert_eq!(made(&file(&folder)), MIGRATIONS.iter().count(), "{pages} pages");
        if passed {
            break;
        }
    }
    eprintln!("it died {died} times, and left so many of the migrations: {left:?}");
    assert!(died > MIGRATIONS.iter().count());
    assert!(
        (0..MIGRATIONS.iter().count()).all(|number| left.contains(&number)),
        "it died within each of them: {left:?}"
    );
}
