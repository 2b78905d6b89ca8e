//! Sagas of nobody that wait for a time.
//!
//! **What it must never know:** what they wait for.

use amends_core::time::Time;
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{legible::legible, read::head_columns, rows};
use crate::{Head, StoreError};

pub(super) const DUE: &str = concat!(
    "-- due
    select ",
    head_columns!(),
    ", sagas.asleep_until
    from sagas indexed by sagas_asleep
    where asleep_until is not null
        and asleep_until <= ?
        and (asleep_until, id) > (?, ?)
    order by asleep_until, id
    limit ?"
);

pub(super) async fn due(readers: &SqlitePool, now: Time, limit: u32) -> Result<Vec<Head>, StoreError> {
    asleep(readers, now, limit, rows::head).await
}

/// That of a row which cannot be read does not count: nobody could wake it, and its time would stay the next one for ever.
pub(super) async fn next_due(readers: &SqlitePool) -> Result<Option<Time>, StoreError> {
    let readable = |row: &SqliteRow| rows::head(row).and_then(|_| Ok(Time(row.try_get("asleep_until")?)));
    Ok(asleep(readers, Time(i64::MAX), 1, readable).await?.pop())
}

async fn asleep<T>(
    readers: &SqlitePool,
    until: Time,
    limit: u32,
    read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    legible(
        limit,
        // Before the first time, and no id is below the empty one.
        (i64::MIN, Vec::new()),
        |(asleep_until, saga): (i64, Vec<u8>), limit| {
            sqlx::query(DUE).bind(until.0).bind(asleep_until).bind(saga).bind(i64::from(limit)).fetch_all(readers)
        },
        |row| Ok((row.try_get("asleep_until")?, row.try_get("id")?)),
        read,
    )
    .await
}
