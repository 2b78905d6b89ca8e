//! What is read outside of any transaction. The twins of this file keep its names and its order.

use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    Broken,
    due::DueRow,
    http::Page,
    sql::rows::{Key, LedgerRow},
};

pub(crate) async fn callbacks_due(readers: &PgPool, limit: i64) -> Result<Vec<DueRow>, Broken> {
    let due = sqlx::query_as(
        "-- barrier_callback_due
        select barrier_callback.saga, barrier_callback.step, barrier_callback.item, token, state, body
        from barrier_callback
            join barrier_call using (saga, step, item)
        where op = 'action' and state in ('done', 'rejected')
        order by barrier_call.at
        limit $1",
    )
    .bind(limit)
    .fetch_all(readers)
    .await?;
    Ok(due)
}

/// Whether a committed row is there. Only a barrier whose insert-as-lock rule is broken asks.
pub(crate) async fn call_is_there(readers: &PgPool, key: &Key) -> Result<bool, Broken> {
    let rows = sqlx::query_scalar::<_, i64>(
        "-- barrier_call_is_there
        select count(*)
        from barrier_call
        where saga = $1 and step = $2 and item = $3 and op = $4",
    )
    .bind(&key.saga)
    .bind(&key.step)
    .bind(key.item)
    .bind(key.op)
    .fetch_one(readers)
    .await?;
    Ok(rows == 1)
}

pub(crate) async fn ledger_of_saga(readers: &PgPool, saga: Uuid, page: Page) -> Result<Vec<LedgerRow>, Broken> {
    let rows = sqlx::query_as(
        "-- barrier_ledger_of_saga
        select seq, saga, step, item, op, effect, epoch, attempt, at
        from barrier_ledger
        where saga = $1 and seq > $2
        order by seq
        limit $3",
    )
    .bind(saga.to_string())
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(readers)
    .await?;
    Ok(rows)
}

pub(crate) async fn ledger_list(readers: &PgPool, page: Page) -> Result<Vec<LedgerRow>, Broken> {
    let rows = sqlx::query_as(
        "-- barrier_ledger_list
        select seq, saga, step, item, op, effect, epoch, attempt, at
        from barrier_ledger
        where seq > $1
        order by seq
        limit $2",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(readers)
    .await?;
    Ok(rows)
}
