//! So many a second, whatever became of those before. A saga's time runs from the moment it was due to start, so one that
//! had to wait for us is as slow as its caller would have found it.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::{JoinSet, LocalSet},
};

use super::{Kind, Order, Seen, line::Line, saga::Script, tally::Tally};

/// Past it starts are errors: nothing piles up without end.
const IN_FLIGHT_MOST: usize = 2_000;
/// Servers close idle connections after 5 s and more.
const IDLE_MOST: Duration = Duration::from_secs(2);

type Pool = Rc<RefCell<Vec<(Line, Instant)>>>;

/// Tells each moment at which a saga is due. From a thread of its own: the runtime's timers go by whole milliseconds and are up
/// to two late, which would be counted as the time of whoever is measured.
fn ticks(began: Instant, per_s: f64) -> Receiver<Instant> {
    let (tick, ticks) = channel(IN_FLIGHT_MOST);
    thread::spawn(move || {
        for number in 0_u32.. {
            let due = began + Duration::from_secs_f64(f64::from(number) / per_s);
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                thread::park_timeout(left);
            }
            // Nobody listens any more once all are started.
            if tick.blocking_send(due).is_err() {
                return;
            }
        }
    });
    ticks
}

/// # Errors
/// None yet; each start reports for itself.
pub(super) async fn drive(order: &Order, per_s: f64) -> Result<Seen> {
    let script = Script::new(order.target, order.kind, order.saga);
    let tally = Rc::new(RefCell::new(Tally::new(order)));
    let pool = Pool::default();
    let all = LocalSet::new();
    let mut ticks = ticks(tally.borrow().began(), per_s);
    let mut flights = JoinSet::new();
    let starts = async {
        while let Some(due) = ticks.recv().await {
            while flights.try_join_next().is_some() {}
            if !tally.borrow_mut().start() {
                break;
            }
            if flights.len() >= IN_FLIGHT_MOST {
                let refused = anyhow::anyhow!("{IN_FLIGHT_MOST} are in flight already");
                tally.borrow_mut().end(due, Err(refused));
                continue;
            }
            let to = (order.kind, order.target);
            flights.spawn_local(flight(to, script.clone(), pool.clone(), tally.clone(), due));
        }
        while flights.join_next().await.is_some() {}
    };
    all.run_until(starts).await;
    drop(all);
    let tally = Rc::into_inner(tally).expect("invariant: every flight has ended");
    Ok(tally.into_inner().seen())
}

async fn flight(
    (kind, target): (Kind, SocketAddr),
    mut script: Script,
    pool: Pool,
    tally: Rc<RefCell<Tally>>,
    due: Instant,
) {
    let outcome = async {
        let idle = pool.borrow_mut().pop().filter(|(_, since)| since.elapsed() < IDLE_MOST);
        let mut line = match idle {
            Some((line, _)) => line,
            None => Line::open(kind, target).await?,
        };
        script.play(&mut line).await?;
        pool.borrow_mut().push((line, Instant::now()));
        Ok(())
    };
    let outcome = outcome.await;
    tally.borrow_mut().end(due, outcome);
}
