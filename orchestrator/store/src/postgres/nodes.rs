//! Which processes take part, and until when they may.
//!
//! A lease is given, prolonged and found to have ended by the database's time alone: no two processes have to agree on what
//! time it is. The only statements that ask a clock are those over leases.
//!
//! **What it must never know:** the time of this process.

use std::{sync::Arc, time::Duration};

use amends_core::time::Time;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    readers::Readers,
    rows,
    writer::{Writer, repeatable},
};
use crate::{Lease, NewNode, Node, StoreError};

/// Now, in the unit of every time.
macro_rules! now {
    () => {
        "(extract(epoch from now()) * 1000000)::bigint"
    };
}

pub(super) async fn join(writer: &Arc<Writer>, node: NewNode, lease: Duration) -> Result<Lease, StoreError> {
    let work = repeatable(move |connection, _again| {
        let node = node.clone();
        Box::pin(async move {
            let granted = add_node(connection, &node, lease).await?;
            add_unknown_owners(connection).await?;
            Ok(granted)
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

async fn add_node(connection: &mut PgConnection, node: &NewNode, lease: Duration) -> Result<Lease, sqlx::Error> {
    let granted = sqlx::query_scalar(concat!(
        "-- add_node
        with clock as (select ",
        now!(),
        " as now)
        insert into nodes (id, name, joined_at, lease_until)
        select $1, $2, now, now + $3
        from clock
        -- Asked again because the answer was lost; but an ended lease is never revived.
        on conflict (id) do update
        set lease_until = excluded.lease_until
        where nodes.lease_until > excluded.joined_at
        returning lease_until - $3"
    ))
    .bind(node.id)
    .bind(&*node.name)
    .bind(micros(lease))
    .fetch_optional(connection)
    .await?;
    Ok(lease_of(granted))
}

/// From owner to owner by the index, over all that one has at once.
pub(super) const ADD_UNKNOWN_OWNERS: &str = concat!(
    "-- add_unknown_owners
    with recursive owners (id) as (
        (
            select owner
            from sagas
            where ended_at is null
                and owner is not null
            order by owner
            limit 1
        )
        union all
        select (
            select owner
            from sagas
            where ended_at is null
                and owner > owners.id
            order by owner
            limit 1
        )
        from owners
        where owners.id is not null
    )
    insert into nodes (id, name, joined_at, lease_until)
    select id, 'unknown', ",
    now!(),
    ", 0
    from owners
    where id is not null
    on conflict (id) do nothing"
);

/// Owners that no lease was ever written for.
async fn add_unknown_owners(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(ADD_UNKNOWN_OWNERS).execute(connection).await?;
    Ok(())
}

pub(super) async fn renew(writer: &Arc<Writer>, node: Uuid, lease: Duration) -> Result<Lease, StoreError> {
    let work = repeatable(move |connection, _again| {
        Box::pin(async move {
            let granted = sqlx::query_scalar(concat!(
                "-- renew
                update nodes
                set lease_until = ",
                now!(),
                " + $2
                where id = $1
                    and lease_until > ",
                now!(),
                "
                returning lease_until - $2"
            ));
            let granted = granted.bind(node).bind(micros(lease)).fetch_optional(connection).await?;
            Ok(lease_of(granted))
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

fn lease_of(granted_at: Option<i64>) -> Lease {
    granted_at.map_or(Lease::Ended, |now| Lease::Granted { now: Time(now) })
}

/// A lease that is longer than a thousand years is one of a thousand years.
fn micros(lease: Duration) -> i64 {
    const LONGEST: i64 = 1000 * 365 * 86_400 * 1_000_000;
    i64::try_from(lease.as_micros()).unwrap_or(LONGEST).min(LONGEST)
}

pub(super) async fn leave(writer: &Arc<Writer>, node: Uuid) -> Result<(), StoreError> {
    let work = repeatable(move |connection, _again| {
        Box::pin(async move {
            sqlx::query(concat!(
                "-- leave
                update nodes
                set lease_until = ",
                now!(),
                "
                where id = $1
                    and lease_until > ",
                now!()
            ))
            .bind(node)
            .execute(connection)
            .await?;
            Ok(())
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

pub(super) async fn nodes(readers: &Readers) -> Result<Vec<Node>, StoreError> {
    let asked = || {
        sqlx::query(concat!(
            "-- nodes
            select id, name, joined_at, lease_until
            from nodes
            where lease_until > ",
            now!(),
            "
            order by id"
        ))
    };
    readers.rows(asked).await?.iter().map(rows::node).collect()
}

/// Nodes that are over and own nothing that lives; answers how many were deleted.
pub(super) async fn tidy_nodes(connection: &mut PgConnection, before: Time, limit: u32) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(concat!(
        "-- tidy_nodes
        delete from nodes
        where id in (
                select id
                from nodes
                where lease_until < $1
                    and not exists (
                        select 1
                        from sagas
                        where ended_at is null
                            and owner = nodes.id
                    )
                limit $2
            )
            -- Whatever `before` is: one that lives is not over.
            and lease_until <= ",
        now!()
    ))
    .bind(before.0)
    .bind(i64::from(limit))
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}
