//! The service `inventory` as a program: flags, store, listener. Everything else is the library's.

use amends_barrier::program::{self, Options};
use clap::Parser;

/// Stock and what is reserved of it: a sample participant of Amends
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Cli::parse().options;
    program::log_to_stderr();
    let guard = options.set_guard(amends_inventory::open(&options.database).await?);
    let router = amends_inventory::router(guard.clone());
    program::run(&options, guard, router).await?;
    Ok(())
}
