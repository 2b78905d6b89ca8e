//! Opening a service's database: durability first, then the tables.

use std::{borrow::Cow, str::FromStr, time::Duration};

use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

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

/// The barrier's own tables. Their bookkeeping has its own table, so the service's migrations number freely.
static BARRIER: Migrator =
    Migrator { table_name: Cow::Borrowed("barrier_migrations"), ..sqlx::migrate!("migrations/postgres") };

/// Connects, and brings the barrier's tables and then the service's up to date.
///
/// # Errors
/// [`Broken`]: there is no such database, it may lose what it has committed, or it cannot be migrated.
pub async fn open(url: &str, service: &Migrator) -> Result<Barrier, Broken> {
    let options = PgConnectOptions::from_str(url)?.application_name("amends-participant");
    let pool = |connections| PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
    let writers = pool(WRITERS).connect_with(options.clone()).await?;
    keeps_what_it_commits(&writers).await?;
    BARRIER.run(&writers).await?;
    service.run(&writers).await?;
    let readers = pool(READERS).connect_with(options.options([("default_transaction_read_only", "on")])).await?;
    let fingerprint = fingerprint(&writers).await?;
    Ok(Barrier::new(Pools::Postgres { writers, readers }, &fingerprint))
}

/// An answer says that something happened. A server that forgets it makes that a lie.
async fn keeps_what_it_commits(writers: &PgPool) -> Result<(), Broken> {
    let (fsync, synchronous_commit): (String, String) = sqlx::query_as(
        "-- barrier_store_durability
        select current_setting('fsync'), current_setting('synchronous_commit')",
    )
    .fetch_one(writers)
    .await?;
    if fsync == "off" || synchronous_commit == "off" {
        let settings = format!("fsync = {fsync} and synchronous_commit = {synchronous_commit}");
        return Err(Broken::Forgetful(format!("PostgreSQL runs with {settings}; both must be on for this role")));
    }
    Ok(())
}

/// The database is the store: its cluster's number and its own, so that two schemas of one database show one fingerprint.
/// Hashed, because neither is anybody's business. Written down again each time: a copy elsewhere is another store.
async fn fingerprint(writers: &PgPool) -> Result<String, Broken> {
    let fingerprint = sqlx::query_scalar(
        "-- barrier_store_name
        insert into barrier_store (id, fingerprint)
        select 1, left(encode(sha256(convert_to(concat_ws(' ', 'postgres', system_identifier, oid), 'UTF8')), 'hex'), 32)
        from pg_control_system(), pg_database
        where datname = current_database()
        on conflict (id) do update
        set fingerprint = excluded.fingerprint
        returning fingerprint",
    )
    .fetch_one(writers)
    .await?;
    Ok(fingerprint)
}
