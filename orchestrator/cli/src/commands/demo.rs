//! `amends demo`: see `crate::demo`.

use crate::{
    demo::{self, Options, Stores},
    exit::Exit,
};

/// Watch it work: four services, failures, a crash, and an audit of what is left
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave everything running, with URLs and commands to try, until ctrl-c
    #[arg(long)]
    keep: bool,
    /// How many sagas the burst runs
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sagas: u32,
    /// Where the services keep what they know
    #[arg(long, value_enum, default_value_t)]
    stores: Stores,
}

/// # Errors
/// It could not be played to its end.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let passed = demo::run(Options { keep: args.keep, sagas: args.sagas, stores: args.stores }).await?;
    Ok(if passed { Exit::Success } else { Exit::Failure })
}
