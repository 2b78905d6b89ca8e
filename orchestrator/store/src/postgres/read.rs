//! Reads of one saga or some, and of all in few numbers.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use amends_core::{event::Recorded, ids::SagaId, time::Time};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    readers::Readers,
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
            $crate::postgres::read::head_columns!(),
            "
        from sagas ",
            $rest
        )
    };
}
pub(super) use select_heads;

pub(super) async fn head(readers: &Readers, saga: SagaId) -> Result<Option<Head>, StoreError> {
    let found = readers.row(|| sqlx::query(select_heads!("head", "where id = $1")).bind(saga.0)).await?;
    found.as_ref().map(rows::head).transpose()
}

pub(super) async fn journal(
    readers: &Readers,
    saga: SagaId,
    seqs: Range<u64>,
    limit: u32,
) -> Result<Vec<Recorded>, StoreError> {
    let asked = || {
        sqlx::query(
            "-- journal
            select seq, epoch, at, event
            from journal
            where saga = $1 and seq >= $2 and seq < $3
            order by seq
            limit $4",
        )
        .bind(saga.0)
        .bind(signed(seqs.start))
        .bind(signed(seqs.end))
        .bind(i64::from(limit))
    };
    dense(saga, seqs.start.max(1), &readers.rows(asked).await?)
}

pub(super) const JOURNALS: &str = "-- journals
    select event.id, event.seq, event.epoch, event.at, event.event
    from unnest($1::uuid[]) as wanted (id)
        cross join lateral (
            select saga as id, seq, epoch, at, event
            from journal
            -- Rows are dense from 1 on, so that the first so many are those up to it.
            where saga = wanted.id and seq <= $2
            order by seq
            -- Keeps this a look into the primary key for each.
            limit $2
        ) as event";

pub(super) async fn journals(
    readers: &Readers,
    sagas: &[SagaId],
    limit: u32,
) -> Result<Vec<Result<Vec<Recorded>, StoreError>>, StoreError> {
    let distinct: Vec<Uuid> = sagas.iter().map(|saga| saga.0).collect::<BTreeSet<_>>().into_iter().collect();
    let found = readers.rows(|| sqlx::query(JOURNALS).bind(distinct.as_slice()).bind(i64::from(limit))).await?;
    let mut of_sagas: HashMap<SagaId, Vec<PgRow>> = HashMap::with_capacity(distinct.len());
    for row in found {
        of_sagas.entry(touched(&row)?).or_default().push(row);
    }
    let mut journals = HashMap::with_capacity(of_sagas.len());
    for (saga, rows) in of_sagas {
        journals.insert(saga, dense(saga, 1, &rows));
    }
    Ok(sagas.iter().map(|saga| journals.get(saga).cloned().unwrap_or(Ok(Vec::new()))).collect())
}

pub(super) const ROWS: &str = "-- rows
    select event.id, event.seq, event.epoch, event.at, event.event
    from unnest($1::uuid[], $2::bigint[]) as wanted (id, seq)
        cross join lateral (
            select saga as id, seq, epoch, at, event
            from journal
            where saga = wanted.id and seq = wanted.seq
            -- Keeps this a look into the primary key for each.
            limit 1
        ) as event";

/// Rows by saga and seq.
pub(super) async fn rows(
    readers: &Readers,
    wanted: &[(SagaId, u64)],
) -> Result<Vec<Result<Option<Recorded>, StoreError>>, StoreError> {
    let distinct: BTreeSet<(SagaId, u64)> = wanted.iter().copied().collect();
    let (sagas, seqs): (Vec<Uuid>, Vec<i64>) = distinct.iter().map(|(saga, seq)| (saga.0, signed(*seq))).unzip();
    let rows = readers.rows(|| sqlx::query(ROWS).bind(sagas.clone()).bind(seqs.clone())).await?;
    let mut found: HashMap<(SagaId, u64), Result<Recorded, StoreError>> = HashMap::with_capacity(rows.len());
    for row in &rows {
        let (saga, seq) = (touched(row)?, unsigned(row, "seq", "journal")?);
        found.insert((saga, seq), rows::recorded(saga, row));
    }
    Ok(wanted.iter().map(|place| found.get(place).cloned().transpose()).collect())
}

/// Rows of one saga in order, none missing between them.
fn dense(saga: SagaId, from: u64, rows: &[PgRow]) -> Result<Vec<Recorded>, StoreError> {
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

pub(super) const COUNTS: &str = "-- counts
    select
        count(*) filter (where status = 'running') as running,
        count(*) filter (where status = 'compensating') as compensating,
        count(*) filter (where attention) as attention
    from sagas
    where ended_at is null";

pub(super) async fn counts(readers: &Readers) -> Result<Counts, StoreError> {
    let Some(row) = readers.row(|| sqlx::query(COUNTS)).await? else { return Ok(Counts::default()) };
    let number = |column| unsigned(&row, column, "counts");
    Ok(Counts { running: number("running")?, compensating: number("compensating")?, attention: number("attention")? })
}

pub(super) const LATEST_AT: &str = "-- latest_at
    select max(updated_at) as latest
    from sagas
    where ended_at is null";

pub(super) async fn latest_at(readers: &Readers) -> Result<Option<Time>, StoreError> {
    let latest = readers.row(|| sqlx::query(LATEST_AT)).await?;
    let latest: Option<i64> = latest.map_or(Ok(None), |row| row.try_get("latest"))?;
    Ok(latest.map(Time))
}

pub(super) async fn ping(readers: &Readers) -> Result<(), StoreError> {
    // Of a table of ours, so that a database that lost them shows.
    let asked = || {
        sqlx::query(
            "-- ping
            select 1
            from sagas
            order by id
            limit 1",
        )
    };
    readers.rows(asked).await?;
    Ok(())
}
