//! Which transactions brought turns of sagas.
//!
//! One process has the file, and its times rise from batch to batch, also above those of the processes before it: the order of times
//! is that of commits.
//!
//! **What it must never know:** who reads them, and what a turn is.

use std::time::Duration;

use amends_core::time::Time;
use rusqlite::{Connection, OptionalExtension, params};
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    rows::{corrupt, signed},
    writer::{Work, Writer},
};
use crate::{Batch, Places, StoreError, batch::turns};

pub(super) const INSERT_BATCH: &str = "-- insert_batch
    insert into batches (writer, number, at, entries)
    values (?, ?, ?, ?)";

/// From writer to writer by the key, over all that one has at once.
macro_rules! writers {
    () => {
        "writers (writer) as (
            select min(writer)
            from batches
            union all
            select (select min(batches.writer) from batches where batches.writer > writers.writer)
            from writers
            where writers.writer is not null
        )"
    };
}

/// Of each writer no more than could all be the first: its numbers are dense, from the first that is kept.
pub(super) const BATCHES: &str = concat!(
    "-- batches
    with recursive ",
    writers!(),
    ",
    beyond (writer, number) as materialized (
        select
            writers.writer,
            max(
                coalesce(
                    (select seen.value from json_each(?1) as seen where seen.key = lower(hex(writers.writer))),
                    0
                ),
                (select min(first.number) - 1 from batches as first where first.writer = writers.writer)
            )
        from writers
        where writers.writer is not null
    )
    select batches.writer, batches.number, batches.at, batches.entries
    from beyond
        cross join batches
            on batches.writer = beyond.writer
                and batches.number > beyond.number
                and batches.number <= beyond.number + ?2
    order by batches.at
    limit ?2"
);

pub(super) async fn batches(readers: &SqlitePool, after: &Places, limit: u32) -> Result<Vec<Batch>, StoreError> {
    let seen: serde_json::Map<String, serde_json::Value> =
        after.0.iter().map(|(writer, number)| (writer.simple().to_string(), signed(*number).into())).collect();
    let seen = serde_json::Value::Object(seen).to_string();
    let rows = sqlx::query(BATCHES).bind(seen).bind(i64::from(limit)).fetch_all(readers).await?;
    rows.iter().map(batch).collect()
}

fn batch(row: &SqliteRow) -> Result<Batch, StoreError> {
    let (writer, number) = place(row)?;
    let turns = turns(writer, number, &row.try_get::<Vec<u8>, _>("entries")?)?;
    Ok(Batch { writer, number, at: Time(row.try_get("at")?), turns })
}

fn place(row: &SqliteRow) -> Result<(Uuid, u64), StoreError> {
    let (writer, number): (Uuid, i64) = (row.try_get("writer")?, row.try_get("number")?);
    let wrong = || corrupt(format_args!("batch of writer {writer}"), "its number is out of range");
    Ok((writer, u64::try_from(number).map_err(|_| wrong())?))
}

pub(super) const PLACES: &str = concat!(
    "-- places
    with recursive ",
    writers!(),
    "
    select writer, max(number) as number
    from (
        select writer, (select max(last.number) from batches as last where last.writer = writers.writer) as number
        from writers
        where writer is not null
        union all
        select writer, number
        from dropped_batches
    )
    group by writer"
);

pub(super) async fn places(readers: &SqlitePool) -> Result<Places, StoreError> {
    sqlx::query(PLACES).fetch_all(readers).await?.iter().map(place).collect::<Result<_, _>>().map(Places)
}

pub(super) async fn dropped(readers: &SqlitePool) -> Result<Places, StoreError> {
    let rows = sqlx::query(
        "-- dropped
        select writer, number
        from dropped_batches",
    );
    rows.fetch_all(readers).await?.iter().map(place).collect::<Result<_, _>>().map(Places)
}

/// The time above which batches go on.
pub(super) fn latest(connection: &Connection) -> rusqlite::Result<Option<Time>> {
    connection.query_row(
        "-- latest_batch
        select max(at)
        from batches",
        [],
        |row| Ok(row.get::<_, Option<i64>>(0)?.map(Time)),
    )
}

pub(super) async fn drop_batches(
    writer: &Writer,
    before: Time,
    passed: Option<Places>,
    now: Time,
    remember: Duration,
    limit: u32,
) -> Result<u64, StoreError> {
    let dropped = writer
        .transaction(move |connection| {
            let forgotten = forget(connection, now, remember)?;
            let mut dropped = 0;
            for writer in writers(connection)? {
                let up_to = passed.as_ref().map_or(i64::MAX, |passed| signed(passed.of(writer)));
                dropped += drop_some(connection, writer, before, up_to, now, limit)?;
            }
            Ok(if dropped + forgotten > 0 { Work::Wrote(dropped) } else { Work::Untouched(0) })
        })
        .await?;
    Ok(u64::try_from(dropped).expect("invariant: a few limits, which are smaller"))
}

fn forget(connection: &Connection, now: Time, remember: Duration) -> rusqlite::Result<usize> {
    let mut forget = connection.prepare_cached(
        "-- forget_dropped
        delete from dropped_batches
        where at < ?",
    )?;
    forget.execute([now.0.saturating_sub(i64::try_from(remember.as_micros()).unwrap_or(i64::MAX))])
}

fn writers(connection: &Connection) -> rusqlite::Result<Vec<Uuid>> {
    let mut writers = connection.prepare_cached(concat!(
        "-- writers
        with recursive ",
        writers!(),
        "
        select writer
        from writers
        where writer is not null"
    ))?;
    let found = writers.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
    found.map(|id| id.map(Uuid::from_bytes)).collect()
}

/// Times of one writer rise with its numbers: what is old is the beginning of them.
fn drop_some(
    connection: &Connection,
    writer: Uuid,
    before: Time,
    up_to: i64,
    now: Time,
    limit: u32,
) -> rusqlite::Result<usize> {
    let mut last = connection.prepare_cached(
        "-- last_to_drop
        select max(number)
        from (
            select number
            from batches
            where writer = ?
                and number <= ?
                and at < ?
            order by number
            limit ?
        )",
    )?;
    let last: Option<i64> =
        last.query_row(params![writer.as_bytes(), up_to, before.0, limit], |row| row.get(0)).optional()?.flatten();
    let Some(last) = last else { return Ok(0) };
    let mut remember = connection.prepare_cached(
        "-- remember_dropped
        insert into dropped_batches (writer, number, at)
        values (?, ?, ?)
        on conflict (writer) do update
        set number = max(number, excluded.number), at = excluded.at",
    )?;
    assert_eq!(remember.execute(params![writer.as_bytes(), last, now.0])?, 1, "invariant: one row a writer");
    let mut delete = connection.prepare_cached(
        "-- drop_batches
        delete from batches
        where writer = ?
            and number <= ?",
    )?;
    delete.execute(params![writer.as_bytes(), last])
}
