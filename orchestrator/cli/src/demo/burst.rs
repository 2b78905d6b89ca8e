//! Many sagas at once, for a number and for the audit: most complete, some are refused at every place they can be.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use amends_client::{Client, Start};
use amends_protocol::v1::SagaStatus;
use anyhow::{Context, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::{
    acts::{self, Started},
    stage::Stage,
    talk::Talk,
};

/// A closed loop: so many callers, each starts its next saga when its last has ended.
const IN_FLIGHT: usize = 32;

pub(super) async fn run(stage: &Stage, talk: &Talk, count: u32, started: &mut Started) -> anyhow::Result<()> {
    talk.headline(
        &format!("6 · {count} more, {IN_FLIGHT} at a time"),
        "Orders and transfers, mixed with some that are out of stock, out of money or go to a frozen account.",
    )?;
    let client = stage.client()?;
    let began = Instant::now();
    let runs: Vec<Run> = stream::iter((0..count).map(mixed))
        .map(|start| one(&client, start))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    let took = began.elapsed();
    for run in &runs {
        started.add(run.saga);
    }
    talk.plain(&said(&runs, took))?;
    // Enough of both kinds, or the audit would have nothing to say about them.
    let count_of = |status| runs.iter().filter(|run| run.status == status).count();
    let (completed, compensated) = (count_of(SagaStatus::Completed), count_of(SagaStatus::Compensated));
    ensure!(completed + compensated == runs.len(), "a saga of the burst ended in another way than it can");
    ensure!(count < 10 || (completed > 0 && compensated > 0), "the burst was not mixed");
    Ok(())
}

struct Run {
    saga: Uuid,
    status: SagaStatus,
    took: Duration,
}

/// Of ten: six orders and one transfer go well, one order has no money, one no stock, one transfer a frozen payee.
fn mixed(number: u32) -> Start {
    match number % 10 {
        3 => acts::order("bob", "lamp"),
        5 => acts::transfer("grace"),
        7 => acts::order("ada", "unicorn"),
        9 => acts::transfer("frozen-fred"),
        _ => acts::order("ada", "lamp"),
    }
}

async fn one(client: &Client, start: Start) -> anyhow::Result<Run> {
    let began = Instant::now();
    let answer = client.start(&start).await.context("a start of the burst")?;
    let saga = acts::ended(client, answer.saga).await?;
    Ok(Run { saga: saga.id, status: saga.status, took: began.elapsed() })
}

fn said(runs: &[Run], took: Duration) -> String {
    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    let mut latencies: Vec<Duration> = runs.iter().map(|run| run.took).collect();
    latencies.sort_unstable();
    for run in runs {
        *by_status.entry(run.status.as_str()).or_default() += 1;
    }
    let parts: Vec<String> = by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default().as_millis();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let build = if cfg!(debug_assertions) { ", an unoptimised build" } else { "" };
    format!(
        "  {} in {:.2} s = {:.0} sagas/s, median {} ms, 99 of 100 within {} ms\n  measured here: a closed loop of \
         {IN_FLIGHT} in flight; orchestrator, six services and this client share {cores} cores{build}",
        parts.join(", "),
        took.as_secs_f64(),
        runs.len() as f64 / took.as_secs_f64(),
        at(50),
        at(99),
    )
}
