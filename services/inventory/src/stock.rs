//! The shelf. Seeding it belongs to no saga.

use amends_barrier::{Broken, Tx, http::Page, sql::Readers};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

/// More of one thing is a typing error, and sums stay far from the end of an integer.
const QUANTITY_MAX: i64 = 1_000_000_000;

/// The body of `PUT /stock/{sku}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Level {
    pub(crate) quantity: i64,
}

impl Level {
    pub(crate) fn check(self) -> Result<(), String> {
        if (0..=QUANTITY_MAX).contains(&self.quantity) {
            return Ok(());
        }
        Err(format!("quantity: expected 0 to {QUANTITY_MAX}"))
    }
}

/// What is on the shelf of one sku.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct Stock {
    #[serde(skip)]
    pub(crate) seq: i64,
    pub(crate) sku: String,
    pub(crate) quantity: i64,
}

pub(crate) async fn set(tx: &mut Tx, sku: String, level: Level) -> Result<Stock, Broken> {
    let stock = sqlx::query_as(
        "-- stock_set
        insert into stock (sku, quantity)
        values ($1, $2)
        on conflict (sku) do update
        set quantity = excluded.quantity
        returning seq, sku, quantity",
    )
    .bind(sku)
    .bind(level.quantity)
    .fetch_one(tx.sqlite()?)
    .await?;
    Ok(stock)
}

pub(crate) async fn find(store: Readers<'_>, sku: &str) -> Result<Option<Stock>, Broken> {
    let stock = sqlx::query_as(
        "-- stock_get
        select seq, sku, quantity
        from stock
        where sku = $1",
    )
    .bind(sku)
    .fetch_optional(store.sqlite()?)
    .await?;
    Ok(stock)
}

pub(crate) async fn list(store: Readers<'_>, page: Page) -> Result<Vec<(i64, Stock)>, Broken> {
    let stock = sqlx::query_as::<_, Stock>(
        "-- stock_list
        select seq, sku, quantity
        from stock
        where seq > $1
        order by seq
        limit $2",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store.sqlite()?)
    .await?;
    Ok(stock.into_iter().map(|stock| (stock.seq, stock)).collect())
}
