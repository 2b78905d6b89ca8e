//! What the judge asks of MariaDB, each one statement. The twins of this file keep its names and its order.

use sqlx::MySqlConnection;

use crate::{
    Broken,
    sql::rows::{Key, New, Stored, Token, Verdict, Written},
};

/// The fence, if it stands at this epoch or above.
pub(crate) async fn fence_at_least(tx: &mut MySqlConnection, saga: &str, epoch: i64) -> Result<Option<i64>, Broken> {
    // A fence that stands lower is not needed locked: whoever means to raise it takes the exclusive lock at once.
    let highest = sqlx::query_scalar(
        "-- barrier_fence_at_least
        select epoch
        from barrier_fence
        where saga = ? and epoch >= ?
        lock in share mode",
    )
    .bind(saga)
    .bind(epoch)
    .fetch_optional(tx)
    .await?;
    Ok(highest)
}

/// Raises the fence if it stands lower; where it stands now.
pub(crate) async fn fence_raise(tx: &mut MySqlConnection, saga: &str, epoch: i64) -> Result<i64, Broken> {
    sqlx::query(
        "-- barrier_fence_raise
        insert into barrier_fence (saga, epoch)
        values (?, ?)
        on duplicate key update epoch = greatest(epoch, values(epoch))",
    )
    .bind(saga)
    .bind(epoch)
    .execute(&mut *tx)
    .await?;
    let highest = sqlx::query_scalar(
        "-- barrier_fence_get
        select epoch
        from barrier_fence
        where saga = ?",
    )
    .bind(saga)
    .fetch_one(tx)
    .await?;
    Ok(highest)
}

/// Claims the row by inserting it, which waits for whoever has it and is not at his end; whether it was free.
///
/// Not `insert ignore`, which takes every other error for a warning, and a shared lock on the row that is there: two that
/// then want to change it wait for each other for ever. Nor does the count tell: the client asks for rows found, not changed.
/// But what is committed is never `open`.
pub(crate) async fn call_claim(tx: &mut MySqlConnection, key: &Key, new: &New) -> Result<bool, Broken> {
    sqlx::query(
        "-- barrier_call_claim
        insert into barrier_call (saga, step, item, op, state, digest, epoch, attempt, at)
        values (?, ?, ?, ?, 'open', ?, ?, ?, ?)
        on duplicate key update saga = saga",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .bind(new.digest.as_deref())
    .bind(new.epoch)
    .bind(new.attempt)
    .bind(new.at)
    .execute(&mut *tx)
    .await?;
    let free = sqlx::query_scalar(
        "-- barrier_call_is_open
        select state = 'open'
        from barrier_call
        where saga = ? and step = ? and item = ? and op = ?",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .fetch_one(tx)
    .await?;
    Ok(free)
}

/// The row, which nobody else can change from now on.
pub(crate) async fn call_get(tx: &mut MySqlConnection, key: &Key) -> Result<Option<Stored>, Broken> {
    let stored = sqlx::query_as(
        "-- barrier_call_get
        select state, digest, epoch, attempt, status, body
        from barrier_call
        where saga = ? and step = ? and item = ? and op = ?
        for update",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .fetch_optional(tx)
    .await?;
    Ok(stored)
}

pub(crate) async fn call_judge(tx: &mut MySqlConnection, key: &Key, verdict: &Verdict) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_call_judge
        update barrier_call
        set state = ?, epoch = ?, attempt = ?, status = ?, body = ?, at = ?
        where saga = ? and step = ? and item = ? and op = ?",
    )
    .bind(verdict.state)
    .bind(verdict.epoch)
    .bind(verdict.attempt)
    .bind(verdict.status)
    .bind(verdict.body.as_ref())
    .bind(verdict.at)
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

/// Digest and reply stay, for those who look back.
pub(crate) async fn call_bury(tx: &mut MySqlConnection, key: &Key, at: i64) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_call_bury
        update barrier_call
        set state = 'tombstone', at = ?
        where saga = ? and step = ? and item = ? and op = ?",
    )
    .bind(at)
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

/// Every attempt brings the same token.
pub(crate) async fn token_keep(tx: &mut MySqlConnection, key: &Key, token: Token<'_>) -> Result<(), Broken> {
    sqlx::query(
        "-- barrier_callback_keep
        insert into barrier_callback (saga, step, item, token)
        values (?, ?, ?, ?)
        on duplicate key update token = values(token)",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(token.0)
    .execute(tx)
    .await?;
    Ok(())
}

/// There is nothing to tell any more, if there was.
pub(crate) async fn token_drop(tx: &mut MySqlConnection, key: &Key) -> Result<(), Broken> {
    sqlx::query(
        "-- barrier_callback_drop
        delete from barrier_callback
        where saga = ? and step = ? and item = ?",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn ledger_write(tx: &mut MySqlConnection, key: &Key, written: &Written) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_ledger_write
        insert into barrier_ledger (saga, step, item, op, effect, epoch, attempt, at)
        values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .bind(written.effect)
    .bind(written.epoch)
    .bind(written.attempt)
    .bind(written.at)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}
