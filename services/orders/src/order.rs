//! The order: `pending → confirmed | rejected`, and nothing after that.

use amends_barrier::{
    Broken, Problem, Tx, Verdict,
    http::{Page, check_id},
    sql::Readers,
    touched,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use crate::{postgres, sqlite};

/// The body of `POST /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) sku: Option<String>,
    pub(crate) quantity: Option<i64>,
    /// Minor units.
    pub(crate) amount: Option<i64>,
}

/// The body of a confirmation, which may be missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    tracking: Option<String>,
}

/// An order as it is shown.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct Order {
    #[serde(skip)]
    seq: i64,
    id: String,
    customer: String,
    sku: Option<String>,
    quantity: Option<i64>,
    amount: Option<i64>,
    status: String,
    tracking: Option<String>,
}

impl NewOrder {
    fn check(&self) -> Result<(), String> {
        check_id("id", &self.id)?;
        check_id("customer", &self.customer)?;
        if let Some(sku) = &self.sku {
            check_id("sku", sku)?;
        }
        match (self.quantity, self.amount) {
            (Some(..=0), _) => Err("quantity: expected a number from 1".to_owned()),
            (_, Some(..=-1)) => Err("amount: expected a number from 0".to_owned()),
            _ => Ok(()),
        }
    }
}

pub(crate) async fn open(tx: &mut Tx, new: NewOrder) -> Result<Verdict, Broken> {
    if let Err(detail) = new.check() {
        return Ok(Problem::invalid(detail).refuse());
    }
    let added = match tx {
        Tx::Sqlite(tx) => sqlite::order_open(tx, &new).await?,
        Tx::Postgres(tx) => postgres::order_open(tx, &new).await?,
        other => return Err(other.foreign()),
    };
    if added == 0 {
        return Ok(Problem::conflict("order-exists", format!("there is an order {} already", new.id)).refuse());
    }
    touched(added, "order_open", 1)?;
    Ok(Verdict::created(&json!({ "id": new.id, "status": "pending" })))
}

pub(crate) async fn confirm(tx: &mut Tx, id: String, confirmation: Option<Confirmation>) -> Result<Verdict, Broken> {
    let tracking = confirmation.and_then(|confirmation| confirmation.tracking);
    if tracking.as_ref().is_some_and(|tracking| tracking.contains(char::is_control)) {
        return Ok(Problem::invalid("tracking: expected no control characters").refuse());
    }
    end(tx, &id, "confirmed", tracking).await
}

pub(crate) async fn reject(tx: &mut Tx, id: String) -> Result<Verdict, Broken> {
    end(tx, &id, "rejected", None).await
}

/// Only a pending order has an end to choose.
async fn end(tx: &mut Tx, id: &str, status: &'static str, tracking: Option<String>) -> Result<Verdict, Broken> {
    let ended = match tx {
        Tx::Sqlite(tx) => sqlite::order_end(tx, id, status, tracking.as_deref()).await?,
        Tx::Postgres(tx) => postgres::order_end(tx, id, status, tracking.as_deref()).await?,
        other => return Err(other.foreign()),
    };
    if ended == 0 {
        let found = match tx {
            Tx::Sqlite(tx) => sqlite::order_get(&mut **tx, id).await?,
            Tx::Postgres(tx) => postgres::order_get(&mut **tx, id).await?,
            other => return Err(other.foreign()),
        };
        return Ok(match found {
            Some(order) => {
                let detail = format!("order {id} is {}, so it cannot become {status}", order.status);
                Problem::conflict("order-ended", detail).refuse()
            }
            None => Problem::not_found(format!("there is no order {id}")).refuse(),
        });
    }
    touched(ended, "order_end", 1)?;
    Ok(Verdict::ok(&json!({ "id": id, "status": status, "tracking": tracking })))
}

pub(crate) async fn find(store: Readers<'_>, id: &str) -> Result<Option<Order>, Broken> {
    match store {
        Readers::Sqlite(store) => sqlite::order_get(store, id).await,
        Readers::Postgres(store) => postgres::order_get(store, id).await,
        other => Err(other.foreign()),
    }
}

pub(crate) async fn list(store: Readers<'_>, page: Page) -> Result<Vec<(i64, Order)>, Broken> {
    let orders = match store {
        Readers::Sqlite(store) => sqlite::order_list(store, page).await?,
        Readers::Postgres(store) => postgres::order_list(store, page).await?,
        other => return Err(other.foreign()),
    };
    Ok(orders.into_iter().map(|order| (order.seq, order)).collect())
}
