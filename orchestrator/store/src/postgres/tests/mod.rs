//! What is true of this side alone, and the one suite that is true of all sides, each on a private server.
//!
//! A server takes seconds to start, so cases that only need an empty store share one and have a database each.

mod batches;
mod conflicts;
mod conformance;
mod faults;
mod lost;
mod opening;
mod plans;
mod upgrade;

use std::sync::atomic::{AtomicU32, Ordering};

use amends_servers::{Options, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, postgres::PgConnectOptions};

use super::PostgresStore;
use crate::{
    Append, Store,
    conformance::given::{create, words},
};

fn server() -> Postgres {
    Postgres::start(Options::default()).unwrap()
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

/// Runs statements behind the store's back.
async fn tamper(url: &str, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut connect(url).await).await.unwrap();
}

/// What the database answers, one value of each row.
async fn asked<T>(url: &str, sql: &'static str) -> Vec<T>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_all(&mut connect(url).await).await.unwrap()
}

/// The URL of a new database.
async fn database(server: &Postgres) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let name = format!("store{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    tamper(&server.url(), format!("create database {name}")).await;
    server.url_of(&name)
}

async fn created(store: &PostgresStore, number: i64) -> Vec<Append> {
    let creates: Vec<Append> = (0..number).map(create).collect();
    assert_eq!(words(&store.commit(creates.clone()).await), vec!["ok"; creates.len()]);
    creates
}
