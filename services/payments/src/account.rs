//! The account. Seeding it belongs to no saga.

use amends_barrier::{Broken, Tx, http::Page, sql::Readers, touched};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::{mysql, sqlite};

/// In minor units. Far from the end of an integer, and an integer that JSON keeps exact everywhere.
pub(crate) const BALANCE_MAX: i64 = 1_000_000_000_000_000;

/// The body of `PUT /accounts/{id}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) balance: i64,
    #[serde(default)]
    pub(crate) frozen: bool,
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

pub(crate) async fn set(tx: &mut Tx, id: String, wanted: Wanted) -> Result<Account, Broken> {
    match tx {
        Tx::Sqlite(tx) => sqlite::account_set(tx, &id, wanted).await,
        Tx::Mysql(tx) => mysql::account_set(tx, &id, wanted).await,
        other => Err(other.foreign()),
    }
}

/// For a change: nobody else changes it until the end of this transaction.
pub(crate) async fn find_locked(tx: &mut Tx, id: &str) -> Result<Option<Account>, Broken> {
    match tx {
        Tx::Sqlite(tx) => sqlite::account_get_locked(tx, id).await,
        Tx::Mysql(tx) => mysql::account_get_locked(tx, id).await,
        other => Err(other.foreign()),
    }
}

/// The caller has looked: the balance that comes out is allowed.
pub(crate) async fn set_balance(tx: &mut Tx, id: &str, balance: i64) -> Result<(), Broken> {
    let found = match tx {
        Tx::Sqlite(tx) => sqlite::account_set_balance(tx, id, balance).await?,
        Tx::Mysql(tx) => mysql::account_set_balance(tx, id, balance).await?,
        other => return Err(other.foreign()),
    };
    touched(found, "account_set_balance", 1)
}

pub(crate) async fn find(store: Readers<'_>, id: &str) -> Result<Option<Account>, Broken> {
    match store {
        Readers::Sqlite(store) => sqlite::account_get(store, id).await,
        Readers::Mysql(store) => mysql::account_get(store, id).await,
        other => Err(other.foreign()),
    }
}

pub(crate) async fn list(store: Readers<'_>, page: Page) -> Result<Vec<(i64, Account)>, Broken> {
    let accounts = match store {
        Readers::Sqlite(store) => sqlite::account_list(store, page).await?,
        Readers::Mysql(store) => mysql::account_list(store, page).await?,
        other => return Err(other.foreign()),
    };
    Ok(accounts.into_iter().map(|account| (account.seq, account)).collect())
}
