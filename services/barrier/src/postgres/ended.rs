//! What letting go asks of PostgreSQL, each one statement. The twins of this file keep its names and its order.

use sqlx::PgConnection;

use crate::Broken;

/// Waits for calls that are about to make a fence for one of these sagas. The caller takes back what it inserts.
pub(crate) async fn fences_settle(tx: &mut PgConnection, sagas: &[String]) -> Result<(), Broken> {
    sqlx::query(
        "-- barrier_fence_settle
        insert into barrier_fence (saga, epoch)
        select saga, 1
        from unnest($1::text[]) as named (saga)
        order by saga
        on conflict (saga) do nothing",
    )
    .bind(sagas)
    .execute(tx)
    .await?;
    Ok(())
}

/// All sagas that there are.
pub(crate) async fn fences_list(tx: &mut PgConnection) -> Result<Vec<String>, Broken> {
    Ok(sqlx::query_scalar("-- barrier_fence_list\nselect saga from barrier_fence").fetch_all(tx).await?)
}

/// Those of them that have a fence, and that no call can be judged for until the end of this transaction.
pub(crate) async fn fences_lock(tx: &mut PgConnection, sagas: &[String]) -> Result<Vec<String>, Broken> {
    let locked = sqlx::query_scalar(
        "-- barrier_fence_lock
        select saga
        from barrier_fence
        where saga = any($1)
        order by saga
        for update",
    )
    .bind(sagas)
    .fetch_all(tx)
    .await?;
    Ok(locked)
}

pub(crate) async fn ended_mark(tx: &mut PgConnection, sagas: &[String], at: i64) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_ended_mark
        insert into barrier_ended (saga, at)
        select saga, $1
        from barrier_fence
        where saga = any($2)
        on conflict (saga) do nothing",
    )
    .bind(at)
    .bind(sagas)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

/// Marked until then, the oldest first.
pub(crate) async fn ended_due(tx: &mut PgConnection, until: i64, limit: i64) -> Result<Vec<String>, Broken> {
    let due = sqlx::query_scalar(
        "-- barrier_ended_due
        select saga
        from barrier_ended
        where at <= $1
        order by at, saga
        limit $2",
    )
    .bind(until)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    Ok(due)
}

/// How many rows each of them has; those without any are not named.
pub(crate) async fn calls_count(tx: &mut PgConnection, sagas: &[String]) -> Result<Vec<(String, i64)>, Broken> {
    let counts = sqlx::query_as(
        "-- barrier_call_count
        select saga, count(*)
        from barrier_call
        where saga = any($1)
        group by saga",
    )
    .bind(sagas)
    .fetch_all(tx)
    .await?;
    Ok(counts)
}

pub(crate) async fn calls_forget(tx: &mut PgConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_call_forget
        delete from barrier_call
        where saga = any($1)",
    )
    .bind(sagas)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn callbacks_forget(tx: &mut PgConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_callback_forget
        delete from barrier_callback
        where saga = any($1)",
    )
    .bind(sagas)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn fences_forget(tx: &mut PgConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_fence_forget
        delete from barrier_fence
        where saga = any($1)",
    )
    .bind(sagas)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn ended_forget(tx: &mut PgConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_ended_forget
        delete from barrier_ended
        where saga = any($1)",
    )
    .bind(sagas)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}
