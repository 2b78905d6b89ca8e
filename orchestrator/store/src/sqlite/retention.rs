//! What is old goes: journals of sagas that ended long ago, answered notes, nodes that are over.
//!
//! **What it must never know:** how long anything is kept.

use std::collections::BTreeSet;

use amends_core::{ids::SagaId, time::Time};
use rusqlite::{Connection, OptionalExtension, params};
use sqlx::{Row, SqlitePool};

use super::{
    inbox::tidy_notes,
    locks::tidy_locks,
    nodes::tidy_nodes,
    poisoned::tidy_poisoned,
    read::select_heads,
    rows::{self, touched},
    writer::{Work, Writer},
};
use crate::{Cursor, Page, StoreError};

/// Sagas in one transaction: a deletion must not keep the commits of those that live waiting.
const PURGED_AT_ONCE: usize = 16;

pub(super) const ENDED: &str = select_heads!(
    "ended",
    "indexed by sagas_started
        where purged_at is null
            and started_at < ?
            and (started_at, id) > (?, ?)
        order by started_at, id
        limit ?"
);

pub(super) async fn ended(
    readers: &SqlitePool,
    before: Time,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Page, StoreError> {
    // Before the first time, and no id is below the empty one.
    let (started_at, saga) =
        after.map_or((i64::MIN, Vec::new()), |after| (after.started_at.0, after.saga.0.as_bytes().to_vec()));
    let seen =
        sqlx::query(ENDED).bind(before.0).bind(started_at).bind(saga).bind(i64::from(limit)).fetch_all(readers).await?;
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

pub(super) async fn purge(writer: &Writer, sagas: Vec<SagaId>, at: Time) -> Result<u64, StoreError> {
    let sagas: Vec<SagaId> = sagas.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let mut purged = 0;
    for some in sagas.chunks(PURGED_AT_ONCE) {
        let some = some.to_vec();
        purged += writer
            .transaction(move |connection| {
                let purged = purge_some(connection, &some, at)?;
                Ok(if purged > 0 { Work::Wrote(purged) } else { Work::Untouched(0) })
            })
            .await?;
    }
    Ok(purged)
}

fn purge_some(connection: &Connection, sagas: &[SagaId], at: Time) -> rusqlite::Result<u64> {
    let mut purgeable = connection.prepare_cached(PURGEABLE)?;
    let mut delete_journal = connection.prepare_cached(DELETE_JOURNAL)?;
    let mut delete_notes = connection.prepare_cached(DELETE_NOTES)?;
    let mut delete_saga = connection.prepare_cached(DELETE_SAGA)?;
    let mut leave_stub = connection.prepare_cached(LEAVE_STUB)?;
    let mut purged = 0;
    for saga in sagas {
        let saga = saga.0.as_bytes();
        let Some(has_key) = purgeable.query_row([saga], |row| row.get::<_, bool>(0)).optional()? else { continue };
        delete_journal.execute([saga])?;
        delete_notes.execute([saga])?;
        let touched = if has_key { leave_stub.execute(params![at.0, saga])? } else { delete_saga.execute([saga])? };
        assert_eq!(touched, 1, "invariant: what was found within a transaction is there");
        purged += 1;
    }
    Ok(purged)
}

pub(super) const PURGEABLE: &str = "-- purgeable
    select start_key is not null
    from sagas
    where id = ?
        and ended_at is not null
        and purged_at is null
        -- A child is kept as long as its parent.
        and not exists (select 1 from sagas as above where above.id = sagas.parent and above.purged_at is null)";

pub(super) const DELETE_JOURNAL: &str = "-- delete_journal
    delete from journal
    where saga = ?";

pub(super) const DELETE_NOTES: &str = "-- delete_notes
    delete from inbox
    where saga = ?";

pub(super) const DELETE_SAGA: &str = "-- delete_saga
    delete from sagas
    where id = ?";

pub(super) const LEAVE_STUB: &str = "-- leave_stub
    update sagas
    -- Nobody has to look at it, own it or wake it.
    set attention = 0, wake_at = null, owner = null, asleep_until = null, purged_at = ?
    where id = ?";

pub(super) async fn tidy(writer: &Writer, before: Time, limit: u32) -> Result<u64, StoreError> {
    let deleted = writer
        .transaction(move |connection| {
            let deleted = tidy_notes(connection, before, limit)?
                + tidy_nodes(connection, before, limit)?
                + tidy_locks(connection, before, limit)?
                + tidy_poisoned(connection, before, limit)?;
            Ok(if deleted > 0 { Work::Wrote(deleted) } else { Work::Untouched(0) })
        })
        .await?;
    Ok(u64::try_from(deleted).expect("invariant: a few limits, which are smaller"))
}
