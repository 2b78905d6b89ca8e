//! What moves money: `applied → reversed`. Charges and withdrawals take from an account, deposits give to it.

use amends_barrier::{
    Broken, Problem, Reply, Tx, Verdict,
    http::{Page, check_id},
    sql::Readers,
    touched,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    account::{self, BALANCE_MAX},
    mysql, sqlite,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Charge,
    Withdrawal,
    Deposit,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Withdrawal => "withdrawal",
            Self::Deposit => "deposit",
        }
    }

    /// What the entry refers to, and who pays, in the words of its bodies.
    fn fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Charge => ("order", "customer"),
            Self::Withdrawal | Self::Deposit => ("transfer", "account"),
        }
    }

    /// What `amount` does to the balance.
    fn change(self, amount: i64) -> i64 {
        match self {
            Self::Charge | Self::Withdrawal => -amount,
            Self::Deposit => amount,
        }
    }
}

/// The body of `POST /charges`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCharge {
    order: String,
    customer: String,
    amount: i64,
}

/// The body of `POST /withdrawals` and `POST /deposits`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMovement {
    transfer: String,
    account: String,
    amount: i64,
}

/// Either of them.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) reference: String,
    pub(crate) account: String,
    pub(crate) amount: i64,
}

impl From<NewCharge> for NewEntry {
    fn from(new: NewCharge) -> Self {
        Self { reference: new.order, account: new.customer, amount: new.amount }
    }
}

impl From<NewMovement> for NewEntry {
    fn from(new: NewMovement) -> Self {
        Self { reference: new.transfer, account: new.account, amount: new.amount }
    }
}

/// What a compensation reads of its action's reply: which entry it was.
#[derive(Debug, Deserialize)]
struct Made {
    id: String,
}

/// An entry as it is shown.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct Entry {
    #[serde(skip)]
    seq: i64,
    id: String,
    kind: String,
    reference: String,
    account: String,
    amount: i64,
    status: String,
}

pub(crate) async fn make(tx: &mut Tx, kind: Kind, new: NewEntry) -> Result<Verdict, Broken> {
    let (reference_field, account_field) = kind.fields();
    if let Err(detail) = check_id(reference_field, &new.reference).and(check_id(account_field, &new.account)) {
        return Ok(Problem::invalid(detail).refuse());
    }
    if !(1..=BALANCE_MAX).contains(&new.amount) {
        return Ok(Problem::invalid(format!("amount: expected 1 to {BALANCE_MAX}")).refuse());
    }
    let Some(account) = account::find_locked(tx, &new.account).await? else {
        return Ok(Problem::not_found(format!("there is no account {}", new.account)).refuse());
    };
    if account.frozen {
        let detail = format!("account {} is frozen", new.account);
        return Ok(Problem::conflict("account-frozen", detail).refuse());
    }
    let balance = account.balance + kind.change(new.amount);
    if balance < 0 {
        let detail =
            format!("insufficient funds: {} wanted, {} on account {}", new.amount, account.balance, new.account);
        return Ok(Problem::new(StatusCode::PAYMENT_REQUIRED, "insufficient-funds", detail).refuse());
    }
    if balance > BALANCE_MAX {
        return Ok(Problem::conflict("account-full", format!("an account holds {BALANCE_MAX} at most")).refuse());
    }
    account::set_balance(tx, &new.account, balance).await?;
    let id = Uuid::now_v7().to_string();
    add(tx, kind, &id, &new).await?;
    Ok(Verdict::created(&json!({
        "id": id,
        reference_field: new.reference,
        account_field: new.account,
        "amount": new.amount,
        "balance": balance,
    })))
}

async fn add(tx: &mut Tx, kind: Kind, id: &str, new: &NewEntry) -> Result<(), Broken> {
    let added = match tx {
        Tx::Sqlite(tx) => sqlite::entry_add(tx, kind, id, new).await?,
        Tx::Mysql(tx) => mysql::entry_add(tx, kind, id, new).await?,
        other => return Err(other.foreign()),
    };
    touched(added, "entry_add", 1)
}

/// A frozen account can have its past undone: otherwise a saga could never come to its end.
pub(crate) async fn reverse(tx: &mut Tx, kind: Kind, reference: String, made: Reply) -> Result<Verdict, Broken> {
    let id = made.json::<Made>()?.id;
    let reversed = match tx {
        Tx::Sqlite(tx) => sqlite::entry_reverse(tx, kind, &id, &reference).await?,
        Tx::Mysql(tx) => mysql::entry_reverse(tx, kind, &id, &reference).await?,
        other => return Err(other.foreign()),
    };
    let Some((holder, amount)) = reversed else {
        let detail = format!("{} {id} does not stand for {} {reference}", kind.as_str(), kind.fields().0);
        return Ok(Problem::conflict("not-applied", detail).refuse());
    };
    let account = account::find_locked(tx, &holder).await?;
    let account = account.ok_or_else(|| Broken::Corrupt(format!("entry {id} has no account")))?;
    let balance = account.balance - kind.change(amount);
    if !(0..=BALANCE_MAX).contains(&balance) {
        let detail = format!("account {holder} holds {}, so {amount} cannot be reversed", account.balance);
        return Ok(Problem::conflict("insufficient-funds", detail).refuse());
    }
    account::set_balance(tx, &holder, balance).await?;
    Ok(Verdict::ok(&json!({ "id": id, "amount": amount, "balance": balance, "status": "reversed" })))
}

pub(crate) async fn list(store: Readers<'_>, kind: Option<Kind>, page: Page) -> Result<Vec<(i64, Entry)>, Broken> {
    let entries = match store {
        Readers::Sqlite(store) => sqlite::entry_list(store, kind, page).await?,
        Readers::Mysql(store) => mysql::entry_list(store, kind, page).await?,
        other => return Err(other.foreign()),
    };
    Ok(entries.into_iter().map(|entry| (entry.seq, entry)).collect())
}
