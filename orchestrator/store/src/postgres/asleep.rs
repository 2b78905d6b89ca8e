//! Sagas of nobody that wait for a time.
//!
//! **What it must never know:** what they wait for.

use amends_core::time::Time;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{legible::legible, read::head_columns, readers::Readers, rows};
use crate::{Head, StoreError};

pub(super) const DUE: &str = concat!(
    "-- due
    select ",
    head_columns!(),
    ", sagas.asleep_until
    from sagas
    where asleep_until is not null
        and asleep_until <= $1
        and (asleep_until, id) > ($2, $3)
    order by asleep_until, id
    limit $4"
);

pub(super) async fn due(readers: &Readers, now: Time, limit: u32) -> Result<Vec<Head>, StoreError> {
    asleep(readers, now, limit, rows::head).await
}

/// That of a row which cannot be read does not count: nobody could wake it, and its time would stay the next one for ever.
pub(super) async fn next_due(readers: &Readers) -> Result<Option<Time>, StoreError> {
    let readable = |row: &PgRow| rows::head(row).and_then(|_| Ok(Time(row.try_get("asleep_until")?)));
    Ok(asleep(readers, Time(i64::MAX), 1, readable).await?.pop())
}

async fn asleep<T>(
    readers: &Readers,
    until: Time,
    limit: u32,
    read: impl Fn(&PgRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    legible(
        limit,
        // Before the first time.
        (i64::MIN, Uuid::nil()),
        |(asleep_until, saga): (i64, Uuid), limit| {
            readers.rows(move || sqlx::query(DUE).bind(until.0).bind(asleep_until).bind(saga).bind(i64::from(limit)))
        },
        |row| Ok((row.try_get("asleep_until")?, row.try_get("id")?)),
        read,
    )
    .await
}
