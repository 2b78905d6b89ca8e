//! Words about sagas that cannot be read.
//!
//! **What it must never know:** why they cannot.

use amends_core::{ids::SagaId, time::Time};
use rusqlite::params;
use sqlx::{SqlitePool, sqlite::SqliteRow};

use super::{
    rows::{get, signed},
    writer::{Work, Writer},
};
use crate::{Poisoned, StoreError};

pub(super) async fn poison(writer: &Writer, epoch: u64, poisoned: Poisoned) -> Result<bool, StoreError> {
    let written = writer
        .transaction(move |connection| {
            let saga = poisoned.saga.0.as_bytes();
            let (said, node, since) = (&*poisoned.reason, &*poisoned.node, poisoned.since.0);
            let told = connection.prepare_cached(POISON)?.execute(params![said, since, node, saga, signed(epoch)])?;
            if told == 0 {
                return Ok(Work::Untouched(false));
            }
            let touched = connection.prepare_cached(ASK)?.execute([saga])?;
            assert_eq!(touched, 1, "invariant: what was found within a transaction is there");
            Ok(Work::Wrote(true))
        })
        .await?;
    Ok(written)
}

const POISON: &str = "-- poison
    insert into poisoned (saga, next_seq, reason, since, said_by)
    select id, next_seq, ?1, ?2, ?3
    from sagas
    where id = ?4
        -- Who is not the owner any more has no say: others may be able to read it.
        and epoch = ?5
        and ended_at is null
    on conflict (saga) do update
    set reason = excluded.reason,
        said_by = excluded.said_by,
        since = case when next_seq = excluded.next_seq then since else excluded.since end,
        next_seq = excluded.next_seq";

const ASK: &str = "-- ask_for_a_person
    update sagas
    set attention = 1
    where id = ?";

pub(super) const POISONED: &str = "-- poisoned
    select poisoned.saga, poisoned.reason, poisoned.since, poisoned.said_by
    from poisoned
        join sagas on sagas.id = poisoned.saga
    where poisoned.saga = ?
        -- Whoever appends has read it.
        and sagas.next_seq = poisoned.next_seq
        and sagas.ended_at is null";

pub(super) async fn poisoned(readers: &SqlitePool, saga: SagaId) -> Result<Option<Poisoned>, StoreError> {
    let row = sqlx::query(POISONED).bind(saga.0).fetch_optional(readers).await?;
    row.map(|row| read(saga, &row)).transpose()
}

fn read(saga: SagaId, row: &SqliteRow) -> Result<Poisoned, StoreError> {
    let place = format_args!("poisoned saga {saga}");
    Ok(Poisoned {
        saga,
        reason: get::<&str>(row, "reason", place)?.into(),
        since: Time(get(row, "since", place)?),
        node: get::<&str>(row, "said_by", place)?.into(),
    })
}

/// Answers how many were deleted.
pub(super) fn tidy_poisoned(connection: &rusqlite::Connection, before: Time, limit: u32) -> rusqlite::Result<usize> {
    connection.prepare_cached(TIDY_POISONED)?.execute(params![before.0, limit])
}

/// There are few of them: the table is looked at as a whole.
pub(super) const TIDY_POISONED: &str = "-- tidy_poisoned
    delete from poisoned
    where saga in (
        select poisoned.saga
        from poisoned
        where poisoned.since < ?
            and not exists (
                select 1
                from sagas
                where sagas.id = poisoned.saga
                    and sagas.next_seq = poisoned.next_seq
                    and sagas.ended_at is null
            )
        limit ?
    )";
