//! Notes to whoever owns a saga, and what became of them.
//!
//! **What it must never know:** what a note asks for, or what a verdict says.

use std::{collections::HashSet, sync::Arc};

use amends_core::{ids::SagaId, time::Time};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    legible::legible,
    read::head_columns,
    readers::Readers,
    rows::{self, corrupt, signed},
    writer::{Writer, repeatable},
};
use crate::{Note, Noted, StoreError, Verdict};

pub(super) async fn post(writer: &Arc<Writer>, note: Note) -> Result<(), StoreError> {
    let work = repeatable(move |connection, _again| {
        let note = note.clone();
        Box::pin(async move { insert(connection, &note).await })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

async fn insert(connection: &mut PgConnection, note: &Note) -> Result<(), sqlx::Error> {
    sqlx::query(
        "-- post
        insert into inbox (saga, id, body, at)
        values ($1, $2, $3, $4)
        -- Posted again because the answer was lost.
        on conflict (saga, id) do nothing",
    )
    .bind(note.saga.0)
    .bind(note.id)
    .bind(&*note.body)
    .bind(note.at.0)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) const NOTES: &str = concat!(
    "-- notes
    select inbox.saga as note_saga, inbox.id as note_id, inbox.body as note_body, inbox.at as note_at, ",
    head_columns!(),
    "
    from inbox
        left join sagas on sagas.id = inbox.saga
    where inbox.verdict is null
        and (inbox.at, inbox.saga, inbox.id) > ($1, $2, $3)
        and (sagas.id is null or sagas.owner is null or sagas.owner = $4 or sagas.ended_at is not null)
    order by inbox.at, inbox.saga, inbox.id
    limit $5"
);

pub(super) async fn notes(readers: &Readers, node: Uuid, limit: u32) -> Result<Vec<Noted>, StoreError> {
    legible(
        limit,
        // Before the first time.
        (i64::MIN, Uuid::nil(), Uuid::nil()),
        |(at, saga, note): (i64, Uuid, Uuid), limit| {
            readers.rows(move || sqlx::query(NOTES).bind(at).bind(saga).bind(note).bind(node).bind(i64::from(limit)))
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
    let mut seen = HashSet::new();
    // Of two for one note the first counts.
    let mut verdicts: Vec<Verdict> = verdicts.into_iter().filter(|verdict| seen.insert(verdict.note)).collect();
    verdicts.sort_unstable_by_key(|verdict| verdict.note);
    let verdicts: Arc<[Verdict]> = verdicts.into();
    let work = repeatable(move |connection, _again| {
        let verdicts = Arc::clone(&verdicts);
        Box::pin(async move { give_verdicts(connection, saga, epoch, &verdicts).await })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

pub(super) const GIVE_VERDICTS: &str = "-- give_verdicts
    with stands as (
        select epoch = $2 or ended_at is not null as may
        from sagas
        where id = $1
        -- Whoever claims it now comes after this.
        for no key update
    ),
    given as (
        update inbox
        -- The first verdict stays: somebody may have read it already. Not a condition, see `statements`.
        set verdict = coalesce(inbox.verdict, answer.verdict)
        from unnest($3::uuid[], $4::text[]) as answer (note, verdict)
        where inbox.saga = $1
            and inbox.id = any (array[answer.note])
            and not exists (select 1 from stands where not may)
    )
    -- A saga that is not there has no owner who could be passed by.
    select coalesce((select may from stands), true)";

async fn give_verdicts(
    connection: &mut PgConnection,
    saga: SagaId,
    epoch: u64,
    verdicts: &[Verdict],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(GIVE_VERDICTS)
        .bind(saga.0)
        .bind(signed(epoch))
        .bind(verdicts.iter().map(|verdict| verdict.note).collect::<Vec<_>>())
        .bind(verdicts.iter().map(|verdict| &*verdict.body).collect::<Vec<_>>())
        .fetch_one(connection)
        .await
}

pub(super) async fn verdict(readers: &Readers, saga: SagaId, note: Uuid) -> Result<Option<Arc<str>>, StoreError> {
    let asked = || {
        sqlx::query(
            "-- verdict
            select verdict
            from inbox
            where saga = $1 and id = $2",
        )
        .bind(saga.0)
        .bind(note)
    };
    match readers.row(asked).await? {
        Some(row) => Ok(row.try_get::<Option<&str>, _>("verdict")?.map(Arc::from)),
        None => Err(corrupt(format_args!("note {note} to saga {saga}"), "it is not there")),
    }
}

pub(super) const TIDY_NOTES: &str = "-- tidy_notes
    delete from inbox
    using (
        select saga, id
        from inbox
        where verdict is not null
            and at < $1
        order by at
        limit $2
    ) as old
    where inbox.saga = any (array[old.saga])
        and inbox.id = any (array[old.id])";

/// Answers how many were deleted.
pub(super) async fn tidy_notes(connection: &mut PgConnection, before: Time, limit: u32) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(TIDY_NOTES).bind(before.0).bind(i64::from(limit)).execute(connection).await?;
    Ok(deleted.rows_affected())
}
