//! The statements on MariaDB. The twin of this file keeps its names and its order.

use amends_barrier::{Broken, http::Page, touched};
use sqlx::{MySqlConnection, MySqlPool};

use crate::{
    account::{Account, Wanted},
    entry::{Entry, Kind, NewEntry},
};

pub(crate) async fn account_set(tx: &mut MySqlConnection, id: &str, wanted: Wanted) -> Result<Account, Broken> {
    sqlx::query(
        "-- account_set
        insert into account (id, balance, frozen)
        values (?, ?, ?)
        on duplicate key update balance = values(balance), frozen = values(frozen)",
    )
    .bind(id)
    .bind(wanted.balance)
    .bind(wanted.frozen)
    .execute(&mut *tx)
    .await?;
    account_get_locked(tx, id).await?.ok_or_else(|| Broken::Corrupt(format!("account {id} was set and is not there")))
}

pub(crate) async fn account_get_locked(tx: &mut MySqlConnection, id: &str) -> Result<Option<Account>, Broken> {
    let account = sqlx::query_as(
        "-- account_get_locked
        select seq, id, balance, frozen
        from account
        where id = ?
        for update",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?;
    Ok(account)
}

pub(crate) async fn account_get(store: &MySqlPool, id: &str) -> Result<Option<Account>, Broken> {
    let account = sqlx::query_as(
        "-- account_get
        select seq, id, balance, frozen
        from account
        where id = ?",
    )
    .bind(id)
    .fetch_optional(store)
    .await?;
    Ok(account)
}

pub(crate) async fn account_set_balance(tx: &mut MySqlConnection, id: &str, balance: i64) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- account_set_balance
        update account
        set balance = ?
        where id = ?",
    )
    .bind(balance)
    .bind(id)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn account_list(store: &MySqlPool, page: Page) -> Result<Vec<Account>, Broken> {
    let accounts = sqlx::query_as(
        "-- account_list
        select seq, id, balance, frozen
        from account
        where seq > ?
        order by seq
        limit ?",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store)
    .await?;
    Ok(accounts)
}

pub(crate) async fn entry_add(tx: &mut MySqlConnection, kind: Kind, id: &str, new: &NewEntry) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- entry_add
        insert into entry (id, kind, reference, account, amount, status)
        values (?, ?, ?, ?, ?, 'applied')",
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
    tx: &mut MySqlConnection,
    kind: Kind,
    id: &str,
    reference: &str,
) -> Result<Option<(String, i64)>, Broken> {
    let standing = sqlx::query_as::<_, (String, i64)>(
        "-- entry_get_standing
        select account, amount
        from entry
        where id = ? and kind = ? and reference = ? and status = 'applied'
        for update",
    )
    .bind(id)
    .bind(kind.as_str())
    .bind(reference)
    .fetch_optional(&mut *tx)
    .await?;
    if standing.is_some() {
        let result = sqlx::query(
            "-- entry_reverse
            update entry
            set status = 'reversed'
            where id = ?",
        )
        .bind(id)
        .execute(tx)
        .await?;
        touched(result.rows_affected(), "entry_reverse", 1)?;
    }
    Ok(standing)
}

pub(crate) async fn entry_list(store: &MySqlPool, kind: Option<Kind>, page: Page) -> Result<Vec<Entry>, Broken> {
    let entries = sqlx::query_as(
        "-- entry_list
        select seq, id, kind, reference, account, amount, status
        from entry
        where kind = coalesce(?, kind) and seq > ?
        order by seq
        limit ?",
    )
    .bind(kind.map(Kind::as_str))
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store)
    .await?;
    Ok(entries)
}
