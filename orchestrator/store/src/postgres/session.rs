//! A connection as this side wants it: durable, with plans that do not flip, and with an end to every wait.
//!
//! Who calls it: `writer` and `readers`, each time they need a new one.
//!
//! **What it must never know:** what is asked over it.

use std::time::Duration;

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use super::error::too_late;

/// A server that is there answers in milliseconds; one that is not must not keep a commit waiting for the kernel's minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// When the server has not ended a statement by itself: it, or the way to it, is dead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Writing,
    Reading,
}

/// Names and values; those that a server does not have (CockroachDB) are left out.
fn settings(purpose: Purpose) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        // In milliseconds. No statement of ours takes as long, unless the server is in trouble.
        ("statement_timeout", "10000"),
        ("idle_in_transaction_session_timeout", "10000"),
        // So that the server notices when this process is gone with its machine, and lets go of what it had locked.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_user_timeout", "20000"),
        // No statement of ours should read a whole table, and while a table is small it would look cheap. A plan that was
        // made then is kept when it has grown.
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        // Compiling takes longer than any of our statements.
        ("jit", "off"),
        ("default_transaction_isolation", "read committed"),
    ];
    match purpose {
        Purpose::Writing => {
            // Planned once: `statements` has only one plan for each, whatever the tables hold.
            settings.push(("plan_cache_mode", "force_generic_plan"));
            // Only if it is off: a stricter rule of whoever runs the server stays.
            settings.push(("synchronous_commit", "on"));
        }
        Purpose::Reading => {
            // The best plan of a list depends on what it asks for.
            settings.push(("plan_cache_mode", "force_custom_plan"));
            settings.push(("default_transaction_read_only", "on"));
        }
    }
    settings
}

/// A new connection, or an error after at most [`CONNECT_TIMEOUT`].
pub(super) async fn connect(options: &PgConnectOptions, purpose: Purpose) -> Result<PgConnection, sqlx::Error> {
    let connecting = async {
        let mut connection = options.connect().await?;
        prepare(&mut connection, purpose).await?;
        Ok(connection)
    };
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(too_late("connecting to the database")))
}

async fn prepare(connection: &mut PgConnection, purpose: Purpose) -> Result<(), sqlx::Error> {
    let (names, values): (Vec<&str>, Vec<&str>) = settings(purpose).into_iter().unzip();
    sqlx::query(
        "-- session_settings
        select set_config(wanted.name, wanted.value, false)
        from unnest($1::text[], $2::text[]) as wanted (name, value)
            join pg_settings on pg_settings.name = wanted.name
        where wanted.name <> 'synchronous_commit' or pg_settings.setting = 'off'",
    )
    .persistent(false)
    .bind(names)
    .bind(values)
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Bounds the wait for an answer. After an error the connection is to be given up: the answer may still come.
pub(super) async fn answer<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(ANSWER_TIMEOUT, work).await.unwrap_or_else(|_| Err(too_late("the database's answer")))
}
