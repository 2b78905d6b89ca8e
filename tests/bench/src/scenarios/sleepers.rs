//! A million sagas asleep: what they cost in memory, and whether those that are due wake up on time while others run.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use super::Wish;
use crate::{
    amends,
    figure::Case,
    ground::Ground,
    load::{Kind, Order, Shape, percentile_ms},
    report::{Bound, Report},
    town::{Contender, Saga, Town},
};

const SLEEPERS: u64 = 1_000_000;
/// As if there were 250 a second.
const FILL_MOST_S: f64 = 4_000.0;
/// Those that wake up meanwhile.
const DOZERS: u64 = 1_000;
const DOZE: Duration = Duration::from_secs(15);
const OTHERS_PER_S: f64 = 500.0;
/// Of what was asked for: less means that the others were held up.
const OTHERS_LEAST: f64 = 0.98;
const GROWTH_MOST_MIB: f64 = 64.0;
/// "On time": a second is what an operator can see.
const LATE_MOST_MS: f64 = 1_000.0;
/// Caches are let go, logs are written.
const SETTLE: Duration = Duration::from_secs(3);

/// The participant puts the call off until it is due (503 with `Retry-After`): then the saga waits for its next attempt, and
/// has nothing to do until then.
const SLEEPER: &str = "
saga: sleeper
input: { type: object, required: [due_ms], properties: { due_ms: { type: integer } } }
steps:
  woke:
    pivot: true
    call: trivial POST /woke
    body: { due_ms: '${{ input.due_ms }}' }
    retry: { attempts: 3, backoff: 100ms, max_backoff: 2h }
";

pub(super) async fn play(ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    let count = wish.count.unwrap_or(SLEEPERS);
    let memory = format!("{count} sleeping sagas: more memory, MiB");
    let late = "wake-ups: p99 of how late, ms".to_owned();
    let others = "beside sleepers: part of 500 sagas a second".to_owned();
    let town = Town::raise(ground, Contender::Amends).await?;
    for source in [SLEEPER.to_owned(), SLEEPER.replace("saga: sleeper", "saga: dozer")] {
        if let Err(why) = amends::register(town.door, &source).await? {
            bail!("a definition was refused: {why:.200}");
        }
    }
    let case = Case { scenario: "sleepers", saga: Saga::Three, shape: Shape::Open { per_s: OTHERS_PER_S } };
    let beside = |town: &Town, seconds: f64| Order { warmup_s: 1.0, ..crate::figure::order(town, case, seconds) };

    town.load(&beside(&town, wish.seconds)).await?;
    sleep(SETTLE).await;
    let before = town.used_without_database()?.memory_mib;
    eprintln!("putting {count} sagas to sleep");
    start(&town, Saga::Sleeper, count).await?;
    sleep(SETTLE).await;
    let growth = town.used_without_database()?.memory_mib - before;

    town.tell_participant("/mark").await?;
    let after_ms = u64::try_from(DOZE.as_millis())?;
    start(&town, Saga::Dozer { after_ms }, DOZERS).await?;
    let seen = town.load(&beside(&town, DOZE.as_secs_f64() + 10.0)).await?;
    let counts = town.counts().await?;
    town.end(ground).await?;
    if counts.woke != DOZERS {
        bail!("{} of {DOZERS} sagas woke up", counts.woke);
    }
    let early = counts.late_ms.iter().min().context("somebody woke up")?;
    if *early < 0 {
        bail!("a saga woke up {} ms early", -early);
    }
    let mut late_us: Vec<u32> = counts.late_ms.iter().map(|ms| u32::try_from(ms * 1000).unwrap_or(u32::MAX)).collect();
    late_us.sort_unstable();
    report.hold(memory, Some(growth), Bound::AtMost(GROWTH_MOST_MIB));
    report.hold(late, Some(percentile_ms(&late_us, 0.99)), Bound::AtMost(LATE_MOST_MS));
    let rate = crate::figure::median(&seen.rates) / OTHERS_PER_S;
    report.hold(others, Some(rate), Bound::AtLeast(OTHERS_LEAST));
    Ok(())
}

async fn start(town: &Town, saga: Saga, count: u64) -> Result<()> {
    let order = Order {
        target: town.door,
        kind: Kind::AmendsStart,
        saga,
        shape: Shape::Closed { in_flight: 64 },
        warmup_s: 0.0,
        seconds: FILL_MOST_S,
        windows: 1,
        count: Some(count),
    };
    let seen = town.load(&order).await?;
    if seen.sagas < count { bail!("{} of {count} sagas were started", seen.sagas) } else { Ok(()) }
}
