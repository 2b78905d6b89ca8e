//! Notes to whoever owns a saga, and what became of them.
//!
//! **What it must never know:** what a note asks for, or what a verdict says.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use amends_core::{ids::SagaId, time::Time};
use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::{
    legible::legible,
    multirow::MultiRow,
    read::head_columns,
    rows::{self, corrupt, signed},
    writer::{Counted, Work, Writer},
};
use crate::{Note, Noted, StoreError, Verdict};

pub(super) async fn post(writer: &Arc<Writer>, note: Note) -> Result<(), StoreError> {
    writer
        .transaction(move |connection| {
            Box::pin(async move {
                let posted = sqlx::query(
                    "-- post
                    insert into inbox (saga, id, body, at, verdict)
                    values (?, ?, ?, ?, null)
                    -- Posted again because the answer was lost.
                    on conflict (saga, id) do nothing",
                )
                .bind(note.saga.0)
                .bind(note.id)
                .bind(note.body)
                .bind(note.at.0)
                .execute(connection)
                .await?
                .rows_affected();
                Ok(if posted > 0 { Work::Wrote(()) } else { Work::Untouched(()) })
            })
        })
        .await?;
    Ok(())
}

pub(super) const NOTES: &str = concat!(
    "-- notes
    select inbox.saga as note_saga, inbox.id as note_id, inbox.body as note_body, inbox.at as note_at, ",
    head_columns!(),
    "
    from inbox indexed by inbox_open
        left join sagas on sagas.id = inbox.saga
    where inbox.verdict is null
        and (inbox.at, inbox.saga, inbox.id) > (?, ?, ?)
        and (sagas.id is null or sagas.owner is null or sagas.owner = ? or sagas.ended_at is not null)
    order by inbox.at, inbox.saga, inbox.id
    limit ?"
);

pub(super) async fn notes(readers: &SqlitePool, node: Uuid, limit: u32) -> Result<Vec<Noted>, StoreError> {
    legible(
        limit,
        // Before the first time, and no id is below the empty one.
        (i64::MIN, Vec::new(), Vec::new()),
        |(at, saga, note): (i64, Vec<u8>, Vec<u8>), limit| {
            sqlx::query(NOTES).bind(at).bind(saga).bind(note).bind(node).bind(i64::from(limit)).fetch_all(readers)
        },
        |row| Ok((row.try_get("note_at")?, row.try_get("note_saga")?, row.try_get("note_id")?)),
        rows::noted,
    )
    .await
}

pub(super) async fn settle(
    writer: &Arc<Writer>,
    saga: SagaId,
    epoch: u64,
    verdicts: Vec<Verdict>,
) -> Result<bool, StoreError> {
    let settled = writer
        .transaction(move |connection| {
            Box::pin(async move {
                if !may_settle(connection, saga, epoch).await? {
                    return Ok(Work::Untouched(false));
                }
                let verdicts = verdicts.iter().map(|verdict| (saga, verdict));
                let given = give_verdicts(&mut Counted::new(connection), verdicts).await?;
                Ok(if given > 0 { Work::Wrote(true) } else { Work::Untouched(true) })
            })
        })
        .await?;
    Ok(settled)
}

async fn may_settle(connection: &mut SqliteConnection, saga: SagaId, epoch: u64) -> Result<bool, sqlx::Error> {
    let may: Option<bool> = sqlx::query_scalar(
        "-- may_settle
        select epoch = ? or ended_at is not null
        from sagas
        where id = ?",
    )
    .bind(signed(epoch))
    .bind(saga.0)
    .fetch_optional(connection)
    .await?;
    // A saga that is not there has no owner who could be passed by.
    Ok(may.unwrap_or(true))
}

pub(super) static GIVE_VERDICTS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- give_verdicts
        with given (saga, note, verdict) as (
            values",
        3,
        ")
        update inbox
        set verdict = given.verdict
        from given
        where inbox.saga = given.saga
            and inbox.id = given.note
            -- Somebody may have read it already.
            and inbox.verdict is null",
    )
});

/// The first verdict of a note stays. Answers how many notes got theirs.
pub(super) async fn give_verdicts(
    connection: &mut Counted<'_>,
    verdicts: impl Iterator<Item = (SagaId, &Verdict)>,
) -> Result<u64, sqlx::Error> {
    let mut seen = HashSet::new();
    let first: Vec<_> = verdicts.filter(|(saga, verdict)| seen.insert((*saga, verdict.note))).collect();
    let mut given = 0;
    for (statement, chunk) in GIVE_VERDICTS.chunks(&first) {
        let mut query = sqlx::query(statement);
        for (saga, verdict) in chunk {
            query = query.bind(saga.0).bind(verdict.note).bind(Arc::clone(&verdict.body));
        }
        given += query.execute(connection.statement()).await?.rows_affected();
    }
    Ok(given)
}

pub(super) async fn verdict(readers: &SqlitePool, saga: SagaId, note: Uuid) -> Result<Option<Arc<str>>, StoreError> {
    let verdict: Option<Option<String>> = sqlx::query_scalar(
        "-- verdict
        select verdict
        from inbox
        where saga = ? and id = ?",
    )
    .bind(saga.0)
    .bind(note)
    .fetch_optional(readers)
    .await?;
    match verdict {
        Some(verdict) => Ok(verdict.map(Arc::from)),
        None => Err(corrupt(format_args!("note {note} to saga {saga}"), "it is not there")),
    }
}

/// Answers how many were deleted.
pub(super) async fn tidy_notes(
    connection: &mut SqliteConnection,
    before: Time,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(TIDY_NOTES).bind(before.0).bind(i64::from(limit)).execute(connection).await?;
    Ok(deleted.rows_affected())
}

pub(super) const TIDY_NOTES: &str = "-- tidy_notes
    delete from inbox
    where (saga, id) in (
        select saga, id
        from inbox indexed by inbox_done
        where verdict is not null
            and at < ?
        order by at
        limit ?
    )";
