//! What letting go asks of MariaDB, each one statement. The twins of this file keep its names and its order.

use sqlx::{MySql, MySqlConnection, QueryBuilder};

use crate::Broken;

/// Waits for calls that are about to make a fence for one of these sagas. The caller takes back what it inserts.
pub(crate) async fn fences_settle(tx: &mut MySqlConnection, sagas: &[String]) -> Result<(), Broken> {
    // The order of the locks.
    let sagas = sagas.iter().collect::<std::collections::BTreeSet<_>>();
    let mut query = QueryBuilder::<MySql>::new("-- barrier_fence_settle\ninsert into barrier_fence (saga, epoch) ");
    query.push_values(sagas, |mut row, saga| {
        row.push_bind(saga).push("1");
    });
    query.push(" on duplicate key update saga = saga");
    query.build().execute(tx).await?;
    Ok(())
}

/// All sagas that there are.
pub(crate) async fn fences_list(tx: &mut MySqlConnection) -> Result<Vec<String>, Broken> {
    Ok(sqlx::query_scalar("-- barrier_fence_list\nselect saga from barrier_fence").fetch_all(tx).await?)
}

/// Those of them that have a fence, and that no call can be judged for until the end of this transaction.
pub(crate) async fn fences_lock(tx: &mut MySqlConnection, sagas: &[String]) -> Result<Vec<String>, Broken> {
    let mut query = among("-- barrier_fence_lock\nselect saga from barrier_fence where saga in (", sagas);
    query.push(" order by saga for update");
    Ok(query.build_query_scalar().fetch_all(tx).await?)
}

pub(crate) async fn ended_mark(tx: &mut MySqlConnection, sagas: &[String], at: i64) -> Result<u64, Broken> {
    let mut query =
        QueryBuilder::<MySql>::new("-- barrier_ended_mark\ninsert into barrier_ended (saga, at) select saga, ");
    query.push_bind(at).push(" from barrier_fence where saga in (");
    list(&mut query, sagas);
    query.push(" on duplicate key update saga = barrier_ended.saga");
    Ok(query.build().execute(tx).await?.rows_affected())
}

/// Marked until then, the oldest first.
pub(crate) async fn ended_due(tx: &mut MySqlConnection, until: i64, limit: i64) -> Result<Vec<String>, Broken> {
    let due = sqlx::query_scalar(
        "-- barrier_ended_due
        select saga
        from barrier_ended
        where at <= ?
        order by at, saga
        limit ?",
    )
    .bind(until)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    Ok(due)
}

/// How many rows each of them has; those without any are not named.
pub(crate) async fn calls_count(tx: &mut MySqlConnection, sagas: &[String]) -> Result<Vec<(String, i64)>, Broken> {
    let mut query = among("-- barrier_call_count\nselect saga, count(*) from barrier_call where saga in (", sagas);
    query.push(" group by saga");
    Ok(query.build_query_as().fetch_all(tx).await?)
}

pub(crate) async fn calls_forget(tx: &mut MySqlConnection, sagas: &[String]) -> Result<u64, Broken> {
    let mut query = among("-- barrier_call_forget\ndelete from barrier_call where saga in (", sagas);
    Ok(query.build().execute(tx).await?.rows_affected())
}

pub(crate) async fn callbacks_forget(tx: &mut MySqlConnection, sagas: &[String]) -> Result<u64, Broken> {
    let mut query = among("-- barrier_callback_forget\ndelete from barrier_callback where saga in (", sagas);
    Ok(query.build().execute(tx).await?.rows_affected())
}

pub(crate) async fn fences_forget(tx: &mut MySqlConnection, sagas: &[String]) -> Result<u64, Broken> {
    let mut query = among("-- barrier_fence_forget\ndelete from barrier_fence where saga in (", sagas);
    Ok(query.build().execute(tx).await?.rows_affected())
}

pub(crate) async fn ended_forget(tx: &mut MySqlConnection, sagas: &[String]) -> Result<u64, Broken> {
    let mut query = among("-- barrier_ended_forget\ndelete from barrier_ended where saga in (", sagas);
    Ok(query.build().execute(tx).await?.rows_affected())
}

/// MariaDB binds no lists, so each saga has its own place; a subselect over a list would read the whole table.
fn among(begin: &'static str, sagas: &[String]) -> QueryBuilder<MySql> {
    let mut query = QueryBuilder::new(begin);
    list(&mut query, sagas);
    query
}

fn list(query: &mut QueryBuilder<MySql>, sagas: &[String]) {
    let mut places = query.separated(", ");
    for saga in sagas {
        places.push_bind(saga.clone());
    }
    query.push(")");
}
