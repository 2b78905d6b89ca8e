//! So many a second, whatever became of those before. A saga's time runs from the moment it was due to start, so one that
//! had to wait for us is as slow as its caller would have found it.

use std::{cell::RefCell, rc::Rc, time::Duration};

use anyhow::Result;
use tokio::{
    task::{JoinSet, LocalSet},
    time::{Instant, sleep_until},
};

use super::{Order, Seen, saga::Script, tally::Tally};
use crate::wire::Connection;

/// Past it starts are errors: nothing piles up without end.
const IN_FLIGHT_MOST: usize = 2_000;
/// Servers close idle connections after 5 s and more.
const IDLE_MOST: Duration = Duration::from_secs(2);

type Pool = Rc<RefCell<Vec<(Connection, Instant)>>>;

/// # Errors
/// None yet; each start reports for itself.
pub(super) async fn drive(order: &Order, per_s: f64) -> Result<Seen> {
    let script = Script::new(order.target, order.kind, order.saga);
    let tally = Rc::new(RefCell::new(Tally::new(order)));
    let pool = Pool::default();
    let all = LocalSet::new();
    let began = Instant::from_std(tally.borrow().began());
    let mut flights = JoinSet::new();
    let starts = async {
        let mut number = 0_u32;
        loop {
            let due = began + Duration::from_secs_f64(f64::from(number) / per_s);
            sleep_until(due).await;
            while flights.try_join_next().is_some() {}
            if !tally.borrow_mut().start() {
                break;
            }
            number += 1;
            if flights.len() >= IN_FLIGHT_MOST {
                let refused = anyhow::anyhow!("{IN_FLIGHT_MOST} are in flight already");
                tally.borrow_mut().end(due.into_std(), Err(refused));
                continue;
            }
            flights.spawn_local(flight(order.target, script.clone(), pool.clone(), tally.clone(), due));
        }
        while flights.join_next().await.is_some() {}
    };
    all.run_until(starts).await;
    drop(all);
    let tally = Rc::into_inner(tally).expect("invariant: every flight has ended");
    Ok(tally.into_inner().seen())
}

async fn flight(target: std::net::SocketAddr, mut script: Script, pool: Pool, tally: Rc<RefCell<Tally>>, due: Instant) {
    let outcome = async {
        let idle = pool.borrow_mut().pop().filter(|(_, since)| since.elapsed() < IDLE_MOST);
        let mut connection = match idle {
            Some((connection, _)) => connection,
            None => Connection::open(target).await?,
        };
        script.play(&mut connection).await?;
        pool.borrow_mut().push((connection, Instant::now()));
        Ok(())
    };
    let outcome = outcome.await;
    tally.borrow_mut().end(due.into_std(), outcome);
}
