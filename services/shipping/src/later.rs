//! Shipments that are accepted now and booked later, as a carrier does who asks somebody else first. What was accepted is a list of
//! its own; only what is booked is a shipment.
//!
//! **What it must never know:** how the orchestrator is reached.

use std::{convert::Infallible, time::Duration};

use amends_barrier::{Barrier, Broken, Place, Reply, Tx, Verdict, due::Completion, touched};
use http::StatusCode;
use serde_json::json;
use sqlx::FromRow;
use tokio::time::MissedTickBehavior;

use crate::shipment::{self, NewShipment};

/// Between two looks at what is to be booked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Booked one after the other, each in a transaction of its own.
const BOOKED_TOGETHER: u32 = 100;

pub(crate) async fn accept(tx: &mut Tx, place: Place, new: NewShipment) -> Result<Verdict, Broken> {
    let result = sqlx::query(
        "-- shipment_accept
        insert into shipment_later (saga, step, item, order_id, address, accepted_at)
        values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(place.saga.to_string())
    .bind(&place.step)
    .bind(item(&place))
    .bind(new.order)
    .bind(new.address)
    .bind(now_us())
    .execute(tx.sqlite()?)
    .await?;
    touched(result.rows_affected(), "shipment_accept", 1)?;
    Ok(Verdict::accepted(&json!({})))
}

/// Books what was accepted so long ago, now and again and again.
pub(crate) async fn keep_booking(barrier: &Barrier, after: Duration) -> Infallible {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = book_due(barrier, after).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "what was accepted cannot be booked now");
        }
    }
}

async fn book_due(barrier: &Barrier, after: Duration) -> Result<(), Broken> {
    let until_us = now_us().saturating_sub(i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
    let due = sqlx::query_as::<_, Later>(
        "-- shipment_later_due
        select saga, step, item, order_id, address
        from shipment_later
        where accepted_at <= $1
        order by accepted_at
        limit $2",
    )
    .bind(until_us)
    .bind(BOOKED_TOGETHER)
    .fetch_all(barrier.readers().sqlite()?)
    .await?;
    for later in due {
        book(barrier, later).await?;
    }
    Ok(())
}

/// The shipment and its verdict are one transaction; if the saga was undone meanwhile, there is neither.
async fn book(barrier: &Barrier, later: Later) -> Result<(), Broken> {
    let (place, new) = later.parse()?;
    let action = place.clone();
    let completion = barrier
        .complete(place.clone(), move |tx, _| {
            Box::pin(async move {
                take_off(tx, &action).await?;
                shipment::book(tx, new).await
            })
        })
        .await?;
    if !matches!(completion, Completion::Completed(_)) {
        // Nobody wants it any more: it was cancelled, or is forgotten.
        barrier.unguarded(move |tx| Box::pin(async move { take_off(tx, &place).await })).await?;
    }
    Ok(())
}

/// Accepted with a 202 and never finished: a finished one is undone by what it replied in the end.
pub(crate) fn was_only_accepted(original: &Reply) -> bool {
    original.status() == StatusCode::ACCEPTED
}

pub(crate) async fn cancel(tx: &mut Tx, place: &Place) -> Result<Verdict, Broken> {
    take_off(tx, place).await?;
    Ok(Verdict::ok(&json!({ "status": "never booked" })))
}

async fn take_off(tx: &mut Tx, place: &Place) -> Result<(), Broken> {
    sqlx::query(
        "-- shipment_later_drop
        delete from shipment_later
        where saga = $1 and step = $2 and item = $3",
    )
    .bind(place.saga.to_string())
    .bind(&place.step)
    .bind(item(place))
    .execute(tx.sqlite()?)
    .await?;
    Ok(())
}

fn item(place: &Place) -> i64 {
    place.index.map_or(-1, i64::from)
}

fn now_us() -> i64 {
    chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp_micros()
}

#[derive(FromRow)]
struct Later {
    saga: String,
    step: String,
    item: i64,
    order_id: String,
    address: Option<String>,
}

impl Later {
    fn parse(self) -> Result<(Place, NewShipment), Broken> {
        let saga = self.saga.parse().map_err(|_| Broken::Corrupt(format!("a shipment of saga {}", self.saga)))?;
        let place = Place { saga, step: self.step, index: u32::try_from(self.item).ok() };
        Ok((place, NewShipment { order: self.order_id, address: self.address }))
    }
}
