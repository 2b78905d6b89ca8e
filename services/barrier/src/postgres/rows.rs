//! What the judge asks of PostgreSQL, each one statement. The twins of this file keep its names and its order.

use sqlx::PgConnection;

use crate::{
    Broken,
    sql::rows::{Key, New, Stored, Token, Verdict, Written},
};

/// The fence, if it stands at this epoch or above.
pub(crate) async fn fence_at_least(tx: &mut PgConnection, saga: &str, epoch: i64) -> Result<Option<i64>, Broken> {
    // A fence that stands lower is not locked here: two that both mean to raise it would wait for each other for ever.
    let highest = sqlx::query_scalar(
        "-- barrier_fence_at_least
        select epoch
        from barrier_fence
        where saga = $1 and epoch >= $2
        for share",
    )
    .bind(saga)
    .bind(epoch)
    .fetch_optional(tx)
    .await?;
    Ok(highest)
}

/// Raises the fence if it stands lower; where it stands now.
pub(crate) async fn fence_raise(tx: &mut PgConnection, saga: &str, epoch: i64) -> Result<i64, Broken> {
    let highest = sqlx::query_scalar(
        "-- barrier_fence_raise
        insert into barrier_fence (saga, epoch)
        values ($1, $2)
        on conflict (saga) do update
        set epoch = greatest(barrier_fence.epoch, excluded.epoch)
        returning epoch",
    )
    .bind(saga)
    .bind(epoch)
    .fetch_one(tx)
    .await?;
    Ok(highest)
}

/// Claims the row by inserting it, which waits for whoever has it and is not at his end; whether it was free.
pub(crate) async fn call_claim(tx: &mut PgConnection, key: &Key, new: &New) -> Result<bool, Broken> {
    let result = sqlx::query(
        "-- barrier_call_claim
        insert into barrier_call (saga, step, item, op, state, digest, epoch, attempt, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict (saga, step, item, op) do nothing",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .bind(new.state)
    .bind(new.digest.as_deref())
    .bind(new.epoch)
    .bind(new.attempt)
    .bind(new.at)
    .execute(tx)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// The row, which nobody else can change from now on.
pub(crate) async fn call_get(tx: &mut PgConnection, key: &Key) -> Result<Option<Stored>, Broken> {
    let stored = sqlx::query_as(
        "-- barrier_call_get
        select state, digest, epoch, attempt, status, body
        from barrier_call
        where saga = $1 and step = $2 and item = $3 and op = $4
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

pub(crate) async fn call_judge(tx: &mut PgConnection, key: &Key, verdict: &Verdict) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_call_judge
        update barrier_call
        set state = $1, epoch = $2, attempt = $3, status = $4, body = $5, at = $6
        where saga = $7 and step = $8 and item = $9 and op = $10",
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
pub(crate) async fn call_bury(tx: &mut PgConnection, key: &Key, at: i64) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_call_bury
        update barrier_call
        set state = 'tombstone', at = $1
        where saga = $2 and step = $3 and item = $4 and op = $5",
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
pub(crate) async fn token_keep(tx: &mut PgConnection, key: &Key, token: Token<'_>) -> Result<(), Broken> {
    sqlx::query(
        "-- barrier_callback_keep
        insert into barrier_callback (saga, step, item, token)
        values ($1, $2, $3, $4)
        on conflict (saga, step, item) do update
        set token = excluded.token",
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
pub(crate) async fn token_drop(tx: &mut PgConnection, key: &Key) -> Result<(), Broken> {
    sqlx::query(
        "-- barrier_callback_drop
        delete from barrier_callback
        where saga = $1 and step = $2 and item = $3",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn ledger_write(tx: &mut PgConnection, key: &Key, written: &Written) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- barrier_ledger_write
        insert into barrier_ledger (saga, step, item, op, effect, epoch, attempt, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)",
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
