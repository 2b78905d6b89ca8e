//! The service `shipping` as a program: flags, store, listener. Everything else is the library's.

use std::time::Duration;

use amends_barrier::program::{self, Options};
use clap::Parser;
use url::Url;

/// Shipments and their tracking numbers: a sample participant of Amends
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// Where the orchestrator is: calls that may be called back are then accepted, booked later, and their verdicts told here
    #[arg(long, env = "AMENDS_ORCHESTRATOR", value_name = "URL")]
    orchestrator: Option<Url>,
    /// How long after a call was accepted it is booked
    #[arg(long, env = "AMENDS_BOOK_AFTER", value_name = "DURATION", default_value = "1s", value_parser = program::span)]
    book_after: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { options, orchestrator, book_after } = Cli::parse();
    program::log_to_stderr();
    let barrier = options.set(amends_shipping::open(&options.database).await?);
    let Some(orchestrator) = orchestrator else {
        let router = amends_shipping::router(barrier.clone());
        return Ok(program::run(&options, barrier, router).await?);
    };
    let router = amends_shipping::router_for_later(barrier.clone());
    tokio::select! {
        ended = program::run(&options, barrier.clone(), router) => Ok(ended?),
        broken = amends_shipping::keep_booking(barrier, book_after, orchestrator) => match broken {
            Ok(never) => match never {},
            Err(error) => Err(error),
        },
    }
}
