//! Who is told of turns of sagas, and up to where. The twin of ../sqlite/subscriptions.rs, with leases by the database's time.
//!
//! **What it must never know:** what is told, and how; the time of this process.

use std::{sync::Arc, time::Duration};

use amends_core::time::Time;
use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use uuid::Uuid;

use super::{
    readers::Readers,
    rows::{corrupt, signed, unsigned},
    writer::{Writer, repeatable},
};
use crate::{NewSubscription, Places, StoreError, Subscription, Told};

/// Runs a statement about one row: whether it touched it. It means the same when it is run twice.
async fn changes(
    writer: &Arc<Writer>,
    statement: impl Fn() -> Query<'static, Postgres, PgArguments> + Send + Sync + 'static,
) -> Result<bool, StoreError> {
    let work = repeatable(move |connection, _again| {
        let statement = statement();
        Box::pin(async move { Ok(statement.execute(connection).await?.rows_affected()) })
    });
    let touched = writer.run(work).await.map_err(StoreError::of_postgres)?;
    assert!(touched <= 1, "invariant: an id is one row");
    Ok(touched > 0)
}

pub(super) async fn add(writer: &Arc<Writer>, new: NewSubscription) -> Result<bool, StoreError> {
    let work = repeatable(move |connection, again| {
        let new = new.clone();
        Box::pin(async move {
            let NewSubscription { id, body, created_at, told } = new;
            let added = sqlx::query(
                "-- add_subscription
                insert into subscriptions (id, body, report, created_at, places, told_until, epoch, lease_until)
                values ($1, $2, $3, $4, $5, $6, 0, 0)
                on conflict (id) do nothing",
            )
            .bind(id)
            .bind(body.to_string())
            .bind(told.report.to_string())
            .bind(created_at.0)
            .bind(told.places.to_bytes())
            .bind(told.until.0)
            .execute(connection)
            .await?;
            // Asked again because the answer was lost: what is there is this.
            Ok(added.rows_affected() > 0 || again)
        })
    });
    writer.run(work).await.map_err(StoreError::of_postgres)
}

pub(super) async fn all(readers: &Readers) -> Result<Vec<Subscription>, StoreError> {
    let asked = || {
        sqlx::query(
            "-- subscriptions
            select id, body, report, created_at, paused_at, places, told_until, owner, epoch
            from subscriptions
            order by id",
        )
    };
    readers.rows(asked).await?.iter().map(subscription).collect()
}

fn subscription(row: &PgRow) -> Result<Subscription, StoreError> {
    let id: Uuid = row.try_get("id").map_err(|error| corrupt("a subscription", error))?;
    let place = format_args!("subscription {id}");
    let unreadable = |error: sqlx::Error| corrupt(place, error);
    let places: &[u8] = row.try_get("places").map_err(unreadable)?;
    Ok(Subscription {
        id,
        body: row.try_get::<&str, _>("body").map_err(unreadable)?.into(),
        created_at: Time(row.try_get("created_at").map_err(unreadable)?),
        paused_at: row.try_get::<Option<i64>, _>("paused_at").map_err(unreadable)?.map(Time),
        told: Told {
            places: Places::of_bytes(places).ok_or_else(|| corrupt(place, "its places cannot be read"))?,
            until: Time(row.try_get("told_until").map_err(unreadable)?),
            report: row.try_get::<&str, _>("report").map_err(unreadable)?.into(),
        },
        owner: row.try_get("owner").map_err(unreadable)?,
        epoch: unsigned(row, "epoch", place)?,
    })
}

pub(super) async fn delete(writer: &Arc<Writer>, id: Uuid) -> Result<bool, StoreError> {
    let statement = move || {
        sqlx::query(
            "-- delete_subscription
            delete from subscriptions
            where id = $1",
        )
        .bind(id)
    };
    changes(writer, statement).await
}

pub(super) async fn pause(writer: &Arc<Writer>, id: Uuid, at: Option<Time>) -> Result<bool, StoreError> {
    let statement = move || {
        sqlx::query(
            "-- pause_subscription
            update subscriptions
            set paused_at = case when $1::bigint is null then null else coalesce(paused_at, $1) end
            where id = $2",
        )
        .bind(at.map(|at| at.0))
        .bind(id)
    };
    changes(writer, statement).await
}

pub(super) async fn claim(
    writer: &Arc<Writer>,
    id: Uuid,
    owner: Uuid,
    lease: Duration,
) -> Result<Option<u64>, StoreError> {
    let lease_us = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX >> 1);
    let work = repeatable(move |connection, _again| {
        Box::pin(async move {
            let claimed = sqlx::query_scalar::<_, i64>(
                "-- claim_subscription
                update subscriptions
                set owner = $2,
                    epoch = case when owner is not distinct from $2 then epoch else epoch + 1 end,
                    lease_until = (extract(epoch from now()) * 1000000)::bigint + $3
                where id = $1
                    and (
                        owner is null
                        or owner = $2
                        or lease_until <= (extract(epoch from now()) * 1000000)::bigint
                    )
                returning epoch",
            );
            claimed.bind(id).bind(owner).bind(lease_us).fetch_optional(connection).await
        })
    });
    let epoch = writer.run(work).await.map_err(StoreError::of_postgres)?;
    let wrong = || corrupt(format_args!("subscription {id}"), "its epoch is out of range");
    epoch.map(|epoch| u64::try_from(epoch).map_err(|_| wrong())).transpose()
}

pub(super) async fn record(writer: &Arc<Writer>, id: Uuid, epoch: u64, told: Told) -> Result<bool, StoreError> {
    let statement = move || {
        sqlx::query(
            "-- record_told
            update subscriptions
            set places = $1, told_until = $2, report = $3
            where id = $4
                -- The fence: whoever was replaced has an older epoch.
                and epoch = $5",
        )
        .bind(told.places.to_bytes())
        .bind(told.until.0)
        .bind(told.report.to_string())
        .bind(id)
        .bind(signed(epoch))
    };
    changes(writer, statement).await
}
