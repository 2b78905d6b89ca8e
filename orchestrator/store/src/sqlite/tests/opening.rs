//! Who may open a file, and what is there when it is opened again.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rusqlite::Connection;

use super::{asked, created, empty, file, open, tamper};
use crate::{
    Append, Claim, NewDefinition, NewNode, Note, Places, Store, StoreError,
    conformance::given::{create, end, step, words},
    sqlite::{SqliteStore, open::is_safe},
};
use amends_core::{ids::Digest, time::Time};
use uuid::Uuid;

/// The file that a test gives to a copy of itself in another process.
const FILE_OF_CHILD: &str = "AMENDS_STORE_TEST_FILE";

/// This very test in a process of its own.
fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", &format!("sqlite::tests::opening::{test}")]).env(FILE_OF_CHILD, path);
    command
}

fn refusal<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Refused { reason }) => reason,
        Err(other) => panic!("not refused, but {other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn what_was_committed_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let sagas = created(&store, 10).await;
    let steps: Vec<Append> = sagas.iter().map(step).collect();
    assert_eq!(words(&store.commit(steps.clone()).await), ["ok"; 10]);
    let definition =
        NewDefinition { name: "a".into(), version: None, digest: Digest::of(&[b"a"]), source: "a".into(), at: Time(1) };
    store.put_definition(definition).await.unwrap();
    let heads = store.list(&crate::Filter::default(), None, 100).await.unwrap();
    drop(store);
    let store = opened_in_a_moment(&file(&folder)).await;
    assert_eq!(store.list(&crate::Filter::default(), None, 100).await.unwrap(), heads);
    for (saga, step) in sagas.iter().zip(&steps) {
        let journal = store.journal(saga.saga, 1..100, 100).await.unwrap();
        assert_eq!(journal, [saga.events.clone(), step.events.clone()].concat());
    }
    assert_eq!(store.definition("a", None).await.unwrap().unwrap().version, 1);
    // It goes on where it was.
    assert_eq!(words(&store.commit(steps.iter().map(end).collect()).await), ["ok"; 10]);
    assert_eq!(store.written().commits, 1, "counts since it was opened");
}

#[tokio::test]
async fn the_writer_syncs_every_commit_and_waits_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    assert_writer_rules(&open(&file(&folder)).await).await;
}

pub(super) async fn assert_writer_rules(store: &SqliteStore) {
    assert_eq!(asked(store, "select cast(synchronous as text) from pragma_synchronous").await, "2");
    assert_eq!(asked(store, "select journal_mode from pragma_journal_mode").await, "wal");
    assert_eq!(asked(store, "select cast(timeout as text) from pragma_busy_timeout").await, "5000");
    assert_eq!(asked(store, "select locking_mode from pragma_locking_mode").await, "normal");
    assert_eq!(asked(store, "select cast(cache_size as text) from pragma_cache_size").await, "-8192");
    assert_eq!(asked(store, "select cast(foreign_keys as text) from pragma_foreign_keys").await, "0");
    // This one has no table of its own.
    let pages = |connection: &Connection| connection.query_row("pragma wal_autocheckpoint", [], |row| row.get(0));
    assert_eq!(store.writer().unwrap().with_connection(pages).await, Ok(10_000));
}

#[tokio::test]
async fn a_second_server_in_this_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let store = open(&path).await;
    let reason = refusal(SqliteStore::open(&path).await);
    assert!(reason.contains(&format!("process {}", std::process::id())), "{reason}");
    // By another name of the same file too.
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    refusal(SqliteStore::open(&link).await);
    assert_eq!(created(&store, 1).await.len(), 1, "the first server goes on");
    store.close().await;
    open(&link).await;
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_lets_go() {
    if let Some(path) = env::var_os(FILE_OF_CHILD) {
        match SqliteStore::open(path).await {
            Ok(store) => println!("\nopened, {} sagas", store.counts().await.unwrap().running),
            Err(refused) => println!("\n{refused}"),
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    created(&store, 3).await;
    let answer = async || {
        let mut child = child("a_second_process_is_refused_until_the_first_lets_go", &file(&folder));
        let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = answer().await;
    let me = std::process::id();
    assert!(refused.contains(&format!("is being served by process {me}, which holds")), "{refused}");
    assert!(refused.contains("amends.db.lock; stop it first"), "{refused}");
    assert_eq!(words(&store.commit(vec![create(1)]).await), ["ok"], "the first server goes on");
    store.close().await;
    let opened = answer().await;
    assert!(opened.contains("opened, 4 sagas"), "{opened}");
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_the_lock_does_not() {
    if let Some(path) = env::var_os(FILE_OF_CHILD) {
        let store = SqliteStore::open(path).await.unwrap();
        loop {
            let append = create(1);
            assert_eq!(words(&store.commit(vec![append.clone()]).await), ["ok"]);
            println!("\nacknowledged {}", append.saga);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("what_was_acknowledged_survives_a_kill_and_the_lock_does_not", &file(&folder))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = lines.map(Result::unwrap).filter_map(|line| {
        line.strip_prefix("acknowledged ").map(|saga| saga.parse::<amends_core::ids::SagaId>().unwrap())
    });
    let mut sagas: Vec<_> = acknowledged.by_ref().take(50).collect();
    // SIGKILL, in the middle of the next commits.
    child.kill().unwrap();
    sagas.extend(acknowledged);
    child.wait().unwrap();
    assert!(sagas.len() >= 50);
    let store = open(&file(&folder)).await;
    for saga in sagas {
        assert_eq!(store.head(saga).await.unwrap().unwrap().next_seq, 3);
        assert_eq!(store.journal(saga, 1..100, 100).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_reader_beside_the_server_sees_what_is_committed_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let saga = created(&store, 1).await.remove(0);
    let reader = SqliteStore::open_read_only(file(&folder)).await.unwrap();
    assert_eq!(reader.journal(saga.saga, 1..100, 100).await.unwrap(), saga.events);
    assert_eq!(words(&store.commit(vec![step(&saga)]).await), ["ok"]);
    assert_eq!(reader.head(saga.saga).await.unwrap(), store.head(saga.saga).await.unwrap());

    assert_eq!(words(&reader.commit(vec![create(1), create(2)]).await), ["refused"; 2]);
    let claim = Claim { saga: saga.saga, owner: Some(Uuid::nil()), epoch: 1 };
    refusal(reader.adopt(vec![claim], Uuid::from_u128(1)).await);
    let definition =
        NewDefinition { name: "a".into(), version: None, digest: Digest::of(&[b"a"]), source: "a".into(), at: Time(1) };
    refusal(reader.put_definition(definition).await);
    let node = NewNode { id: Uuid::from_u128(1), name: "reader".into() };
    refusal(reader.join(node, Duration::ZERO).await);
    refusal(reader.renew(Uuid::from_u128(1), Duration::ZERO).await);
    refusal(reader.leave(Uuid::from_u128(1)).await);
    let note = Note { saga: saga.saga, id: Uuid::from_u128(1), body: "".into(), at: Time(1) };
    refusal(reader.post(note).await);
    refusal(reader.settle(saga.saga, 1, vec![]).await);
    refusal(reader.tidy(Time(1), 1).await);
    refusal(reader.purge(vec![saga.saga], Time(1)).await);
    // Not even by the connections it has.
    let forced = sqlx::query("delete from journal").execute(&reader.readers).await;
    assert!(forced.unwrap_err().to_string().contains("readonly"));
    assert_eq!(reader.written().commits, 0);
}

#[tokio::test]
async fn a_reader_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let saga = created(&store, 1).await.remove(0);
    store.close().await;
    let reader = SqliteStore::open_read_only(file(&folder)).await.unwrap();
    assert_eq!(reader.journal(saga.saga, 1..100, 100).await.unwrap(), saga.events);
    // And keeps none out.
    open(&file(&folder)).await;
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no").join("amends.db");
    assert!(refusal(SqliteStore::open(&missing).await).contains("cannot open"));
    assert!(refusal(SqliteStore::open_read_only(&missing).await).contains("cannot open"));
    let blank = folder.path().join("blank.db");
    std::fs::write(&blank, "").unwrap();
    assert!(refusal(SqliteStore::open_read_only(&blank).await).contains("is not a store of Amends"));
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, but long enough to be taken for the header of one".repeat(100))
        .unwrap();
    for opened in [SqliteStore::open(&text).await.err(), SqliteStore::open_read_only(&text).await.err()] {
        assert!(opened.as_ref().unwrap().to_string().contains("file is not a database"), "{opened:?}");
    }
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    tamper(
        &store,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (999, 'from the future', true, x'00', 0)",
    )
    .await;
    store.close().await;
    let reason = refusal(SqliteStore::open(file(&folder)).await);
    assert!(reason.contains("schema 999") && reason.contains("newer"), "{reason}");
    let reason = refusal(SqliteStore::open_read_only(file(&folder)).await);
    assert!(reason.contains("999"), "{reason}");
}

#[test]
fn an_sqlite_that_can_lose_commits_is_known() {
    for bad in ["3.51.2", "3.50.9", "2.99.99", "3.51", "", "x.y.z"] {
        assert!(!is_safe(bad), "{bad}");
    }
    for good in ["3.51.3", "3.51.10", "3.52.0", "4.0.0", "3.51.3.1"] {
        assert!(is_safe(good), "{good}");
    }
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_the_next_one_in_within_a_moment() {
    let (store, folder) = empty().await;
    let commit = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move { store.commit(vec![create(1)]).await }
    });
    drop(store);
    opened_in_a_moment(&file(&folder)).await;
    assert_eq!(words(&commit.await.unwrap()), ["ok"]);
}

/// The file of a store that was dropped just now.
async fn opened_in_a_moment(path: &Path) -> SqliteStore {
    let opened = async {
        loop {
            match SqliteStore::open(path).await {
                Ok(store) => return store,
                Err(error) => drop(refusal::<()>(Err(error))),
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), opened).await.unwrap()
}

#[tokio::test]
async fn what_is_told_goes_on_above_what_those_before_have_told_whatever_the_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    for at in [3_000, 2_000, 1_000] {
        let store = open(&file(&folder)).await;
        let saga = create(at);
        assert_eq!(words(&store.commit(vec![saga.clone()]).await), ["ok"]);
        told.push(saga.saga);
        let read = store.batches(&Places::default(), 10).await.unwrap();
        assert_eq!(read.iter().map(|batch| batch.turns[0].saga).collect::<Vec<_>>(), told);
        store.close().await;
    }
}
