//! kill -9 with thousands in flight, and how soon the next process drives all of them on. The participant holds its answers
//! until the orchestrator is dead, so every saga is truly under way when it dies.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep, timeout};

use super::Wish;
use crate::{
    amends,
    ground::Ground,
    load::{Kind, Order, Shape},
    participant::now_us,
    report::{Bound, Report},
    town::{Contender, Saga, Town},
};

const IN_FLIGHT: u64 = 10_000;
const FIRST_MOST_S: f64 = 2.0;
const ALL_MOST_S: f64 = 30.0;
/// Far past the target: what takes longer is not driven on at all.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);

pub(super) async fn play(ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    let count = wish.count.unwrap_or(IN_FLIGHT);
    eprintln!("restart with {count} in flight");
    let mut town = Town::raise(ground, Contender::Amends).await?;
    town.tell_participant("/hold").await?;
    let order = Order {
        target: town.door,
        kind: Kind::AmendsStart,
        saga: Saga::Three,
        shape: Shape::Closed { in_flight: 64 },
        warmup_s: 0.0,
        seconds: PATIENCE.as_secs_f64(),
        windows: 1,
        count: Some(count),
    };
    let seen = town.load(&order).await?;
    if seen.sagas != count {
        bail!("{} of {count} sagas could be started", seen.sagas);
    }
    let process = town.measured.first_mut().context("the orchestrator")?;
    process.kill().await?;
    town.tell_participant("/release").await?;
    town.tell_participant("/mark").await?;

    let (began, began_us) = (Instant::now(), now_us());
    let url = town.database().and_then(|name| Some(ground.postgres.as_ref()?.url(name)));
    let again = amends::start(&ground.amends, &town.folder, town.participant, url.as_deref(), Some(town.door)).await?;
    town.measured[0] = again;
    let (listens_s, all_on) = (began.elapsed().as_secs_f64(), timeout(PATIENCE, all_on(&town, count)).await);
    all_on.context("not all sagas were driven on")??;
    let dispatched_s = began.elapsed().as_secs_f64();
    timeout(PATIENCE, all_ended(&town, count)).await.context("not all sagas ended")??;
    let ended_s = began.elapsed().as_secs_f64();
    let first_us = town.counts().await?.first_us.context("somebody called")?;
    let first_s = first_us.saturating_sub(began_us) as f64 / 1e6;
    let peak = town.used_without_database()?.peak_memory_mib;
    town.end(ground).await?;

    eprintln!(
        "listens after {listens_s:.2} s, first call {first_s:.2} s, all called {dispatched_s:.2} s, all ended {ended_s:.2} s, \
         peak {peak:.0} MiB"
    );
    let what = format!("restart with {count} in flight");
    report.hold(format!("{what}: first dispatch, s"), Some(first_s), Bound::AtMost(FIRST_MOST_S));
    report.hold(format!("{what}: all driven on to their end, s"), Some(ended_s), Bound::AtMost(ALL_MOST_S));
    Ok(())
}

/// Each one's first call has come again.
async fn all_on(town: &Town, count: u64) -> Result<()> {
    while town.counts().await?.one < count {
        sleep(POLL).await;
    }
    Ok(())
}

async fn all_ended(town: &Town, count: u64) -> Result<()> {
    while town.counts().await?.three < count || amends::not_ended(town.door).await? > 0 {
        sleep(POLL).await;
    }
    Ok(())
}
