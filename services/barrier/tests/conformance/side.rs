//! A side that has a server: all cases on it, a few at once, each with a store of its own.

use std::{future::Future, sync::Arc, time::Instant};

use amends_barrier::{
    Barrier,
    clock::Clock,
    fault::{Faults, Pause, Rule},
};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    cases::CASES,
    controls::{self, CONTROLS},
    pot,
    subject::{GRACE, Subject},
};

/// Cases at once: more only wait for the disk.
const AT_ONCE: usize = 4;

/// Two programs on one store of this side, each opened by `open`.
pub(crate) async fn subject<F: Future<Output = Barrier>>(off: Option<Rule>, open: impl Fn() -> F) -> Subject {
    let (pause, clock) = (Pause::default(), Clock::default());
    let program = async |pause: Pause| {
        let barrier = open().await.with_clock(clock.clone()).with_forget_grace(GRACE);
        pot::router(barrier.with_faults(Faults::testing(pause, off)))
    };
    let (calls, beside) = (program(pause.clone()).await, program(pause.beside()).await);
    Subject { calls, beside, pause, clock, in_one_step: false, dir: None }
}

/// Every case, and then every control for which this side has the rule.
pub(crate) async fn all_hold<F>(new: impl Fn(Option<Rule>) -> F + Clone + Send + 'static, without: &[Rule])
where
    F: Future<Output = Subject> + Send,
{
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way: Vec<(String, JoinHandle<()>)> = vec![];
    for (name, case) in CASES {
        let (new, permits) = (new.clone(), permits.clone());
        under_way.push((
            (*name).to_owned(),
            tokio::spawn(async move {
                let _permit = permits.acquire_owned().await.unwrap();
                let began = Instant::now();
                case(new(None).await).await.unwrap_or_else(|error| panic!("{error:?}"));
                println!("{name}: {:?}", began.elapsed());
            }),
        ));
    }
    for (rule, case, promise) in CONTROLS.iter().filter(|(rule, ..)| !without.contains(rule)) {
        let (new, permits) = (new.clone(), permits.clone());
        under_way.push((
            format!("without {rule:?}"),
            tokio::spawn(async move {
                let _permit = permits.acquire_owned().await.unwrap();
                controls::breaks(new(Some(*rule)).await, *case, promise).await;
            }),
        ));
    }
    let mut broken = vec![];
    for (name, run) in under_way {
        if let Err(error) = run.await {
            let what = error.into_panic();
            let what = what.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
            broken.push(format!("{name}: {what}"));
        }
    }
    assert!(broken.is_empty(), "{} of {} do not hold:\n{}", broken.len(), CASES.len(), broken.join("\n"));
}
