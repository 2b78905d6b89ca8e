//! Which transactions brought turns of sagas; written with them (`statements`).
//!
//! **What it must never know:** who reads them, and what a turn is.

use std::{sync::Arc, time::Duration};

use amends_core::time::Time;
use sqlx::{Executor, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    readers::Readers,
    rows::{corrupt, signed, unsigned},
    writer::{Writer, close_transaction, repeatable},
};
use crate::{Batch, Places, StoreError, batch::turns};

/// From writer to writer by the key, over all that one has at once.
macro_rules! writers {
    () => {
        "writers (writer) as (
            (
                select writer
                from batches
                order by writer
                limit 1
            )
            union all
            select (
                select batches.writer
                from batches
                where batches.writer > writers.writer
                order by batches.writer
                limit 1
            )
            from writers
            where writers.writer is not null
        )"
    };
}

/// One statement, hence one view: of two batches that a saga went through, the later is not seen without the earlier. And the
/// earlier is below: whoever takes a saga over lifts its times above all that it sees then ([`LATEST`]).
pub(super) const BATCHES: &str = concat!(
    "-- batches
    with recursive ",
    writers!(),
    "
    select batch.writer, batch.number, batch.at, batch.entries
    from writers
        cross join lateral (
            select batches.writer, batches.number, batches.at, batches.entries
            from batches
            where batches.writer = writers.writer
                and batches.number > coalesce(
                    (
                        select seen.number
                        from unnest($1::uuid[], $2::bigint[]) as seen (writer, number)
                        where seen.writer = writers.writer
                    ),
                    0
                )
            -- By the key. Times of one writer rise with its numbers.
            order by batches.number
            limit $3
        ) as batch
    where writers.writer is not null
    order by batch.at, batch.writer
    limit $3"
);

pub(super) async fn batches(readers: &Readers, after: &Places, limit: u32) -> Result<Vec<Batch>, StoreError> {
    let writers: Vec<Uuid> = after.0.keys().copied().collect();
    let numbers: Vec<i64> = after.0.values().map(|number| signed(*number)).collect();
    let asked = || sqlx::query(BATCHES).bind(writers.clone()).bind(numbers.clone()).bind(i64::from(limit));
    readers.rows(asked).await?.iter().map(batch).collect()
}

fn batch(row: &PgRow) -> Result<Batch, StoreError> {
    let (writer, number) = place(row)?;
    let unreadable = |error: sqlx::Error| corrupt(format_args!("batch {number} of writer {writer}"), error);
    let turns = turns(writer, number, row.try_get("entries").map_err(unreadable)?)?;
    Ok(Batch { writer, number, at: Time(row.try_get("at").map_err(unreadable)?), turns })
}

fn place(row: &PgRow) -> Result<(Uuid, u64), StoreError> {
    let writer: Uuid = row.try_get("writer").map_err(|error| corrupt("a batch", error))?;
    Ok((writer, unsigned(row, "number", format_args!("batch of writer {writer}"))?))
}

pub(super) const PLACES: &str = concat!(
    "-- places
    with recursive ",
    writers!(),
    "
    select writer, max(number) as number
    from (
        select writer, number
        from writers
            cross join lateral (
                select last.number
                from batches as last
                where last.writer = writers.writer
                order by last.number desc
                limit 1
            ) as last
        union all
        select writer, number
        from dropped_batches
    ) as known
    group by writer"
);

pub(super) async fn places(readers: &Readers) -> Result<Places, StoreError> {
    let rows = readers.rows(|| sqlx::query(PLACES)).await?;
    rows.iter().map(place).collect::<Result<_, _>>().map(Places)
}

pub(super) async fn dropped(readers: &Readers) -> Result<Places, StoreError> {
    let asked = || {
        sqlx::query(
            "-- dropped
            select writer, number
            from dropped_batches",
        )
    };
    readers.rows(asked).await?.iter().map(place).collect::<Result<_, _>>().map(Places)
}

pub(super) const LATEST: &str = "-- latest_batch
    select max(at)
    from batches";

/// The time above which batches of sagas that were just taken over go on.
pub(super) async fn latest(connection: &mut PgConnection) -> Result<Option<Time>, sqlx::Error> {
    let latest: Option<i64> = sqlx::query_scalar(LATEST).fetch_one(connection).await?;
    Ok(latest.map(Time))
}

pub(super) async fn drop_batches(
    writer: &Arc<Writer>,
    before: Time,
    passed: Option<Places>,
    now: Time,
    remember: Duration,
    limit: u32,
) -> Result<u64, StoreError> {
    let passed = Arc::new(passed);
    let forget_before = now.0.saturating_sub(i64::try_from(remember.as_micros()).unwrap_or(i64::MAX));
    let work = repeatable(move |connection, _again| {
        let passed = Arc::clone(&passed);
        Box::pin(async move {
            forget(connection, forget_before).await?;
            let mut dropped = 0;
            for writer in writers(connection).await? {
                let up_to = passed.as_ref().as_ref().map_or(i64::MAX, |passed| signed(passed.of(writer)));
                connection.execute("begin").await?;
                let some = drop_some(connection, writer, before, up_to, now, limit).await;
                dropped += close_transaction(connection, some).await?;
            }
            Ok(dropped)
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

async fn forget(connection: &mut PgConnection, before: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "-- forget_dropped
        delete from dropped_batches
        where at < $1",
    )
    .bind(before)
    .execute(connection)
    .await?;
    Ok(())
}

async fn writers(connection: &mut PgConnection) -> Result<Vec<Uuid>, sqlx::Error> {
    let sql = concat!(
        "-- writers
        with recursive ",
        writers!(),
        "
        select writer
        from writers
        where writer is not null"
    );
    sqlx::query_scalar(sql).fetch_all(connection).await
}

pub(super) const LAST_TO_DROP: &str = "-- last_to_drop
    select max(number)
    from (
        select number
        from batches
        where writer = $1
            and number <= $2
            and at < $3
        order by number
        limit $4
    ) as old";

pub(super) const DROP_BATCHES: &str = "-- drop_batches
    delete from batches
    where writer = $1
        and number <= $2";

/// Times of one writer rise with its numbers: what is old is the beginning of them.
async fn drop_some(
    connection: &mut PgConnection,
    writer: Uuid,
    before: Time,
    up_to: i64,
    now: Time,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let last = sqlx::query_scalar::<_, Option<i64>>(LAST_TO_DROP)
        .bind(writer)
        .bind(up_to)
        .bind(before.0)
        .bind(i64::from(limit))
        .fetch_one(&mut *connection)
        .await?;
    let Some(last) = last else { return Ok(0) };
    sqlx::query(
        "-- remember_dropped
        insert into dropped_batches (writer, number, at)
        values ($1, $2, $3)
        on conflict (writer) do update
        set number = greatest(dropped_batches.number, excluded.number), at = excluded.at",
    )
    .bind(writer)
    .bind(last)
    .bind(now.0)
    .execute(&mut *connection)
    .await?;
    let deleted = sqlx::query(DROP_BATCHES).bind(writer).bind(last).execute(connection).await?;
    Ok(deleted.rows_affected())
}
