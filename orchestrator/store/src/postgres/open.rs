//! Opening: which server and database, whether they will do, and that the schema is there.
//!
//! **What it must never know:** what is stored. And what it knows, the password, it never tells: no error and no `Debug` has it.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, Row,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use super::{
    PostgresStore, Writers,
    commit::Lanes,
    error::{Fault, fault},
    readers::Readers,
    session::{self, Purpose},
    writer::Writer,
};
use crate::StoreError;

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../../migrations/orchestrator/postgres");
    // sqlx locks by an advisory lock, which CockroachDB has not; see `locked`.
    migrations.set_locking(false);
    migrations
});

/// What we ask of it is there since then, and nobody maintains an older one.
const VERSION_MIN: i32 = 130_000;

const LANES: usize = 2;
/// More only wait for each other in the server's log of writes.
const LANES_MAX: usize = 16;

/// Two who make the same table at once: one of them hears so instead of finding it there.
const TABLE_TRIES: usize = 10;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    url: String,
    lanes: usize,
}

impl Options {
    /// As libpq takes it: `postgres://user:password@host:port/database?sslmode=…`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), lanes: LANES }
    }

    /// How many batches can be committed side by side, from 1 to 16.
    #[must_use]
    pub fn lanes(self, lanes: usize) -> Self {
        Self { lanes: lanes.clamp(1, LANES_MAX), ..self }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the URL, which may have a password in it.
        f.debug_struct("Options").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

impl From<&str> for Options {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for Options {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl PostgresStore {
    /// Opens the store in a database, making its tables or bringing them up to date first. Any number of processes may
    /// have it open.
    pub async fn open(options: impl Into<Options>) -> Result<Self, StoreError> {
        let Options { url, lanes } = options.into();
        let connect = connect_options(&url)?;
        let place = Place::of(&connect);
        let mut first =
            session::connect(&connect, Purpose::Writing).await.map_err(|error| place.refused_connection(error))?;
        check_server(&mut first, &place).await?;
        migrate(first, &connect, &place).await?;
        let writer = |name| Arc::new(Writer::new(connect.clone().application_name(name)));
        let writers = Writers {
            lanes: Arc::new(Lanes::new((0..lanes).map(|_| writer("amends-lane")).collect())),
            aside: writer("amends-aside"),
            leases: writer("amends-leases"),
        };
        Ok(Self { readers: Readers::new(connect.clone().application_name("amends-reader")), writers: Some(writers) })
    }

    /// Opens the store to read it, beside the processes that drive it. Nothing is made and nothing is migrated: a tool of a
    /// newer version must not change the schema under an older server.
    pub async fn open_read_only(options: impl Into<Options>) -> Result<Self, StoreError> {
        let Options { url, .. } = options.into();
        let connect = connect_options(&url)?;
        let place = Place::of(&connect);
        let mut first =
            session::connect(&connect, Purpose::Reading).await.map_err(|error| place.refused_connection(error))?;
        check_server(&mut first, &place).await?;
        check_schema(&mut first, &place).await?;
        Ok(Self { readers: Readers::new(connect.application_name("amends-reader")), writers: None })
    }

    /// Ends all connections, after the writes under way. Dropping the store does the same, a moment later.
    pub async fn close(self) {
        self.readers.close().await;
        if let Some(Writers { lanes, aside, leases }) = self.writers {
            lanes.close().await;
            aside.close().await;
            leases.close().await;
        }
    }
}

fn connect_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let refused =
        |why: &str| StoreError::Refused { reason: format!("{why}; write postgres://user:password@host:port/database") };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(refused("the store's address is not one of PostgreSQL"));
    }
    // What is wrong with it is left out: it might quote what is between the wrong signs.
    let options =
        PgConnectOptions::from_str(url).map_err(|_| refused("the store's address is not a valid URL of PostgreSQL"))?;
    Ok(options.disable_statement_logging())
}

/// Where the store is, in words that have no secret in them.
struct Place(String);

impl Place {
    fn of(options: &PgConnectOptions) -> Self {
        let user = options.get_username();
        let database = options.get_database().unwrap_or(user);
        Self(format!("database {database} on {}:{} as {user}", options.get_host(), options.get_port()))
    }

    fn refused(&self, why: impl fmt::Display) -> StoreError {
        StoreError::Refused { reason: format!("cannot use {}: {why}", self.0) }
    }

    fn refused_connection(&self, error: sqlx::Error) -> StoreError {
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        match code.as_deref() {
            Some("28P01" | "28000") => self.refused(format_args!("the server does not let us in ({error})")),
            Some("3D000") => self.refused(format_args!("there is no such database; create it first ({error})")),
            Some("42501") => self.refused(format_args!("permission is missing ({error})")),
            _ => match error {
                sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => self.refused(error),
                other => self.away(other),
            },
        }
    }

    fn away(&self, error: sqlx::Error) -> StoreError {
        let reason = format!("{}: {error}", self.0);
        StoreError::Unavailable { reason, source: Some(Arc::new(error)) }
    }
}

async fn check_server(connection: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    let row = sqlx::query(
        "-- server
        select current_setting('server_version_num')::int as number,
            current_setting('server_version') as version,
            current_setting('server_encoding') as encoding,
            current_setting('fsync', true) as fsync",
    )
    .persistent(false)
    .fetch_one(connection)
    .await
    .map_err(|error| place.away(error))?;
    let text = |column| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    check_words(row.try_get("number")?, &text("version")?, &text("encoding")?).map_err(|why| place.refused(why))?;
    if text("fsync")? == "off" {
        tracing::warn!(place = %place.0, "the server does not sync what it writes (fsync is off): a crash loses sagas");
    }
    Ok(())
}

pub(super) fn check_words(number: i32, version: &str, encoding: &str) -> Result<(), String> {
    if number < VERSION_MIN {
        return Err(format!("it is PostgreSQL {version}; 13 or later is needed"));
    }
    if encoding != "UTF8" {
        return Err(format!("its encoding is {encoding}, which cannot keep every text; create one with encoding UTF8"));
    }
    Ok(())
}

/// The schema is the one that this program knows, no older and no newer.
async fn check_schema(connection: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    let there: Vec<i64> = sqlx::query_scalar(
        "-- schema
        select version from _sqlx_migrations where success order by version",
    )
    .persistent(false)
    .fetch_all(connection)
    .await
    .map_err(|error| match error.as_database_error().and_then(|error| error.code()).as_deref() {
        Some("42P01") => place.refused("there are no sagas in it"),
        _ => place.refused_connection(error),
    })?;
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    if let Some(version) = there.iter().find(|version| !known.contains(version)) {
        return Err(refused_schema(place, MigrateError::VersionMissing(*version)));
    }
    if there.len() < known.len() {
        return Err(place.refused("its schema is older than this program; start a server of this version on it first"));
    }
    Ok(())
}

/// One process at a time, each of which finds what the one before it left.
async fn migrate(mut guard: PgConnection, options: &PgConnectOptions, place: &Place) -> Result<(), StoreError> {
    lock(&mut guard).await.map_err(|error| place.refused_connection(error))?;
    // On a connection of its own: what sqlx does there are transactions of their own.
    let mut connection =
        session::connect(options, Purpose::Writing).await.map_err(|error| place.refused_connection(error))?;
    let migrated = match connection.execute("set statement_timeout = 0").await {
        Ok(_) => MIGRATIONS.run_direct(None, &mut connection, false).await,
        Err(error) => Err(error.into()),
    };
    // The lock ends with the connection in any case.
    for connection in [connection, guard] {
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "a connection could not be closed politely");
        }
    }
    migrated.map_err(|error| refused_schema(place, error))
}

/// Holds the lock in a transaction that stays open: a process that dies lets go of it.
async fn lock(guard: &mut PgConnection) -> Result<(), sqlx::Error> {
    const TABLE: &str = "create table if not exists migration_lock (id bigint not null primary key)";
    for tried in 1.. {
        match sqlx::raw_sql(TABLE).execute(&mut *guard).await {
            Ok(_) => break,
            // Unique violation in the catalogue; duplicate table; duplicate object.
            Err(error) if tried < TABLE_TRIES && is_one_of(&error, &["23505", "42P07", "42710", "40001"]) => {}
            Err(error) => return Err(error),
        }
    }
    sqlx::raw_sql(
        "-- migration_lock
        insert into migration_lock (id) values (1) on conflict (id) do nothing;
        -- As long as others migrate.
        set statement_timeout = '60s';
        set idle_in_transaction_session_timeout = 0;",
    )
    .execute(&mut *guard)
    .await?;
    sqlx::raw_sql("begin").execute(&mut *guard).await?;
    sqlx::raw_sql("select id from migration_lock where id = 1 for update").execute(guard).await?;
    Ok(())
}

fn is_one_of(error: &sqlx::Error, codes: &[&str]) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| codes.contains(&&*code))
}

fn refused_schema(place: &Place, error: MigrateError) -> StoreError {
    match error {
        // Trying again may help.
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) if fault(&error) != Fault::Rule => {
            place.refused_connection(error)
        }
        MigrateError::VersionMissing(version) => place.refused(format_args!(
            "it has schema {version}, which this program does not know: it was written by a newer one; use that"
        )),
        other => place.refused(format_args!("its schema cannot be brought up to date: {other}")),
    }
}
