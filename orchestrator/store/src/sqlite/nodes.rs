//! Which processes take part. A file has one, so the newest identity is the only one whose lease lasts, and it needs no
//! renewal: the lock of the file is the lease.
//!
//! **What it must never know:** what time it is for a lease. One that has ended is not null, and that is all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amends_core::time::Time;
use rusqlite::{Connection, params};
use sqlx::SqlitePool;
use uuid::Uuid;

use super::{
    rows,
    writer::{Work, Writer},
};
use crate::{Lease, NewNode, Node, StoreError};

pub(super) async fn join(writer: &Writer, node: NewNode, _lease: Duration) -> Result<Lease, StoreError> {
    let lease = writer
        .transaction(move |connection| {
            if !is_admitted(connection, &node)? {
                return Ok(Work::Untouched(Lease::Ended));
            }
            end_others(connection, node.id)?;
            add_unknown_owners(connection)?;
            Ok(Work::Wrote(Lease::Sole))
        })
        .await?;
    Ok(lease)
}

/// The node's row is there from now on, and its lease has not ended.
fn is_admitted(connection: &Connection, node: &NewNode) -> rusqlite::Result<bool> {
    let mut add = connection.prepare_cached(
        "-- add_node
        insert into nodes (id, name, joined_at, lease_until)
        values (?, ?, ?, null)
        on conflict (id) do nothing",
    )?;
    add.execute(params![node.id.as_bytes(), &*node.name, now().0])?;
    let mut lasts = connection.prepare_cached(
        "-- node_lasts
        select lease_until is null
        from nodes
        where id = ?",
    )?;
    lasts.query_row([node.id.as_bytes()], |row| row.get(0))
}

/// There is one process: whatever it called itself before is over.
fn end_others(connection: &Connection, node: Uuid) -> rusqlite::Result<usize> {
    let mut end = connection.prepare_cached(
        "-- end_others
        update nodes
        set lease_until = 0
        where lease_until is null
            and id <> ?",
    )?;
    end.execute([node.as_bytes()])
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
fn add_unknown_owners(connection: &Connection) -> rusqlite::Result<usize> {
    connection.prepare_cached(ADD_UNKNOWN_OWNERS)?.execute([now().0])
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

pub(super) async fn leave(writer: &Writer, node: Uuid) -> Result<(), StoreError> {
    writer
        .transaction(move |connection| {
            let mut leave = connection.prepare_cached(
                "-- leave
                update nodes
                set lease_until = 0
                where id = ?
                    and lease_until is null",
            )?;
            let ended = leave.execute([node.as_bytes()])?;
            Ok(if ended > 0 { Work::Wrote(()) } else { Work::Untouched(()) })
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
pub(super) fn tidy_nodes(connection: &Connection, before: Time, limit: u32) -> rusqlite::Result<usize> {
    let mut tidy = connection.prepare_cached(
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
    )?;
    tidy.execute(params![before.0, limit])
}

/// The database is this process, so its time is that of the system.
fn now() -> Time {
    Time(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
