//! The shipment: `booked → cancelled`.

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

/// Longer addresses are mistakes.
const ADDRESS_LIMIT_BYTES: usize = 1000;

/// The body of `POST /shipments`. Without an address the one on file is meant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShipment {
    pub(crate) order: String,
    pub(crate) address: Option<String>,
}

/// What a compensation reads of its action's reply: which shipment it was.
#[derive(Debug, Deserialize)]
struct Booked {
    tracking: String,
}

/// A shipment as it is shown.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct Shipment {
    #[serde(skip)]
    seq: i64,
    tracking: String,
    #[serde(rename = "order")]
    order_id: String,
    address: Option<String>,
    status: String,
}

impl NewShipment {
    fn check(&self) -> Result<(), String> {
        check_id("order", &self.order)?;
        let Some(address) = self.address.as_deref().map(str::trim) else { return Ok(()) };
        if address.is_empty() || address.eq_ignore_ascii_case("unknown") || address.len() > ADDRESS_LIMIT_BYTES {
            return Err("address: nobody delivers there".to_owned());
        }
        Ok(())
    }
}

pub(crate) async fn book(tx: &mut Tx, new: NewShipment) -> Result<Verdict, Broken> {
    if let Err(detail) = new.check() {
        return Ok(Problem::invalid(detail).refuse());
    }
    let tracking = Uuid::now_v7().to_string();
    let result = sqlx::query(
        "-- shipment_book
        insert into shipment (tracking, order_id, address, status)
        values ($1, $2, $3, 'booked')",
    )
    .bind(&tracking)
    .bind(new.order)
    .bind(new.address)
    .execute(tx.sqlite()?)
    .await?;
    touched(result.rows_affected(), "shipment_book", 1)?;
    Ok(Verdict::created(&json!({ "tracking": tracking })))
}

pub(crate) async fn cancel(tx: &mut Tx, order: String, booked: Reply) -> Result<Verdict, Broken> {
    let tracking = booked.json::<Booked>()?.tracking;
    let result = sqlx::query(
        "-- shipment_cancel
        update shipment
        set status = 'cancelled'
        where tracking = $1 and order_id = $2 and status = 'booked'",
    )
    .bind(&tracking)
    .bind(&order)
    .execute(tx.sqlite()?)
    .await?;
    if result.rows_affected() == 0 {
        let detail = format!("shipment {tracking} is not booked for order {order}");
        return Ok(Problem::conflict("not-booked", detail).refuse());
    }
    touched(result.rows_affected(), "shipment_cancel", 1)?;
    Ok(Verdict::ok(&json!({ "tracking": tracking, "status": "cancelled" })))
}

pub(crate) async fn list(store: Readers<'_>, page: Page) -> Result<Vec<(i64, Shipment)>, Broken> {
    let shipments = sqlx::query_as::<_, Shipment>(
        "-- shipment_list
        select seq, tracking, order_id, address, status
        from shipment
        where seq > $1
        order by seq
        limit $2",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store.sqlite()?)
    .await?;
    Ok(shipments.into_iter().map(|shipment| (shipment.seq, shipment)).collect())
}
