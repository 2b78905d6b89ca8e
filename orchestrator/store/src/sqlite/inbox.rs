//! Notes to whoever owns a saga, and what became of them.
//!
//! **What it must never know:** what a note asks for, or what a verdict says.

use std::sync::Arc;

use amends_core::{ids::SagaId, time::Time};
use rusqlite::{Connection, OptionalExtension, Statement, params};
use sqlx::{Row, SqlitePool};
use uuid::Uuid;

use super::{
    legible::legible,
    read::head_columns,
    rows::{self, corrupt, signed},
    writer::{Work, Writer},
};
use crate::{Note, Noted, StoreError, Verdict};

pub(super) async fn post(writer: &Writer, note: Note) -> Result<(), StoreError> {
    writer
        .transaction(move |connection| {
            let mut post = connection.prepare_cached(POST)?;
            let posted = post.execute(params![note.saga.0.as_bytes(), note.id.as_bytes(), &*note.body, note.at.0])?;
            Ok(if posted > 0 { Work::Wrote(()) } else { Work::Untouched(()) })
        })
        .await?;
    Ok(())
}

const POST: &str = "-- post
    insert into inbox (saga, id, body, at, verdict)
    values (?, ?, ?, ?, null)
    -- Posted again because the answer was lost.
    on conflict (saga, id) do nothing";

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
    writer: &Writer,
    saga: SagaId,
    epoch: u64,
    verdicts: Vec<Verdict>,
) -> Result<bool, StoreError> {
    let settled = writer
        .transaction(move |connection| {
            if !may_settle(connection, saga, epoch)? {
                return Ok(Work::Untouched(false));
            }
            let mut give = connection.prepare_cached(GIVE_VERDICT)?;
            let given = give_verdicts(&mut give, saga, &verdicts)?;
            Ok(if given > 0 { Work::Wrote(true) } else { Work::Untouched(true) })
        })
        .await?;
    Ok(settled)
}

pub(super) const MAY_SETTLE: &str = "-- may_settle
    select epoch = ? or ended_at is not null
    from sagas
    where id = ?";

fn may_settle(connection: &Connection, saga: SagaId, epoch: u64) -> rusqlite::Result<bool> {
    let mut may_settle = connection.prepare_cached(MAY_SETTLE)?;
    let may = may_settle.query_row(params![signed(epoch), saga.0.as_bytes()], |row| row.get(0)).optional()?;
    // A saga that is not there has no owner who could be passed by.
    Ok(may.unwrap_or(true))
}

pub(super) const GIVE_VERDICT: &str = "-- give_verdict
    update inbox
    set verdict = ?
    where saga = ?
        and id = ?
        -- Somebody may have read it already.
        and verdict is null";

/// The first verdict of a note stays. Answers how many notes got theirs.
pub(super) fn give_verdicts(give: &mut Statement<'_>, saga: SagaId, verdicts: &[Verdict]) -> rusqlite::Result<usize> {
    let mut given = 0;
    for verdict in verdicts {
        given += give.execute(params![&*verdict.body, saga.0.as_bytes(), verdict.note.as_bytes()])?;
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
pub(super) fn tidy_notes(connection: &Connection, before: Time, limit: u32) -> rusqlite::Result<usize> {
    connection.prepare_cached(TIDY_NOTES)?.execute(params![before.0, limit])
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
