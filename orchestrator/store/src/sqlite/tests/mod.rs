//! What is true of this side alone; what is true of all sides is in `conformance`.

mod damage;
mod dying;
mod faults;
mod opening;
mod plans;
mod upgrade;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::SqliteStore;
use crate::{
    Append, Store,
    conformance::{
        Side,
        given::{create, words},
    },
};

async fn empty() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(open(&file(&folder)).await), folder)
}

async fn side() -> (Side, TempDir) {
    let (store, folder) = empty().await;
    (Side::sole(store), folder)
}

crate::conformance_tests!(crate::sqlite::tests::side);

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("amends.db")
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path).await.unwrap()
}

async fn created(store: &SqliteStore, number: i64) -> Vec<Append> {
    let creates: Vec<Append> = (0..number).map(create).collect();
    assert_eq!(words(&store.commit(creates.clone()).await), vec!["ok"; creates.len()]);
    creates
}

/// Runs a statement on the connection that writes, behind the store's back.
async fn tamper(store: &SqliteStore, sql: &str) {
    let sql = sql.to_owned();
    store.writer().unwrap().with_connection(move |connection| connection.execute_batch(&sql)).await.unwrap();
}

/// What the connection that writes answers, as text.
async fn asked(store: &SqliteStore, sql: &'static str) -> String {
    let run = move |connection: &Connection| connection.query_row(sql, [], |row| row.get(0));
    store.writer().unwrap().with_connection(run).await.unwrap()
}
