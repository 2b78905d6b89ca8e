//! What is measured. Each scenario adds figures and verdicts to the report. Called by `main`.

mod compared;
mod finished;
mod restart;
mod sleepers;

use anyhow::Result;
use serde::Serialize;

use crate::{ground::Ground, report::Report, town::Contender};

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Three steps, as many sagas in flight as `--in-flight` says
    Saturation,
    /// The third step refused, two compensations
    Refused,
    /// One saga in flight
    Lone,
    /// 50 starts a second, whatever becomes of them
    Paced,
    /// A million sagas asleep, while others run and some wake up
    Sleepers,
    /// A million finished sagas in the store
    Finished,
    /// kill -9 with 10 000 in flight
    Restart,
    /// All of these
    All,
}

/// How the scenarios are to be played.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) seconds: f64,
    pub(crate) in_flight: Vec<usize>,
    pub(crate) vs: Vec<Contender>,
    /// The ceiling beside every figure, not only those at saturation.
    pub(crate) ceiling: bool,
    pub(crate) rounds: usize,
    /// How many sagas sleep, have finished or are in flight, where it is not the number.
    pub(crate) count: Option<u64>,
}

/// # Errors
/// Something went wrong that makes the figures worthless.
pub(crate) async fn play(scenario: Scenario, ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    match scenario {
        Scenario::Saturation => compared::saturation(ground, wish, report).await,
        Scenario::Refused => compared::refused(ground, wish, report).await,
        Scenario::Lone => compared::lone(ground, wish, report).await,
        Scenario::Paced => compared::paced(ground, wish, report).await,
        Scenario::Sleepers => sleepers::play(ground, wish, report).await,
        Scenario::Finished => finished::play(ground, wish, report).await,
        Scenario::Restart => restart::play(ground, wish, report).await,
        Scenario::All => {
            compared::saturation(ground, wish, report).await?;
            compared::refused(ground, wish, report).await?;
            compared::lone(ground, wish, report).await?;
            compared::paced(ground, wish, report).await?;
            restart::play(ground, wish, report).await?;
            finished::play(ground, wish, report).await?;
            sleepers::play(ground, wish, report).await
        }
    }
}
