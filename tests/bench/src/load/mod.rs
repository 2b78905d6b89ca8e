//! The load generator, as a process: told in JSON what to drive, answers in JSON what it saw. One thread. Called by
//! `town` through a hidden subcommand. Must never know what stands behind the address it drives.

mod closed;
mod line;
mod open;
mod saga;
mod tally;

use std::net::SocketAddr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

pub(crate) use saga::Kind;
pub(crate) use tally::percentile_ms;

use crate::{process::stdin_ends, town::Saga};

/// What to drive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) target: SocketAddr,
    pub(crate) kind: Kind,
    pub(crate) saga: Saga,
    pub(crate) shape: Shape,
    /// Driven, not measured.
    pub(crate) warmup_s: f64,
    /// Measured, in as many windows.
    pub(crate) seconds: f64,
    pub(crate) windows: usize,
    /// No more sagas than these, however long it takes (within `seconds`).
    pub(crate) count: Option<u64>,
}

/// When the next saga starts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// When one of these has ended.
    Closed { in_flight: usize },
    /// When its time has come, whatever became of the others. Times are taken from then.
    Open { per_s: f64 },
}

/// What was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// All of them, warm-up and stragglers included.
    pub(crate) sagas: u64,
    /// Of these, those that ended within a window; if none did, those that ended later.
    pub(crate) measured: usize,
    /// How long all of them took.
    pub(crate) took_s: f64,
    /// Still without an answer [`closed::PATIENCE`] after the last start. A peer may leave some; we may not.
    pub(crate) unanswered: u64,
    /// Wrong answers and broken connections.
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Sagas a second, in each window.
    pub(crate) rates: Vec<f64>,
    /// Over all windows; 0 if nothing was measured.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

/// Drives what it is told to and prints what it saw.
///
/// # Errors
/// The order is none, or not even a first connection can be made.
pub(crate) async fn run(order: &str) -> Result<()> {
    let order: Order = serde_json::from_str(order)?;
    let drive = async {
        match order.shape {
            Shape::Closed { in_flight } => closed::drive(&order, in_flight).await,
            Shape::Open { per_s } => open::drive(&order, per_s).await,
        }
    };
    let seen = tokio::select! {
        seen = drive => seen?,
        () = stdin_ends() => bail!("the one who ordered this load is gone"),
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}
