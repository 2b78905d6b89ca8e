//! The shelf on Redis: what is asked of `shelf.lua`, and the reads.

use amends_barrier::{
    Broken, Problem, Reply,
    http::Page,
    redis::{Barrier, Reader},
};
use redis::cmd;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    reservation::{NewReservation, Reservation},
    stock::{Level, Stock},
};

/// The business functions, which run inside the barrier's script.
pub(crate) const SHELF: &str = include_str!("shelf.lua");
/// What all keys begin with, in braces: one slot of a cluster.
pub(crate) const PREFIX: &str = "inventory";

/// The argument of `take`. The script throws no dice, so the id comes with it.
#[derive(Serialize)]
pub(crate) struct Take {
    id: Uuid,
    order: String,
    sku: String,
    quantity: i64,
}

pub(crate) fn take(new: NewReservation) -> Result<Take, Problem> {
    new.check().map_err(Problem::invalid)?;
    Ok(Take { id: Uuid::now_v7(), order: new.order, sku: new.sku, quantity: new.quantity })
}

pub(crate) async fn set(barrier: &Barrier, sku: String, level: Level) -> Result<Reply, Broken> {
    barrier.unguarded("set_stock", serde_json::json!({ "sku": sku, "quantity": level.quantity })).await
}

pub(crate) async fn find(store: &Reader, sku: &str) -> Result<Option<Stock>, Broken> {
    let quantity: Option<i64> = store.query(cmd("hget").arg(store.key("stock")).arg(sku)).await?;
    Ok(quantity.map(|quantity| Stock { seq: 0, sku: sku.to_owned(), quantity }))
}

pub(crate) async fn stock(store: &Reader, page: Page) -> Result<Vec<(i64, Stock)>, Broken> {
    let mut stock = vec![];
    for (seq, sku) in names(store, "skus", page).await? {
        let quantity: i64 = store.query(cmd("hget").arg(store.key("stock")).arg(&sku)).await?;
        stock.push((seq, Stock { seq, sku, quantity }));
    }
    Ok(stock)
}

pub(crate) async fn reservations(store: &Reader, page: Page) -> Result<Vec<(i64, Reservation)>, Broken> {
    let mut reservations = vec![];
    for (seq, id) in names(store, "reservations", page).await? {
        let fields = ["order", "sku", "quantity", "status"];
        let key = store.key(&format!("reservation:{id}"));
        let (order_id, sku, quantity, status) = store.query(cmd("hmget").arg(key).arg(&fields)).await?;
        reservations.push((seq, Reservation { seq, id, order_id, sku, quantity, status }));
    }
    Ok(reservations)
}

/// A page of a list; the place in it is the seq.
async fn names(store: &Reader, list: &str, page: Page) -> Result<Vec<(i64, String)>, Broken> {
    let (from, until) = (page.after(), page.after().saturating_add(page.fetch()) - 1);
    let names: Vec<String> = store.query(cmd("lrange").arg(store.key(list)).arg(from).arg(until)).await?;
    Ok((from + 1..).zip(names).collect())
}
