//! Taking from the shelf for an order, and giving back.

use amends_barrier::{
    Broken, Problem, Reply, Tx, Verdict,
    http::{Page, check_id},
    sql::Readers,
    touched,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

/// The body of `POST /reservations`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReservation {
    pub(crate) order: String,
    pub(crate) sku: String,
    pub(crate) quantity: i64,
}

/// What a compensation reads of its action's reply: which reservation it was.
#[derive(Debug, Deserialize)]
struct Taken {
    id: String,
}

/// A reservation as it is shown.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct Reservation {
    #[serde(skip)]
    pub(crate) seq: i64,
    pub(crate) id: String,
    #[serde(rename = "order")]
    pub(crate) order_id: String,
    pub(crate) sku: String,
    pub(crate) quantity: i64,
    pub(crate) status: String,
}

impl NewReservation {
    pub(crate) fn check(&self) -> Result<(), String> {
        check_id("order", &self.order)?;
        check_id("sku", &self.sku)?;
        if self.quantity < 1 { Err("quantity: expected a number from 1".to_owned()) } else { Ok(()) }
    }
}

pub(crate) async fn take(tx: &mut Tx, new: NewReservation) -> Result<Verdict, Broken> {
    if let Err(detail) = new.check() {
        return Ok(Problem::invalid(detail).refuse());
    }
    let on_shelf = sqlx::query_scalar::<_, i64>(
        "-- stock_get_for_reservation
        select quantity
        from stock
        where sku = $1",
    )
    .bind(&new.sku)
    .fetch_optional(tx.sqlite()?)
    .await?;
    let remaining = match on_shelf {
        None => return Ok(Problem::not_found(format!("there is no sku {}", new.sku)).refuse()),
        Some(on_shelf) if on_shelf < new.quantity => {
            let detail = format!("out of stock: {} of {} wanted, {on_shelf} left", new.quantity, new.sku);
            return Ok(Problem::conflict("out-of-stock", detail).refuse());
        }
        Some(on_shelf) => on_shelf - new.quantity,
    };
    move_stock(tx, &new.sku, -new.quantity).await?;
    let id = Uuid::now_v7().to_string();
    let result = sqlx::query(
        "-- reservation_add
        insert into reservation (id, order_id, sku, quantity, status)
        values ($1, $2, $3, $4, 'reserved')",
    )
    .bind(&id)
    .bind(new.order)
    .bind(&new.sku)
    .bind(new.quantity)
    .execute(tx.sqlite()?)
    .await?;
    touched(result.rows_affected(), "reservation_add", 1)?;
    Ok(Verdict::created(&json!({ "id": id, "sku": new.sku, "quantity": new.quantity, "remaining": remaining })))
}

pub(crate) async fn give_back(tx: &mut Tx, order: String, taken: Reply) -> Result<Verdict, Broken> {
    let id = taken.json::<Taken>()?.id;
    let released = sqlx::query_as::<_, (String, i64)>(
        "-- reservation_release
        update reservation
        set status = 'released'
        where id = $1 and order_id = $2 and status = 'reserved'
        returning sku, quantity",
    )
    .bind(&id)
    .bind(&order)
    .fetch_optional(tx.sqlite()?)
    .await?;
    let Some((sku, quantity)) = released else {
        let detail = format!("reservation {id} is not held for order {order}");
        return Ok(Problem::conflict("not-reserved", detail).refuse());
    };
    move_stock(tx, &sku, quantity).await?;
    Ok(Verdict::ok(&json!({ "id": id, "sku": sku, "quantity": quantity, "status": "released" })))
}

async fn move_stock(tx: &mut Tx, sku: &str, change: i64) -> Result<(), Broken> {
    let result = sqlx::query(
        "-- stock_move
        update stock
        set quantity = quantity + $2
        where sku = $1",
    )
    .bind(sku)
    .bind(change)
    .execute(tx.sqlite()?)
    .await?;
    touched(result.rows_affected(), "stock_move", 1)
}

pub(crate) async fn list(store: Readers<'_>, page: Page) -> Result<Vec<(i64, Reservation)>, Broken> {
    let reservations = sqlx::query_as::<_, Reservation>(
        "-- reservation_list
        select seq, id, order_id, sku, quantity, status
        from reservation
        where seq > $1
        order by seq
        limit $2",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store.sqlite()?)
    .await?;
    Ok(reservations.into_iter().map(|reservation| (reservation.seq, reservation)).collect())
}
