//! Who is told of turns of sagas, and up to where.
//!
//! One process has the file: whoever asks to tell somebody is the only one who can.
//!
//! **What it must never know:** what is told, and how.

use std::time::Duration;

use amends_core::time::Time;
use rusqlite::{OptionalExtension, params};
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    rows::{corrupt, signed},
    writer::{Work, Writer},
};
use crate::{NewSubscription, Places, StoreError, Subscription, Told};

pub(super) async fn add(writer: &Writer, new: NewSubscription) -> Result<bool, StoreError> {
    changes(writer, move |connection| {
        let mut add = connection.prepare_cached(
            "-- add_subscription
            insert into subscriptions (id, body, report, created_at, places, told_until, epoch)
            values (?, ?, ?, ?, ?, ?, 0)
            on conflict (id) do nothing",
        )?;
        let NewSubscription { id, body, created_at, told } = &new;
        let row = params![id.as_bytes(), body, told.report, created_at.0, told.places.to_bytes(), told.until.0];
        add.execute(row)
    })
    .await
}

/// Runs a statement about one row: whether it touched it.
async fn changes(
    writer: &Writer,
    work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<usize> + Send + 'static,
) -> Result<bool, StoreError> {
    let touched = writer
        .transaction(move |connection| {
            let touched = work(connection)?;
            assert!(touched <= 1, "invariant: an id is one row");
            Ok(if touched > 0 { Work::Wrote(true) } else { Work::Untouched(false) })
        })
        .await?;
    Ok(touched)
}

pub(super) async fn all(readers: &SqlitePool) -> Result<Vec<Subscription>, StoreError> {
    let rows = sqlx::query(
        "-- subscriptions
        select id, body, report, created_at, paused_at, places, told_until, owner, epoch
        from subscriptions
        order by id",
    );
    rows.fetch_all(readers).await?.iter().map(subscription).collect()
}

fn subscription(row: &SqliteRow) -> Result<Subscription, StoreError> {
    let id: Uuid = row.try_get("id")?;
    let wrong = |why: &str| corrupt(format_args!("subscription {id}"), why);
    let places: Vec<u8> = row.try_get("places")?;
    let places = Places::of_bytes(&places).ok_or_else(|| wrong("its places cannot be read"))?;
    let epoch: i64 = row.try_get("epoch")?;
    Ok(Subscription {
        id,
        body: row.try_get::<&str, _>("body")?.into(),
        created_at: Time(row.try_get("created_at")?),
        paused_at: row.try_get::<Option<i64>, _>("paused_at")?.map(Time),
        told: Told {
            places,
            until: Time(row.try_get("told_until")?),
            report: row.try_get::<&str, _>("report")?.into(),
        },
        owner: row.try_get("owner")?,
        epoch: u64::try_from(epoch).map_err(|_| wrong("its epoch is out of range"))?,
    })
}

pub(super) async fn delete(writer: &Writer, id: Uuid) -> Result<bool, StoreError> {
    changes(writer, move |connection| {
        let mut delete = connection.prepare_cached(
            "-- delete_subscription
            delete from subscriptions
            where id = ?",
        )?;
        delete.execute([id.as_bytes()])
    })
    .await
}

pub(super) async fn pause(writer: &Writer, id: Uuid, at: Option<Time>) -> Result<bool, StoreError> {
    changes(writer, move |connection| {
        let mut pause = connection.prepare_cached(
            "-- pause_subscription
            update subscriptions
            set paused_at = case when ?1 is null then null else coalesce(paused_at, ?1) end
            where id = ?2",
        )?;
        pause.execute(params![at.map(|at| at.0), id.as_bytes()])
    })
    .await
}

pub(super) async fn claim(writer: &Writer, id: Uuid, owner: Uuid, _lease: Duration) -> Result<Option<u64>, StoreError> {
    let epoch: Option<i64> = writer
        .transaction(move |connection| {
            let mut owned = connection.prepare_cached(
                "-- owned_subscription
                select epoch
                from subscriptions
                where id = ?
                    and owner = ?",
            )?;
            let names = params![id.as_bytes(), owner.as_bytes()];
            if let Some(epoch) = owned.query_row(names, |row| row.get(0)).optional()? {
                return Ok(Work::Untouched(Some(epoch)));
            }
            let mut claim = connection.prepare_cached(
                "-- claim_subscription
                update subscriptions
                set owner = ?2, epoch = epoch + 1
                where id = ?1
                returning epoch",
            )?;
            let epoch = claim.query_row(names, |row| row.get(0)).optional()?;
            Ok(if epoch.is_some() { Work::Wrote(epoch) } else { Work::Untouched(None) })
        })
        .await?;
    let wrong = || corrupt(format_args!("subscription {id}"), "its epoch is out of range");
    epoch.map(|epoch| u64::try_from(epoch).map_err(|_| wrong())).transpose()
}

pub(super) async fn record(writer: &Writer, id: Uuid, epoch: u64, told: Told) -> Result<bool, StoreError> {
    changes(writer, move |connection| {
        let mut record = connection.prepare_cached(
            "-- record_told
            update subscriptions
            set places = ?, told_until = ?, report = ?
            where id = ?
                -- The fence: whoever was replaced has an older epoch.
                and epoch = ?",
        )?;
        record.execute(params![told.places.to_bytes(), told.until.0, told.report, id.as_bytes(), signed(epoch)])
    })
    .await
}
