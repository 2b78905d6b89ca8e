//! What is old goes: journals of sagas that ended long ago, answered notes, nodes that are over.
//!
//! **What it must never know:** how long anything is kept.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use amends_core::{ids::SagaId, time::Time};
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{
    inbox::tidy_notes,
    multirow::MultiRow,
    nodes::tidy_nodes,
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

pub(super) async fn purge(writer: &Arc<Writer>, sagas: Vec<SagaId>, at: Time) -> Result<u64, StoreError> {
    let sagas: Vec<SagaId> = sagas.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let mut purged = 0;
    for some in sagas.chunks(PURGED_AT_ONCE) {
        let some = some.to_vec();
        purged += writer
            .transaction(move |connection| {
                Box::pin(async move {
                    let purged = purge_some(connection, &some, at).await?;
                    Ok(if purged > 0 { Work::Wrote(purged) } else { Work::Untouched(0) })
                })
            })
            .await?;
    }
    Ok(purged)
}

async fn purge_some(connection: &mut SqliteConnection, sagas: &[SagaId], at: Time) -> Result<u64, sqlx::Error> {
    let mut keyed = Vec::new();
    let mut others = Vec::new();
    for (saga, has_key) in purgeable(connection, sagas).await? {
        if has_key { keyed.push(saga) } else { others.push(saga) }
    }
    let both: Vec<SagaId> = [keyed.clone(), others.clone()].concat();
    each(connection, &DELETE_JOURNALS, &both, None).await?;
    each(connection, &DELETE_NOTES, &both, None).await?;
    let deleted = each(connection, &DELETE_SAGAS, &others, None).await?;
    let stubs = each(connection, &LEAVE_STUBS, &keyed, Some(at)).await?;
    assert_eq!(
        usize::try_from(deleted + stubs),
        Ok(both.len()),
        "invariant: what was found within a transaction is there"
    );
    Ok(deleted + stubs)
}

static PURGEABLE: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- purgeable
        select id, start_key is not null as has_key
        from sagas
        where ended_at is not null
            and purged_at is null
            and id in (
                values",
        1,
        ")",
    )
});

async fn purgeable(connection: &mut SqliteConnection, sagas: &[SagaId]) -> Result<Vec<(SagaId, bool)>, sqlx::Error> {
    let mut found = Vec::with_capacity(sagas.len());
    for (statement, chunk) in PURGEABLE.chunks(sagas) {
        let mut query = sqlx::query(statement);
        for saga in chunk {
            query = query.bind(saga.0);
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.push((touched(&row)?, row.try_get("has_key")?));
        }
    }
    Ok(found)
}

pub(super) static DELETE_JOURNALS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- delete_journals
        delete from journal
        where saga in (
            values",
        1,
        ")",
    )
});

pub(super) static DELETE_NOTES: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- delete_notes
        delete from inbox
        where saga in (
            values",
        1,
        ")",
    )
});

static DELETE_SAGAS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- delete_sagas
        delete from sagas
        where id in (
            values",
        1,
        ")",
    )
});

static LEAVE_STUBS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- leave_stubs
        update sagas
        -- Nobody has to look at it, own it or wake it.
        set attention = 0, wake_at = null, owner = null, asleep_until = null, purged_at = ?
        where id in (
            values",
        1,
        ")",
    )
});

/// One statement over these sagas, after its own parameter if it has one; answers how many rows it touched.
async fn each(
    connection: &mut SqliteConnection,
    statement: &MultiRow,
    sagas: &[SagaId],
    at: Option<Time>,
) -> Result<u64, sqlx::Error> {
    let mut touched = 0;
    for (statement, chunk) in statement.chunks(sagas) {
        let mut query = sqlx::query(statement);
        if let Some(at) = at {
            query = query.bind(at.0);
        }
        for saga in chunk {
            query = query.bind(saga.0);
        }
        touched += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(touched)
}

pub(super) async fn tidy(writer: &Arc<Writer>, before: Time, limit: u32) -> Result<u64, StoreError> {
    let deleted = writer
        .transaction(move |connection| {
            Box::pin(async move {
                let notes = tidy_notes(connection, before, limit).await?;
                let nodes = tidy_nodes(connection, before, limit).await?;
                Ok(if notes + nodes > 0 { Work::Wrote(notes + nodes) } else { Work::Untouched(0) })
            })
        })
        .await?;
    Ok(deleted)
}
