//! The disk is full, the file is locked, a write panics: nothing is lost, and it works again afterwards.

use std::{env, process::Command};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::{asked, created, file, open, opening::assert_writer_rules, tamper};
use crate::{
    Append, Claim, NewDefinition, Put, Store, StoreError,
    conformance::{
        assert_all_is_told,
        given::{create, step, words},
    },
    sqlite::{SqliteStore, writer::Work},
};
use amends_core::{ids::Digest, time::Time};
use uuid::Uuid;

fn definition() -> NewDefinition {
    NewDefinition { name: "a".into(), version: None, digest: Digest::of(&[b"a"]), source: "a".into(), at: Time(1) }
}

async fn nothing_of(store: &SqliteStore, batch: &[Append]) {
    for append in batch {
        assert_eq!(store.head(append.saga).await.unwrap(), None);
        assert_eq!(store.journal(append.saga, 0..100, 100).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_full_disk_takes_nothing_of_a_batch_and_all_of_it_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let before = created(&store, 10).await;
    // Enough new pages for the limit to be met within the batch, and again after its rollback.
    let batch: Vec<Append> = before.iter().map(step).chain((0..500).map(create)).collect();
    for _ in 0..3 {
        tamper(&store, "pragma max_page_count = 1").await;
        let answers = store.commit(batch.clone()).await;
        assert_eq!(words(&answers), vec!["unavailable"; 510]);
        assert!(format!("{:?}", answers[0]).contains("database or disk is full"), "{:?}", answers[0]);
        nothing_of(&store, &batch[10..]).await;
        for saga in &before {
            assert_eq!(store.head(saga.saga).await.unwrap().unwrap().next_seq, 3);
        }
        store.ping().await.unwrap();
    }
    assert_eq!(store.written().commits, 1);
    tamper(&store, "pragma max_page_count = 1000000").await;
    assert_eq!(words(&store.commit(batch.clone()).await), vec!["ok"; 510]);
    for append in &batch[10..] {
        assert_eq!(store.journal(append.saga, 0..100, 100).await.unwrap(), append.events);
    }
    assert_all_is_told(&store).await;
    assert_eq!(asked(&store, "select integrity_check from pragma_integrity_check").await, "ok");
}

/// The file system refuses to let the files grow: the error then comes from the commit itself, when the WAL is written.
#[tokio::test]
async fn a_write_that_the_file_system_refuses_is_never_acknowledged() {
    const FILE: &str = "AMENDS_STORE_TEST_FILE";
    if let Some(path) = env::var_os(FILE) {
        let store = SqliteStore::open(path).await.unwrap();
        let mut refused = 0;
        while refused < 3 {
            let batch: Vec<Append> = (0..5).map(create).collect();
            let answers = words(&store.commit(batch.clone()).await);
            refused += usize::from(answers[0] != "ok");
            for (append, answer) in batch.iter().zip(answers) {
                println!("\n{answer} {}", append.saga);
            }
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "sqlite::tests::faults::a_write_that_the_file_system_refuses_is_never_acknowledged";
    let mut child = Command::new("sh");
    // In blocks of 512 bytes. Without the trap the first refused write would kill the process.
    child.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact --nocapture \"$1\""]);
    child.arg(env::current_exe().unwrap()).arg(test).env(FILE, file(&folder));
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let sagas = |word: &str| -> Vec<_> {
        said.lines().filter_map(|line| line.strip_prefix(word)).map(|saga| saga.trim().parse().unwrap()).collect()
    };
    let (made, refused) = (sagas("ok "), sagas("unavailable "));
    assert!(made.len() > 50 && refused.len() == 15, "{} made, {} refused: {said}", made.len(), refused.len());
    let store = open(&file(&folder)).await;
    for saga in made {
        assert_eq!(store.journal(saga, 0..100, 100).await.unwrap().len(), 2);
    }
    for saga in refused {
        assert_eq!(store.head(saga).await.unwrap(), None);
    }
    assert_eq!(asked(&store, "select integrity_check from pragma_integrity_check").await, "ok");
    created(&store, 100).await;
    assert_all_is_told(&store).await;
}

#[tokio::test]
async fn a_locked_file_is_unavailable_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let saga = created(&store, 1).await.remove(0);
    let mut other = SqliteConnectOptions::new().filename(file(&folder)).connect().await.unwrap();
    sqlx::raw_sql("begin exclusive").execute(&mut other).await.unwrap();
    tamper(&store, "pragma busy_timeout = 50").await;
    let batch = vec![step(&saga), create(1)];
    for _ in 0..2 {
        assert_eq!(words(&store.commit(batch.clone()).await), ["unavailable"; 2]);
    }
    let claim = Claim { saga: saga.saga, owner: Some(Uuid::nil()), epoch: 1 };
    let adopted = store.adopt(vec![claim], Uuid::from_u128(1)).await;
    assert!(matches!(adopted, Err(StoreError::Unavailable { .. })), "{adopted:?}");
    let put = store.put_definition(definition()).await;
    assert!(matches!(put, Err(StoreError::Unavailable { .. })), "{put:?}");
    // Reading goes on.
    assert_eq!(store.head(saga.saga).await.unwrap().unwrap().next_seq, 3);
    nothing_of(&store, &batch[1..]).await;
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(words(&store.commit(batch).await), ["ok"; 2]);
    assert_eq!(store.put_definition(definition()).await.unwrap(), Put::Created(1));
}

#[tokio::test]
async fn a_write_that_panics_takes_nobody_else_down() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(open(&file(&folder)).await);
    let saga = created(&store, 1).await.remove(0);
    mark(&store).await;
    let panicking = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move {
            let writer = store.writer().unwrap();
            writer
                .transaction(|connection| {
                    connection.execute_batch("delete from journal")?;
                    assert!(connection_is_fine_but_the_program_is_not(), "invariant: it is");
                    Ok(Work::Wrote(()))
                })
                .await
        }
    });
    let panic = panicking.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"invariant: it is"), "it is the caller's own");
    assert_eq!(store.journal(saga.saga, 0..100, 100).await.unwrap(), saga.events);
    assert_eq!(words(&store.commit(vec![step(&saga)]).await), ["ok"]);
    assert!(is_marked(&store).await, "what could be rolled back needs no other connection");
}

fn connection_is_fine_but_the_program_is_not() -> bool {
    false
}

#[tokio::test]
async fn a_write_that_fails_is_rolled_back_and_its_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let saga = created(&store, 1).await.remove(0);
    mark(&store).await;
    let writer = store.writer().unwrap();
    let failing = writer.transaction(|connection| {
        connection.execute_batch("delete from journal")?;
        connection.execute_batch("delete from nowhere")?;
        Ok(Work::Wrote(()))
    });
    assert!(failing.await.unwrap_err().to_string().contains("no such table"));
    let nothing = writer.transaction(|connection| {
        connection.execute_batch("delete from journal")?;
        Ok(Work::Untouched(7))
    });
    assert_eq!(nothing.await.unwrap(), 7);
    // A job that ends the transaction itself leaves nothing that could be committed.
    let ended = writer.transaction(|connection| {
        connection.execute_batch("rollback")?;
        Ok(Work::Wrote(()))
    });
    assert!(ended.await.unwrap_err().to_string().contains("no transaction is active"));
    assert_eq!(store.journal(saga.saga, 0..100, 100).await.unwrap(), saga.events);
    assert_eq!(words(&store.commit(vec![step(&saga)]).await), ["ok"]);
    assert!(is_marked(&store).await);
}

#[tokio::test]
async fn a_connection_that_stays_in_a_transaction_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let saga = created(&store, 1).await.remove(0);
    mark(&store).await;
    let broken = store.writer().unwrap().transaction(|connection| {
        connection.execute_batch("delete from journal")?;
        connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
            AuthAction::Transaction { operation: TransactionOperation::Rollback } => Authorization::Deny,
            _ => Authorization::Allow,
        }))?;
        Ok(Work::Untouched(()))
    });
    broken.await.unwrap();
    assert!(!is_marked(&store).await, "it is another connection");
    assert_eq!(store.journal(saga.saga, 0..100, 100).await.unwrap(), saga.events);
    assert_eq!(words(&store.commit(vec![step(&saga), create(1)]).await), ["ok"; 2]);
    // Under the same rules as the first.
    assert_writer_rules(&store).await;
}

/// Makes the connection that writes known again.
async fn mark(store: &SqliteStore) {
    tamper(store, "create temp table mark (id integer)").await;
}

async fn is_marked(store: &SqliteStore) -> bool {
    asked(store, "select cast(count(*) as text) from sqlite_temp_schema").await == "1"
}
