//! Reads of one saga or some, and of all in few numbers.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::LazyLock,
};

use amends_core::{event::Recorded, ids::SagaId, time::Time};
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{
    multirow::MultiRow,
    rows::{self, corrupt, signed, touched, unsigned},
};
use crate::{Counts, Head, StoreError};

/// What [`rows::head`] reads.
macro_rules! head_columns {
    () => {
        "sagas.id, sagas.name, sagas.version, sagas.definition, sagas.start_key, sagas.request, sagas.status,
            sagas.attention, sagas.started_at, sagas.updated_at, sagas.ended_at, sagas.wake_at, sagas.owner, sagas.epoch,
            sagas.next_seq, sagas.purged_at, sagas.parent"
    };
}
pub(super) use head_columns;

/// A statement over whole rows of sagas: its name, and what follows `from sagas`.
macro_rules! select_heads {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        select ",
            $crate::sqlite::read::head_columns!(),
            "
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
    dense(saga, seqs.start.max(1), &rows)
}

pub(super) static JOURNALS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- journals
        with wanted (id) as (
            values",
        1,
        ")
        select saga as id, seq, epoch, at, event
        from wanted cross join journal on journal.saga = wanted.id
        where seq <= ?
        order by saga, seq",
    )
});

pub(super) async fn journals(
    readers: &SqlitePool,
    sagas: &[SagaId],
    limit: u32,
) -> Result<Vec<Result<Vec<Recorded>, StoreError>>, StoreError> {
    let distinct: Vec<SagaId> = sagas.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let mut journals: HashMap<SagaId, Result<Vec<Recorded>, StoreError>> = HashMap::with_capacity(distinct.len());
    for (statement, chunk) in JOURNALS.chunks(&distinct) {
        let mut query = sqlx::query(statement);
        for saga in chunk {
            query = query.bind(saga.0);
        }
        // Rows are dense from 1 on, so that the first so many are those up to it.
        let rows = query.bind(i64::from(limit)).fetch_all(readers).await?;
        for of_one in rows.chunk_by(|a, b| touched(a).ok() == touched(b).ok()) {
            let saga = touched(&of_one[0])?;
            journals.insert(saga, dense(saga, 1, of_one));
        }
    }
    Ok(sagas.iter().map(|saga| journals.get(saga).cloned().unwrap_or(Ok(Vec::new()))).collect())
}

pub(super) static ROWS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- rows
        with wanted (id, seq) as (
            values",
        2,
        ")
        select journal.saga as id, journal.seq, journal.epoch, journal.at, journal.event
        from wanted cross join journal on journal.saga = wanted.id and journal.seq = wanted.seq",
    )
});

/// Rows by saga and seq.
pub(super) async fn rows(
    readers: &SqlitePool,
    wanted: &[(SagaId, u64)],
) -> Result<Vec<Result<Option<Recorded>, StoreError>>, StoreError> {
    let distinct: Vec<(SagaId, u64)> = wanted.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let mut found: HashMap<(SagaId, u64), Result<Recorded, StoreError>> = HashMap::with_capacity(distinct.len());
    for (statement, chunk) in ROWS.chunks(&distinct) {
        let mut query = sqlx::query(statement);
        for (saga, seq) in chunk {
            query = query.bind(saga.0).bind(signed(*seq));
        }
        for row in &query.fetch_all(readers).await? {
            let (saga, seq) = (touched(row)?, unsigned(row, "seq", "journal")?);
            found.insert((saga, seq), rows::recorded(saga, row));
        }
    }
    Ok(wanted.iter().map(|place| found.get(place).cloned().transpose()).collect())
}

/// Rows of one saga in order, none missing between them.
fn dense(saga: SagaId, from: u64, rows: &[SqliteRow]) -> Result<Vec<Recorded>, StoreError> {
    let mut journal = Vec::with_capacity(rows.len());
    for (row, seq) in rows.iter().zip(from..) {
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
