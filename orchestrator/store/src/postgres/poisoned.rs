//! Words about sagas that cannot be read.
//!
//! **What it must never know:** why they cannot.

use std::sync::Arc;

use amends_core::{ids::SagaId, time::Time};
use sqlx::{PgConnection, postgres::PgRow};

use super::{
    readers::Readers,
    rows::{get, signed},
    writer::{Writer, repeatable},
};
use crate::{Poisoned, StoreError};

pub(super) async fn poison(writer: &Arc<Writer>, epoch: u64, poisoned: Poisoned) -> Result<bool, StoreError> {
    let work = repeatable(move |connection, _again| {
        let poisoned = poisoned.clone();
        Box::pin(async move { insert(connection, epoch, &poisoned).await })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

/// One statement, one commit: the row that asks for a person and the word that says why.
pub(super) const POISON: &str = "-- poison
    with asking as (
        update sagas
        set attention = true
        where id = any (array[$1::uuid])
            -- Who is not the owner any more has no say: others may be able to read it.
            and case when epoch = $2 then true else false end
            and case when ended_at is null then true else false end
        returning id, next_seq
    )
    insert into poisoned (saga, next_seq, reason, since, said_by)
    select id, next_seq, $3, $4, $5
    from asking
    on conflict (saga) do update
    set reason = excluded.reason,
        said_by = excluded.said_by,
        since = case when poisoned.next_seq = excluded.next_seq then poisoned.since else excluded.since end,
        next_seq = excluded.next_seq";

async fn insert(connection: &mut PgConnection, epoch: u64, poisoned: &Poisoned) -> Result<bool, sqlx::Error> {
    let written = sqlx::query(POISON)
        .bind(poisoned.saga.0)
        .bind(signed(epoch))
        .bind(&*poisoned.reason)
        .bind(poisoned.since.0)
        .bind(&*poisoned.node)
        .execute(connection)
        .await?;
    Ok(written.rows_affected() > 0)
}

pub(super) const POISONED: &str = "-- poisoned
    select poisoned.saga, poisoned.reason, poisoned.since, poisoned.said_by
    from poisoned
        join sagas on sagas.id = poisoned.saga
    where poisoned.saga = $1
        -- Whoever appends has read it.
        and sagas.next_seq = poisoned.next_seq
        and sagas.ended_at is null";

pub(super) async fn poisoned(readers: &Readers, saga: SagaId) -> Result<Option<Poisoned>, StoreError> {
    let rows = readers.rows(|| sqlx::query(POISONED).bind(saga.0)).await?;
    rows.first().map(|row| read(saga, row)).transpose()
}

fn read(saga: SagaId, row: &PgRow) -> Result<Poisoned, StoreError> {
    let place = format_args!("poisoned saga {saga}");
    Ok(Poisoned {
        saga,
        reason: get::<&str>(row, "reason", place)?.into(),
        since: Time(get(row, "since", place)?),
        node: get::<&str>(row, "said_by", place)?.into(),
    })
}

/// Answers how many were deleted.
pub(super) async fn tidy_poisoned(connection: &mut PgConnection, before: Time, limit: u32) -> Result<u64, sqlx::Error> {
    let tidied = sqlx::query(TIDY_POISONED).bind(before.0).bind(i64::from(limit)).execute(connection).await?;
    Ok(tidied.rows_affected())
}

/// There are few of them: the table is looked at as a whole.
pub(super) const TIDY_POISONED: &str = "-- tidy_poisoned
    delete from poisoned
    where saga in (
        select poisoned.saga
        from poisoned
        where poisoned.since < $1
            and not exists (
                select 1
                from sagas
                where sagas.id = poisoned.saga
                    and sagas.next_seq = poisoned.next_seq
                    and sagas.ended_at is null
            )
        order by poisoned.saga
        limit $2
    )";
