//! A service's own store, read by whoever audits, on whichever engine it is. Never through the service.
//!
//! **What it must never know:** what the rows mean; how to write.

use std::{fmt, path::PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use sqlx::{Connection, FromRow, MySqlConnection, PgConnection};

use crate::audit::reader;

const LEDGER: &str = "select seq, saga, step, item, op, effect, epoch, attempt, at from barrier_ledger order by seq";

/// Where a store is, with what opens it.
#[derive(Clone)]
pub(crate) enum Books {
    File(PathBuf),
    Postgres(String),
    Mysql(String),
    Redis(String),
}

/// One line of a ledger.
#[derive(FromRow)]
pub(crate) struct LedgerRow {
    pub(crate) seq: i64,
    pub(crate) saga: String,
    pub(crate) step: String,
    pub(crate) item: i64,
    pub(crate) op: String,
    pub(crate) effect: String,
    pub(crate) epoch: i64,
    pub(crate) attempt: i64,
    pub(crate) at: i64,
}

/// The same, where it is JSON: numbers that may be too large for it are texts.
#[derive(Deserialize)]
struct LedgerLine {
    seq: i64,
    saga: String,
    step: String,
    item: i64,
    op: String,
    effect: String,
    epoch: String,
    attempt: i64,
    at: String,
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "a file",
            Self::Postgres(_) => "a PostgreSQL database",
            Self::Mysql(_) => "a MariaDB database",
            Self::Redis(_) => "a Redis server",
        })
    }
}

impl Books {
    /// By its scheme; without one it is a file.
    pub(crate) fn at(database: &str) -> Self {
        match database.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres") => Self::Postgres(database.to_owned()),
            Some("mysql") => Self::Mysql(database.to_owned()),
            Some("redis") => Self::Redis(database.to_owned()),
            _ => Self::File(database.into()),
        }
    }

    /// The file, of a service that has one.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn file(&self) -> Result<&PathBuf> {
        match self {
            Self::File(file) => Ok(file),
            other => anyhow::bail!("{other:?} is no file"),
        }
    }

    pub(crate) async fn ledger(&self) -> Result<Vec<LedgerRow>> {
        match self {
            Self::Redis(url) => {
                let lines: Vec<String> = redis(url, "lrange", "ledger", &["0", "-1"]).await?;
                let parse = |line: &String| {
                    let line: LedgerLine = serde_json::from_str(line)?;
                    Ok(LedgerRow {
                        seq: line.seq,
                        saga: line.saga,
                        step: line.step,
                        item: line.item,
                        op: line.op,
                        effect: line.effect,
                        epoch: line.epoch.parse()?,
                        attempt: line.attempt,
                        at: line.at.parse()?,
                    })
                };
                lines.iter().map(parse).collect()
            }
            _ => self.rows(LEDGER).await,
        }
    }

    /// Each order and where it stands.
    pub(crate) async fn orders(&self) -> Result<Vec<(String, String)>> {
        self.rows("select id, status from orders").await
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<(String, i64)>> {
        self.rows("select id, balance from account").await
    }

    pub(crate) async fn stock(&self) -> Result<Vec<(String, i64)>> {
        match self {
            Self::Redis(url) => redis(url, "hgetall", "stock", &[]).await,
            _ => self.rows("select sku, quantity from stock").await,
        }
    }

    async fn rows<T>(&self, query: &'static str) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow>
            + for<'r> FromRow<'r, sqlx::postgres::PgRow>
            + for<'r> FromRow<'r, sqlx::mysql::MySqlRow>
            + Send
            + Unpin,
    {
        Ok(match self {
            Self::File(file) => {
                let pool = reader::open(file);
                let rows = sqlx::query_as(query).fetch_all(&pool).await;
                pool.close().await;
                rows.with_context(|| format!("{}: {query}", file.display()))?
            }
            Self::Postgres(url) => sqlx::query_as(query).fetch_all(&mut PgConnection::connect(url).await?).await?,
            Self::Mysql(url) => sqlx::query_as(query).fetch_all(&mut MySqlConnection::connect(url).await?).await?,
            Self::Redis(_) => anyhow::bail!("Redis has no rows"),
        })
    }
}

/// Of the one service that is on Redis.
async fn redis<T: redis::FromRedisValue>(url: &str, command: &str, key: &str, more: &[&str]) -> Result<T> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let asked = redis::cmd(command).arg(format!("{{inventory}}:{key}")).arg(more).to_owned();
    Ok(asked.query_async(&mut connection).await?)
}
