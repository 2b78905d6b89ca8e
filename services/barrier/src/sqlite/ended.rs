//! What letting go asks of SQLite, each one statement. The twins of this file keep its names and its order.

use sqlx::SqliteConnection;

use crate::Broken;

/// Waits for calls that are about to make a fence for one of these sagas: here nobody else has a transaction.
pub(crate) async fn fences_settle(_: &mut SqliteConnection, _: &[String]) -> Result<(), Broken> {
    Ok(())
}

/// All sagas that there are.
pub(crate) async fn fences_list(tx: &mut SqliteConnection) -> Result<Vec<String>, Broken> {
    Ok(sqlx::query_scalar("-- barrier_fence_list\nselect saga from barrier_fence").fetch_all(tx).await?)
}

/// Those of them that have a fence, and that no call can be judged for until the end of this transaction.
pub(crate) async fn fences_lock(tx: &mut SqliteConnection, sagas: &[String]) -> Result<Vec<String>, Broken> {
    let locked = sqlx::query_scalar(
        "-- barrier_fence_lock
        select saga
        from barrier_fence
        where saga in (select value from json_each($1))
        order by saga",
    )
    .bind(list(sagas)?)
    .fetch_all(tx)
    .await?;
    Ok(locked)
}

pub(crate) async fn ended_mark(tx: &mut SqliteConnection, sagas: &[String], at: i64) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_ended_mark
        insert into barrier_ended (saga, at)
        select saga, $1
        from barrier_fence
        where saga in (select value from json_each($2))
        on conflict (saga) do nothing",
    )
    .bind(at)
    .bind(list(sagas)?)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

/// Marked until then, the oldest first.
pub(crate) async fn ended_due(tx: &mut SqliteConnection, until: i64, limit: i64) -> Result<Vec<String>, Broken> {
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
pub(crate) async fn calls_count(tx: &mut SqliteConnection, sagas: &[String]) -> Result<Vec<(String, i64)>, Broken> {
    let counts = sqlx::query_as(
        "-- barrier_call_count
        select saga, count(*)
        from barrier_call
        where saga in (select value from json_each($1))
        group by saga",
    )
    .bind(list(sagas)?)
    .fetch_all(tx)
    .await?;
    Ok(counts)
}

pub(crate) async fn calls_forget(tx: &mut SqliteConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_call_forget
        delete from barrier_call
        where saga in (select value from json_each($1))",
    )
    .bind(list(sagas)?)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn callbacks_forget(tx: &mut SqliteConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_callback_forget
        delete from barrier_callback
        where saga in (select value from json_each($1))",
    )
    .bind(list(sagas)?)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn fences_forget(tx: &mut SqliteConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_fence_forget
        delete from barrier_fence
        where saga in (select value from json_each($1))",
    )
    .bind(list(sagas)?)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn ended_forget(tx: &mut SqliteConnection, sagas: &[String]) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_ended_forget
        delete from barrier_ended
        where saga in (select value from json_each($1))",
    )
    .bind(list(sagas)?)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

/// SQLite binds no lists; `json_each` reads one from a text.
fn list(sagas: &[String]) -> Result<String, Broken> {
    serde_json::to_string(sagas).map_err(|error| Broken::Corrupt(error.to_string()))
}
