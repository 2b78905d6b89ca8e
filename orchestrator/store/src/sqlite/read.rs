//! Reads of one saga, and of all in few numbers.

use std::ops::Range;

use amends_core::{event::Recorded, ids::SagaId, time::Time};
use sqlx::{Row, SqlitePool};

use super::rows::{self, corrupt, signed};
use crate::{Counts, Head, StoreError};

/// A statement over whole rows of sagas: its name, and what follows `from sagas`.
macro_rules! select_heads {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        select id, name, version, definition, start_key, request, status, attention, started_at, updated_at, ended_at,
            wake_at, owner, epoch, next_seq
        from sagas ",
            $rest
        )
    };
}
pub(super) use select_heads;

pub(super) async fn head(readers: &SqlitePool, saga: SagaId) -> Result<Option<Head>, StoreError> {
    sqlx::query(select_heads!("head", "where id = ?"))
        .bind(saga.0)
        .fetch_optional(readers)
        .await?
        .as_ref()
        .map(rows::head)
        .transpose()
}

pub(super) async fn journal(
    readers: &SqlitePool,
    saga: SagaId,
    seqs: Range<u64>,
    limit: u32,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = sqlx::query(
        "-- journal
        select seq, epoch, at, event
        from journal
        where saga = ? and seq >= ? and seq < ?
        order by seq
        limit ?",
    )
    .bind(saga.0)
    .bind(signed(seqs.start))
    .bind(signed(seqs.end))
    .bind(i64::from(limit))
    .fetch_all(readers)
    .await?;
    let mut journal = Vec::with_capacity(rows.len());
    for (row, seq) in rows.iter().zip(seqs.start.max(1)..) {
        let recorded = rows::recorded(saga, row)?;
        if recorded.seq != seq {
            return Err(corrupt(format_args!("journal of saga {saga}, seq {seq}"), "the row is missing"));
        }
        journal.push(recorded);
    }
    Ok(journal)
}

pub(super) async fn counts(readers: &SqlitePool) -> Result<Counts, StoreError> {
    let row = sqlx::query(
        "-- counts
        select
            count(*) filter (where status = 'running') as running,
            count(*) filter (where status = 'compensating') as compensating,
            count(*) filter (where attention = 1) as attention
        from sagas indexed by sagas_live
        where ended_at is null",
    )
    .fetch_one(readers)
    .await?;
    Ok(Counts {
        running: row.try_get("running")?,
        compensating: row.try_get("compensating")?,
        attention: row.try_get("attention")?,
    })
}

pub(super) async fn latest_at(readers: &SqlitePool) -> Result<Option<Time>, StoreError> {
    let latest: Option<i64> = sqlx::query_scalar(
        "-- latest_at
        select max(updated_at)
        from sagas indexed by sagas_live
        where ended_at is null",
    )
    .fetch_one(readers)
    .await?;
    Ok(latest.map(Time))
}

pub(super) async fn ping(readers: &SqlitePool) -> Result<(), StoreError> {
    // Reads a page, so that a file which is gone or locked shows.
    sqlx::query(
        "-- ping
        select 1
        from sagas
        limit 1",
    )
    .fetch_optional(readers)
    .await?;
    Ok(())
}
