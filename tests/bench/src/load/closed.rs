//! So many in flight: the next starts when one has ended.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{
    task::{JoinSet, LocalSet},
    time::{sleep, timeout},
};

use super::{Kind, Order, Seen, line::Line, saga::Script, tally::Tally};

/// Past the end of the measurement. Restate 1.7.12 under 512 in flight leaves some requests without an answer for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// # Errors
/// A first connection cannot be made.
pub(super) async fn drive(order: &Order, in_flight: usize) -> Result<Seen> {
    let script = Script::new(order.target, order.kind, order.saga);
    let tally = Rc::new(RefCell::new(Tally::new(order)));
    let all = LocalSet::new();
    let mut lines = vec![];
    for _ in 0..in_flight {
        lines.push(all.run_until(Line::open(order.kind, order.target)).await?);
    }
    let mut lanes = JoinSet::new();
    // One after the other over half the warm-up: all at once is a herd that some never recover from.
    let ramp = Duration::from_secs_f64(order.warmup_s / 2.0 / in_flight as f64);
    for (number, line) in (0..).zip(lines) {
        let lane = lane(line, script.clone(), (order.kind, order.target), tally.clone());
        let delayed = async move {
            sleep(ramp * number).await;
            lane.await;
        };
        lanes.spawn_local_on(delayed, &all);
    }
    let bound = Duration::from_secs_f64(order.warmup_s + order.seconds) + PATIENCE;
    let ended = all.run_until(timeout(bound, async { while lanes.join_next().await.is_some() {} })).await;
    if ended.is_err() {
        lanes.abort_all();
        all.run_until(async { while lanes.join_next().await.is_some() {} }).await;
    }
    drop((lanes, all));
    let tally = Rc::into_inner(tally).expect("invariant: every lane has ended");
    Ok(tally.into_inner().seen())
}

async fn lane(mut line: Line, mut script: Script, (kind, target): (Kind, SocketAddr), tally: Rc<RefCell<Tally>>) {
    while tally.borrow_mut().start() {
        let began = Instant::now();
        let outcome = script.play(&mut line).await;
        let broken = outcome.is_err();
        tally.borrow_mut().end(began, outcome);
        if broken {
            match Line::open(kind, target).await {
                Ok(another) => line = another,
                Err(_) => return,
            }
        }
    }
}
