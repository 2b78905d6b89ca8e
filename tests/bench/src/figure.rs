//! One measured figure: a contender under one shape of load. Called by the scenarios; printed by `report`. Must never know
//! which target it is held against.

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    ground::Ground,
    load::{Order, Seen, Shape},
    town::{Contender, Saga, Town},
};

/// JIT compilers and caches need a while before they are what they will be.
const WARMUP_S: std::ops::RangeInclusive<f64> = 1.0..=10.0;
const WARMUP_PART: f64 = 0.5;
/// From here on there are windows enough for a median.
const WINDOWED_S: f64 = 3.0;
const WINDOWS: usize = 4;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) scenario: &'static str,
    pub(crate) saga: Saga,
    pub(crate) shape: Shape,
}

/// What was.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) scenario: &'static str,
    pub(crate) contender: Contender,
    /// Of a closed loop.
    pub(crate) in_flight: Option<usize>,
    /// Of an open loop.
    pub(crate) starts_per_s: Option<f64>,
    /// The median of the windows; of all sagas and all the time where a saga takes longer than a window.
    pub(crate) sagas_per_s: f64,
    pub(crate) windows: Vec<f64>,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) sagas: u64,
    pub(crate) cpu_ms_per_saga: Option<f64>,
    /// How many cores were busy with it on average; the participant and the load share the rest.
    pub(crate) cores: Option<f64>,
    /// Of the orchestrator's own processes, without the database's.
    pub(crate) peak_memory_mib: Option<f64>,
    pub(crate) commits_per_saga: Option<f64>,
    pub(crate) statements_per_saga: Option<f64>,
    pub(crate) bytes_per_saga: Option<f64>,
    /// This part of what the machine can do: sagas a second over the ceiling's, or the ceiling's p50 over this one.
    pub(crate) ceiling_ratio: Option<f64>,
    /// The same of the ceiling with the load's own raw client.
    pub(crate) raw_ceiling_ratio: Option<f64>,
}

/// Raises a town for it, measures, checks that the participant was asked what it had to be, and takes the town down.
///
/// # Errors
/// Anything that went wrong: a figure of sagas that failed is none.
pub(crate) async fn measure(ground: &Ground, contender: Contender, case: Case, seconds: f64) -> Result<Figure> {
    let town = Town::raise(ground, contender).await?;
    let stored_before = town.stored_bytes(ground).await?;
    town.tell_participant("/mark").await?;
    let (used_before, written_before) = (town.used()?, town.written().await);
    let seen = town.load(&order(&town, case, seconds)).await?;
    let (used, written) = (town.used()?, town.written().await);
    let peak_memory_mib = town.used_without_database()?.peak_memory_mib;
    check_calls(&town, case.saga, &seen).await?;
    let stored = town.end(ground).await?;

    let sagas = seen.sagas as f64;
    let per_saga = |sum: f64| Some(sum / sagas).filter(|value| value.is_finite());
    let cpu_s = used.cpu_s - used_before.cpu_s;
    let ours = !matches!(contender, Contender::CeilingRaw | Contender::Ceiling);
    let written = written.zip(written_before);
    Ok(Figure {
        cpu_ms_per_saga: ours.then_some(cpu_s * 1000.0 / sagas),
        cores: ours.then_some(cpu_s / seen.took_s),
        peak_memory_mib: ours.then_some(peak_memory_mib),
        commits_per_saga: written.and_then(|(after, before)| per_saga(after.commits - before.commits)),
        statements_per_saga: written.and_then(|(after, before)| per_saga(after.statements - before.statements)),
        bytes_per_saga: ours.then_some(stored.saturating_sub(stored_before) as f64 / sagas),
        ..bare(contender, case, seen, seconds)
    })
}

fn bare(contender: Contender, case: Case, seen: Seen, seconds: f64) -> Figure {
    Figure {
        scenario: case.scenario,
        contender,
        in_flight: match case.shape {
            Shape::Closed { in_flight } => Some(in_flight),
            Shape::Open { .. } => None,
        },
        starts_per_s: match case.shape {
            Shape::Closed { .. } => None,
            Shape::Open { per_s } => Some(per_s),
        },
        sagas_per_s: rate(&seen, seconds),
        windows: seen.rates,
        p50_ms: seen.p50_ms,
        p99_ms: seen.p99_ms,
        max_ms: seen.max_ms,
        sagas: seen.sagas,
        cpu_ms_per_saga: None,
        cores: None,
        peak_memory_mib: None,
        commits_per_saga: None,
        statements_per_saga: None,
        bytes_per_saga: None,
        raw_ceiling_ratio: None,
        ceiling_ratio: None,
    }
}

/// Where a saga outlasts a window, those in flight come and go as one herd: some windows see it, others nothing.
fn rate(seen: &Seen, seconds: f64) -> f64 {
    let window_ms = seconds * 1000.0 / seen.rates.len().max(1) as f64;
    if seen.p50_ms < window_ms { median(&seen.rates) } else { seen.sagas as f64 / seen.took_s }
}

/// What the load is told for this town.
pub(crate) fn order(town: &Town, case: Case, seconds: f64) -> Order {
    Order {
        target: town.door,
        kind: town.kind(),
        saga: case.saga,
        shape: case.shape,
        warmup_s: (seconds * WARMUP_PART).clamp(*WARMUP_S.start(), *WARMUP_S.end()),
        seconds,
        windows: if seconds >= WINDOWED_S { WINDOWS } else { 1 },
        count: None,
    }
}

/// That every step of every saga was a call, and every compensation too: nobody is fast by leaving something out.
async fn check_calls(town: &Town, saga: Saga, seen: &Seen) -> Result<()> {
    let (counts, sagas) = (town.counts().await?, seen.sagas);
    let asked = match saga {
        Saga::Three => [counts.one, counts.two, counts.three, sagas, sagas],
        Saga::Refused => [counts.one, counts.two, counts.refuse, counts.undo_one, counts.undo_two],
        Saga::Sleeper | Saga::Dozer { .. } => return Ok(()),
    };
    // Of one without an answer nobody knows how far it came.
    if asked.iter().any(|calls| !(sagas..=sagas + seen.unanswered).contains(calls)) {
        bail!("{:?}: {sagas} sagas ended, but the participant was asked {counts:?}", town.contender);
    }
    Ok(())
}

/// The same case measured in several rounds, as one.
pub(crate) fn merged(rounds: Vec<Figure>) -> Option<Figure> {
    let of = |value: fn(&Figure) -> f64| median(&rounds.iter().map(value).collect::<Vec<_>>());
    let some = |value: fn(&Figure) -> Option<f64>| {
        let values: Vec<f64> = rounds.iter().filter_map(value).collect();
        (!values.is_empty()).then(|| median(&values))
    };
    Some(Figure {
        sagas_per_s: of(|round| round.sagas_per_s),
        windows: rounds.iter().flat_map(|round| round.windows.iter().copied()).collect(),
        p50_ms: of(|round| round.p50_ms),
        p99_ms: of(|round| round.p99_ms),
        max_ms: rounds.iter().map(|round| round.max_ms).fold(0.0, f64::max),
        sagas: rounds.iter().map(|round| round.sagas).sum(),
        cpu_ms_per_saga: some(|round| round.cpu_ms_per_saga),
        cores: some(|round| round.cores),
        peak_memory_mib: rounds.iter().filter_map(|round| round.peak_memory_mib).reduce(f64::max),
        commits_per_saga: some(|round| round.commits_per_saga),
        statements_per_saga: some(|round| round.statements_per_saga),
        bytes_per_saga: some(|round| round.bytes_per_saga),
        ..rounds.first()?.clone()
    })
}

/// Of an even number the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length.is_multiple_of(2) => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
        length => sorted[length / 2],
    }
}
