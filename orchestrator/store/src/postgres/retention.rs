//! What is old goes: journals of sagas that ended long ago, answered notes, nodes that are over.
//!
//! **What it must never know:** how long anything is kept.

use std::{collections::BTreeSet, sync::Arc};

use amends_core::{ids::SagaId, time::Time};
use sqlx::{Executor, PgConnection, Row};
use uuid::Uuid;

use super::{
    inbox::tidy_notes,
    locks::tidy_locks,
    nodes::tidy_nodes,
    poisoned::tidy_poisoned,
    read::select_heads,
    readers::Readers,
    rows::{self, touched},
    writer::{Writer, close_transaction, repeatable},
};
use crate::{Cursor, Page, StoreError};

/// Sagas in one transaction: none should hold its locks for long.
const PURGED_AT_ONCE: usize = 64;

pub(super) const ENDED: &str = select_heads!(
    "ended",
    "where purged_at is null
            and started_at < $1
            and (started_at, id) > ($2, $3)
        order by started_at, id
        limit $4"
);

pub(super) async fn ended(
    readers: &Readers,
    before: Time,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Page, StoreError> {
    // Before the first time.
    let (started_at, saga) = after.map_or((i64::MIN, Uuid::nil()), |after| (after.started_at.0, after.saga.0));
    let asked = || sqlx::query(ENDED).bind(before.0).bind(started_at).bind(saga).bind(i64::from(limit));
    let seen = readers.rows(asked).await?;
    let whole = usize::try_from(limit).is_ok_and(|limit| seen.len() >= limit);
    let next = match seen.last() {
        Some(last) if whole => Some(Cursor { started_at: Time(last.try_get("started_at")?), saga: touched(last)? }),
        Some(_) | None => None,
    };
    let readable = seen.iter().filter_map(|row| match rows::head(row) {
        Ok(head) => Some(head),
        Err(error) => {
            tracing::error!(%error, "a saga cannot be read and is not purged");
            None
        }
    });
    let found = readable.filter(|head| head.summary.ended_at.is_some_and(|ended_at| ended_at < before)).collect();
    Ok(Page { found, next })
}

pub(super) async fn purge(writer: &Arc<Writer>, sagas: Vec<SagaId>, at: Time) -> Result<u64, StoreError> {
    // Sorted, so that rows are locked in the same order by everybody.
    let sagas: Vec<Uuid> = sagas.into_iter().map(|saga| saga.0).collect::<BTreeSet<_>>().into_iter().collect();
    let mut purged = 0;
    for some in sagas.chunks(PURGED_AT_ONCE) {
        let some: Arc<[Uuid]> = some.into();
        let work = repeatable(move |connection, _again| {
            let some = Arc::clone(&some);
            Box::pin(async move { purge_some(connection, &some, at).await })
        });
        purged += writer.run(work).await.map_err(StoreError::of_postgres)?;
    }
    Ok(purged)
}

/// What it deletes is what it saw, of every table, at its beginning. Whoever goes on with a saga meanwhile (one that has ended
/// may) adds rows to the journal that it did not see and would leave behind: hence [`ONE_VIEW`], in which it then fails and
/// is tried again.
pub(super) const PURGE: &str = "-- purge
    with old as (
        select id, start_key is not null as keyed
        from sagas
        where id = any ($1)
            and ended_at is not null
            -- Put so that it is no condition of an index, see `adopt`.
            and case when purged_at is null then true else false end
            -- A child is kept as long as its parent. By the primary key, once for each, whatever the planner thinks of the table.
            and case
                when sagas.parent is null then true
                else (
                    select coalesce(bool_and(above.purged_at is not null), true)
                    from sagas as above
                    where above.id = any (array[sagas.parent])
                )
            end
    ),
    journals as (
        delete from journal
        using old
        where journal.saga = any (array[old.id])
    ),
    notes as (
        delete from inbox
        using old
        where inbox.saga = any (array[old.id])
    ),
    gone as (
        delete from sagas
        using old
        where sagas.id = any (array[old.id])
            and not old.keyed
        returning 1
    ),
    stubs as (
        update sagas
        -- Nobody has to look at it, own it or wake it.
        set attention = false, wake_at = null, owner = null, asleep_until = null, purged_at = $2
        from old
        where sagas.id = any (array[old.id])
            and old.keyed
            and case when sagas.purged_at is null then true else false end
        returning 1
    )
    select (select count(*) from gone) + (select count(*) from stubs)";

const ONE_VIEW: &str = "begin isolation level repeatable read";

async fn purge_some(connection: &mut PgConnection, sagas: &[Uuid], at: Time) -> Result<u64, sqlx::Error> {
    connection.execute(ONE_VIEW).await?;
    let purged = sqlx::query_scalar::<_, i64>(PURGE).bind(sagas).bind(at.0).fetch_one(&mut *connection).await;
    let purged = close_transaction(connection, purged).await?;
    Ok(u64::try_from(purged).unwrap_or(0))
}

pub(super) async fn tidy(writer: &Arc<Writer>, before: Time, limit: u32) -> Result<u64, StoreError> {
    let work = repeatable(move |connection, _again| {
        Box::pin(async move {
            // Each for itself: there is nothing between them that could be torn.
            let notes = tidy_notes(&mut *connection, before, limit).await?;
            let nodes = tidy_nodes(&mut *connection, before, limit).await?;
            let locks = tidy_locks(&mut *connection, before, limit).await?;
            let poisoned = tidy_poisoned(connection, before, limit).await?;
            Ok(notes + nodes + locks + poisoned)
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}
