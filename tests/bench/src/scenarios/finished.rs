//! A store with a million finished sagas beside an empty one, in turn: throughput, and the list's p99.

use std::time::Instant;

use anyhow::{Result, bail};

use super::Wish;
use crate::{
    figure::{Case, median, order},
    ground::Ground,
    load::{Kind, Order, Shape, percentile_ms},
    report::{Bound, Report},
    town::{Contender, Saga, Town},
    wire::{Connection, request},
};

const FINISHED: u64 = 1_000_000;
/// As if there were 250 a second.
const FILL_MOST_S: f64 = 4_000.0;
const ROUNDS: usize = 3;
/// In turn on both stores, so many times so many: what else the machine does must hit both.
const LIST_TURNS: usize = 5;
const LISTS: usize = 400;
/// Within 10 % of the empty store.
const PART_LEAST: f64 = 0.9;
const PART_MOST: f64 = 1.1;

/// Of one store, round by round.
#[derive(Default)]
struct Rounds {
    rates: Vec<f64>,
    list_p99_ms: Vec<f64>,
}

pub(super) async fn play(ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    let count = wish.count.unwrap_or(FINISHED);
    let in_flight = wish.in_flight.iter().copied().max().unwrap_or(1);
    eprintln!("filling a store with {count} finished sagas");
    let full = Town::raise(ground, Contender::Amends).await?;
    fill(&full, count, in_flight).await?;
    let (mut of_full, mut of_empty) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        let empty = Town::raise(ground, Contender::Amends).await?;
        of_empty.rates.push(rate(&empty, wish.seconds, in_flight).await?);
        of_full.rates.push(rate(&full, wish.seconds, in_flight).await?);
        for _ in 0..LIST_TURNS {
            of_empty.list_p99_ms.push(list_p99_ms(&empty).await?);
            of_full.list_p99_ms.push(list_p99_ms(&full).await?);
        }
        empty.end(ground).await?;
    }
    full.end(ground).await?;
    let part = |of: fn(&Rounds) -> &[f64]| Some(median(of(&of_full)) / median(of(&of_empty)));
    let what = format!("{count} finished sagas");
    eprintln!(
        "{what}: {:?} sagas/s, empty {:?}; list p99 {:?} ms, empty {:?}",
        of_full.rates, of_empty.rates, of_full.list_p99_ms, of_empty.list_p99_ms
    );
    report.hold(
        format!("{what}: throughput, part of an empty store's"),
        part(|of| &of.rates),
        Bound::AtLeast(PART_LEAST),
    );
    report.hold(
        format!("{what}: list p99, part of an empty store's"),
        part(|of| &of.list_p99_ms),
        Bound::AtMost(PART_MOST),
    );
    Ok(())
}

async fn fill(town: &Town, count: u64, in_flight: usize) -> Result<()> {
    let order = Order {
        target: town.door,
        kind: Kind::Amends,
        saga: Saga::Three,
        shape: Shape::Closed { in_flight },
        warmup_s: 0.0,
        seconds: FILL_MOST_S,
        windows: 1,
        count: Some(count),
    };
    let seen = town.load(&order).await?;
    if seen.sagas < count {
        bail!("only {} of {count} sagas were done in {FILL_MOST_S} s", seen.sagas);
    }
    Ok(())
}

async fn rate(town: &Town, seconds: f64, in_flight: usize) -> Result<f64> {
    let case = Case { scenario: "finished", saga: Saga::Three, shape: Shape::Closed { in_flight } };
    Ok(median(&town.load(&order(town, case, seconds)).await?.rates))
}

/// The first page, as an operator opens it.
async fn list_p99_ms(town: &Town) -> Result<f64> {
    let mut connection = Connection::open(town.door).await?;
    let request = request("GET", town.door, "/v1/sagas", "", "");
    let mut took_us = vec![];
    for _ in 0..LISTS {
        let began = Instant::now();
        let status = connection.exchange(&request).await?.status;
        if status != 200 {
            bail!("the list of sagas: {status}");
        }
        took_us.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    took_us.sort_unstable();
    Ok(percentile_ms(&took_us, 0.99))
}
