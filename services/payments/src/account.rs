//! The account. Seeding it belongs to no saga.

use amends_barrier::{Broken, http::Page, sqlite::touched};
use serde::{Deserialize, Serialize};
use sqlx::{Executor, FromRow, Sqlite, SqliteConnection, SqlitePool};

/// In minor units. Far from the end of an integer, and an integer that JSON keeps exact everywhere.
pub(crate) const BALANCE_MAX: i64 = 1_000_000_000_000_000;

/// The body of `PUT /accounts/{id}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    balance: i64,
    #[serde(default)]
    frozen: bool,
}

impl Wanted {
    pub(crate) fn check(self) -> Result<(), String> {
        if (0..=BALANCE_MAX).contains(&self.balance) {
            return Ok(());
        }
        Err(format!("balance: expected 0 to {BALANCE_MAX}"))
    }
}

/// An account as it is shown.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct Account {
    #[serde(skip)]
    seq: i64,
    id: String,
    pub(crate) balance: i64,
    pub(crate) frozen: bool,
}

pub(crate) async fn set(tx: &mut SqliteConnection, id: String, wanted: Wanted) -> Result<Account, Broken> {
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

pub(crate) async fn find<'c>(store: impl Executor<'c, Database = Sqlite>, id: &str) -> Result<Option<Account>, Broken> {
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

/// The caller has looked: the balance that comes out is allowed.
pub(crate) async fn set_balance(tx: &mut SqliteConnection, id: &str, balance: i64) -> Result<(), Broken> {
    let result = sqlx::query(
        "-- account_set_balance
        update account
        set balance = $2
        where id = $1",
    )
    .bind(id)
    .bind(balance)
    .execute(tx)
    .await?;
    touched(&result, "account_set_balance", 1)
}

pub(crate) async fn list(store: &SqlitePool, page: Page) -> Result<Vec<(i64, Account)>, Broken> {
    let accounts = sqlx::query_as::<_, Account>(
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
    Ok(accounts.into_iter().map(|account| (account.seq, account)).collect())
}
