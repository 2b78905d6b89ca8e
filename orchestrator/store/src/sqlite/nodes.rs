//! Which processes take part. A file has one, so the newest identity is the only one whose lease lasts, and it needs no
//! renewal: the lock of the file is the lease.
//!
//! **What it must never know:** what time it is for a lease. One that has ended is not null, and that is all.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use amends_core::time::Time;
use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::{
    rows,
    writer::{Work, Writer},
};
use crate::{Lease, NewNode, Node, StoreError};

pub(super) async fn join(writer: &Arc<Writer>, node: NewNode, _lease: Duration) -> Result<Lease, StoreError> {
    let lease = writer
        .transaction(move |connection| {
            Box::pin(async move {
                if !is_admitted(connection, &node).await? {
                    return Ok(Work::Untouched(Lease::Ended));
                }
                end_others(connection, node.id).await?;
                add_unknown_owners(connection).await?;
                Ok(Work::Wrote(Lease::Sole))
            })
        })
        .await?;
    Ok(lease)
}

/// The node's row is there from now on, and its lease has not ended.
async fn is_admitted(connection: &mut SqliteConnection, node: &NewNode) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "-- add_node
        insert into nodes (id, name, joined_at, lease_until)
        values (?, ?, ?, null)
        on conflict (id) do nothing",
    )
    .bind(node.id)
    .bind(Arc::clone(&node.name))
    .bind(now().0)
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar(
        "-- node_lasts
        select lease_until is null
        from nodes
        where id = ?",
    )
    .bind(node.id)
    .fetch_one(connection)
    .await
}

/// There is one process: whatever it called itself before is over.
async fn end_others(connection: &mut SqliteConnection, node: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "-- end_others
        update nodes
        set lease_until = 0
        where lease_until is null
            and id <> ?",
    )
    .bind(node)
    .execute(connection)
    .await?;
    Ok(())
}

/// From owner to owner by the index, over all that one has at once.
pub(super) const ADD_UNKNOWN_OWNERS: &str = "-- add_unknown_owners
    with recursive owners (id) as (
        select min(owner)
        from sagas indexed by sagas_live
        where ended_at is null
            and owner > x''
        union all
        select (
            select min(owner)
            from sagas indexed by sagas_live
            where ended_at is null
                and owner > owners.id
        )
        from owners
        where owners.id is not null
    )
    insert into nodes (id, name, joined_at, lease_until)
    select id, 'unknown', ?, 0
    from owners
    -- A damaged owner would break a rule of the schema: it must not keep the process from joining.
    where length(id) = 16
    on conflict (id) do nothing";

/// Owners that no lease was ever written for.
async fn add_unknown_owners(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(ADD_UNKNOWN_OWNERS).bind(now().0).execute(connection).await?;
    Ok(())
}

pub(super) async fn renew(readers: &SqlitePool, node: Uuid, _lease: Duration) -> Result<Lease, StoreError> {
    let lasts: Option<bool> = sqlx::query_scalar(
        "-- renew
        select lease_until is null
        from nodes
        where id = ?",
    )
    .bind(node)
    .fetch_optional(readers)
    .await?;
    Ok(if lasts == Some(true) { Lease::Sole } else { Lease::Ended })
}

pub(super) async fn leave(writer: &Arc<Writer>, node: Uuid) -> Result<(), StoreError> {
    writer
        .transaction(move |connection| {
            Box::pin(async move {
                let ended = sqlx::query(
                    "-- leave
                    update nodes
                    set lease_until = 0
                    where id = ?
                        and lease_until is null",
                )
                .bind(node)
                .execute(connection)
                .await?
                .rows_affected();
                Ok(if ended > 0 { Work::Wrote(()) } else { Work::Untouched(()) })
            })
        })
        .await?;
    Ok(())
}

pub(super) async fn nodes(readers: &SqlitePool) -> Result<Vec<Node>, StoreError> {
    let found = sqlx::query(
        "-- nodes
        select id, name, joined_at, lease_until
        from nodes
        where lease_until is null
        order by id",
    )
    .fetch_all(readers)
    .await?;
    found.iter().map(rows::node).collect()
}

/// Nodes that are over and own nothing that lives; answers how many were deleted.
pub(super) async fn tidy_nodes(
    connection: &mut SqliteConnection,
    before: Time,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "-- tidy_nodes
        delete from nodes
        where id in (
            select id
            from nodes
            where lease_until < ?
                and not exists (
                    select 1
                    from sagas indexed by sagas_live
                    where ended_at is null
                        and owner = nodes.id
                )
            limit ?
        )",
    )
    .bind(before.0)
    .bind(i64::from(limit))
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

/// The database is this process, so its time is that of the system.
fn now() -> Time {
    Time(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
