//! Opening a service's database: durability first, then the tables.

use std::{borrow::Cow, str::FromStr, time::Duration};

use sqlx::{
    Executor, MySqlPool,
    migrate::Migrator,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};
use uuid::Uuid;

use crate::{
    Broken,
    sql::{Barrier, Pools},
};

/// Calls judged side by side. More wait here, which costs them nothing but time.
const WRITERS: u32 = 10;
/// Reads are short; more connections than this only cost memory.
const READERS: u32 = 4;
/// A database that does not answer by then answers 500, and the call comes again.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Strict: a value that does not fit is an error and not another value. READ COMMITTED: see `sql::tx`; it also locks no gaps
/// between rows, in which calls that have nothing to do with each other would meet.
const ISOLATION: &str = "set session transaction isolation level read committed";
const SESSION: &str = "set session sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO'), \
                       session innodb_lock_wait_timeout = 20";
const READ_ONLY: &str = "set session transaction read only";

/// The barrier's own tables. Their bookkeeping has its own table, so the service's migrations number freely.
static BARRIER: Migrator =
    Migrator { table_name: Cow::Borrowed("barrier_migrations"), ..sqlx::migrate!("migrations/mysql") };

/// Connects, and brings the barrier's tables and then the service's up to date.
///
/// # Errors
/// [`Broken`]: there is no such database, it may lose what it has committed, or it cannot be migrated.
pub async fn open(url: &str, service: &Migrator) -> Result<Barrier, Broken> {
    let options = MySqlConnectOptions::from_str(url)?;
    let pool = |connections, statements: &'static [&'static str]| {
        let pool = MySqlPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.after_connect(move |connection, _| {
            Box::pin(async move {
                for statement in statements {
                    connection.execute(*statement).await?;
                }
                Ok(())
            })
        })
    };
    let writers = pool(WRITERS, &[ISOLATION, SESSION]).connect_with(options.clone()).await?;
    keeps_what_it_commits(&writers).await?;
    BARRIER.run(&writers).await?;
    service.run(&writers).await?;
    let readers = pool(READERS, &[ISOLATION, SESSION, READ_ONLY]).connect_with(options).await?;
    let fingerprint = fingerprint(&writers).await?;
    Ok(Barrier::new(Pools::Mysql { writers, readers }, &fingerprint))
}

/// An answer says that something happened. A server that forgets it makes that a lie.
async fn keeps_what_it_commits(writers: &MySqlPool) -> Result<(), Broken> {
    let flush = sqlx::query_scalar::<_, u64>(
        "-- barrier_store_durability
        select @@global.innodb_flush_log_at_trx_commit",
    )
    .fetch_one(writers)
    .await?;
    if flush != 1 {
        let hint = "it must be 1, or a crash takes back what was answered";
        return Err(Broken::Forgetful(format!("MariaDB runs with innodb_flush_log_at_trx_commit = {flush}; {hint}")));
    }
    Ok(())
}

/// A store's name for itself, made once. Two services that report the same one share a store.
async fn fingerprint(writers: &MySqlPool) -> Result<String, Broken> {
    sqlx::query(
        "-- barrier_store_name
        insert into barrier_store (id, fingerprint)
        values (1, ?)
        on duplicate key update id = id",
    )
    .bind(Uuid::new_v4().to_string())
    .execute(writers)
    .await?;
    let fingerprint = sqlx::query_scalar(
        "-- barrier_store_get
        select fingerprint
        from barrier_store
        where id = 1",
    )
    .fetch_one(writers)
    .await?;
    Ok(fingerprint)
}
