//! The statements on SQLite. The twin of this file keeps its names and its order.

use amends_barrier::{Broken, http::Page};
use sqlx::{SqliteConnection, SqlitePool};

use crate::{
    account::{Account, Wanted},
    entry::{Entry, Kind, NewEntry},
};

pub(crate) async fn account_set(tx: &mut SqliteConnection, id: &str, wanted: Wanted) -> Result<Account, Broken> {
    let account = sqlx::query_as(
        "-- account_set
        insert into account (id, balance, frozen)
        values ($1, $2, $3)
        on conflict (id) do update
        set balance = excluded.balance, frozen = excluded.frozen
        returning seq, id, balance, frozen",
    )
    .bind(id)
    .bind(wanted.balance)
    .bind(wanted.frozen)
    .fetch_one(tx)
    .await?;
    Ok(account)
}

/// The one writer has the lock on everything.
pub(crate) async fn account_get_locked(tx: &mut SqliteConnection, id: &str) -> Result<Option<Account>, Broken> {
    let account = sqlx::query_as(
        "-- account_get_locked
        select seq, id, balance, frozen
        from account
        where id = $1",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?;
    Ok(account)
}

pub(crate) async fn account_get(store: &SqlitePool, id: &str) -> Result<Option<Account>, Broken> {
    let account = sqlx::query_as(
        "-- account_get
        select seq, id, balance, frozen
        from account
        where id = $1",
    )
    .bind(id)
    .fetch_optional(store)
    .await?;
    Ok(account)
}

pub(crate) async fn account_set_balance(tx: &mut SqliteConnection, id: &str, balance: i64) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- account_set_balance
        update account
        set balance = $1
        where id = $2",
    )
    .bind(balance)
    .bind(id)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn account_list(store: &SqlitePool, page: Page) -> Result<Vec<Account>, Broken> {
    let accounts = sqlx::query_as(
        "-- account_list
        select seq, id, balance, frozen
        from account
        where seq > $1
        order by seq
        limit $2",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store)
    .await?;
    Ok(accounts)
}

pub(crate) async fn entry_add(tx: &mut SqliteConnection, kind: Kind, id: &str, new: &NewEntry) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- entry_add
        insert into entry (id, kind, reference, account, amount, status)
        values ($1, $2, $3, $4, $5, 'applied')",
    )
    .bind(id)
    .bind(kind.as_str())
    .bind(&new.reference)
    .bind(&new.account)
    .bind(new.amount)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

/// Whose it was, and how much; `None`: there is none that stands.
pub(crate) async fn entry_reverse(
    tx: &mut SqliteConnection,
    kind: Kind,
    id: &str,
    reference: &str,
) -> Result<Option<(String, i64)>, Broken> {
    let reversed = sqlx::query_as(
        "-- entry_reverse
        update entry
        set status = 'reversed'
        where id = $1 and kind = $2 and reference = $3 and status = 'applied'
        returning account, amount",
    )
    .bind(id)
    .bind(kind.as_str())
    .bind(reference)
    .fetch_optional(tx)
    .await?;
    Ok(reversed)
}

pub(crate) async fn entry_list(store: &SqlitePool, kind: Option<Kind>, page: Page) -> Result<Vec<Entry>, Broken> {
    let entries = sqlx::query_as(
        "-- entry_list
        select seq, id, kind, reference, account, amount, status
        from entry
        where kind = coalesce($1, kind) and seq > $2
        order by seq
        limit $3",
    )
    .bind(kind.map(Kind::as_str))
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store)
    .await?;
    Ok(entries)
}
