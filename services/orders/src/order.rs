//! The order: `pending → confirmed | rejected`, and nothing after that.

use amends_barrier::{
    Broken, Problem, Verdict,
    http::{Page, check_id},
    sqlite::touched,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection, SqlitePool};

/// The body of `POST /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    id: String,
    customer: String,
    sku: Option<String>,
    quantity: Option<i64>,
    /// Minor units.
    amount: Option<i64>,
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

pub(crate) async fn open(tx: &mut SqliteConnection, new: NewOrder) -> Result<Verdict, Broken> {
    if let Err(detail) = new.check() {
        return Ok(Problem::invalid(detail).refuse());
    }
    let result = sqlx::query(
        "-- order_open
        insert into orders (id, customer, sku, quantity, amount, status)
        values ($1, $2, $3, $4, $5, 'pending')
        on conflict (id) do nothing",
    )
    .bind(&new.id)
    .bind(new.customer)
    .bind(new.sku)
    .bind(new.quantity)
    .bind(new.amount)
    .execute(tx)
    .await?;
    if result.rows_affected() == 0 {
        return Ok(Problem::conflict("order-exists", format!("there is an order {} already", new.id)).refuse());
    }
    touched(&result, "order_open", 1)?;
    Ok(Verdict::created(&json!({ "id": new.id, "status": "pending" })))
}

pub(crate) async fn confirm(
    tx: &mut SqliteConnection,
    id: String,
    confirmation: Option<Confirmation>,
) -> Result<Verdict, Broken> {
    let tracking = confirmation.and_then(|confirmation| confirmation.tracking);
    end(tx, &id, "confirmed", tracking).await
}

pub(crate) async fn reject(tx: &mut SqliteConnection, id: String) -> Result<Verdict, Broken> {
    end(tx, &id, "rejected", None).await
}

/// Only a pending order has an end to choose.
async fn end(
    tx: &mut SqliteConnection,
    id: &str,
    status: &'static str,
    tracking: Option<String>,
) -> Result<Verdict, Broken> {
    let result = sqlx::query(
        "-- order_end
        update orders
        set status = $2, tracking = $3
        where id = $1 and status = 'pending'",
    )
    .bind(id)
    .bind(status)
    .bind(&tracking)
    .execute(&mut *tx)
    .await?;
    if result.rows_affected() == 0 {
        return Ok(match find(tx, id).await? {
            Some(order) => {
                let detail = format!("order {id} is {}, so it cannot become {status}", order.status);
                Problem::conflict("order-ended", detail).refuse()
            }
            None => Problem::not_found(format!("there is no order {id}")).refuse(),
        });
    }
    touched(&result, "order_end", 1)?;
    Ok(Verdict::ok(&json!({ "id": id, "status": status, "tracking": tracking })))
}

pub(crate) async fn find<'c>(
    store: impl sqlx::Executor<'c, Database = sqlx::Sqlite>,
    id: &str,
) -> Result<Option<Order>, Broken> {
    let order = sqlx::query_as(
        "-- order_get
        select seq, id, customer, sku, quantity, amount, status, tracking
        from orders
        where id = $1",
    )
    .bind(id)
    .fetch_optional(store)
    .await?;
    Ok(order)
}

pub(crate) async fn list(store: &SqlitePool, page: Page) -> Result<Vec<(i64, Order)>, Broken> {
    let orders = sqlx::query_as::<_, Order>(
        "-- order_list
        select seq, id, customer, sku, quantity, amount, status, tracking
        from orders
        where seq > $1
        order by seq
        limit $2",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store)
    .await?;
    Ok(orders.into_iter().map(|order| (order.seq, order)).collect())
}
