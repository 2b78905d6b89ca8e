//! `amends test PATH…`: the scenarios beside sagas, carried out. See `crate::tested`.

use std::{path::PathBuf, time::Duration};

use amends_core::definition::parse_duration;
use amends_explore::{Service, Setup};
use anyhow::bail;

use super::{
    check,
    explore::{Promise, as_catalogued},
};
use crate::{
    config::DEFAULT_FILE,
    exit::{Exit, Usage},
    explored::Format,
    output,
    signals::Signals,
    tested::{self, Asked, Shown},
};

/// Carry out the scenarios beside sagas: in virtual time, or against real services
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amends test sagas/                             # all of them, in a moment\n  \
    amends test place-order.yaml --filter 'reply is lost'\n  \
    amends test sagas/ --coverage                  # which faults no scenario brings about\n  \
    amends test sagas/ --format junit > test.xml   # for a build\n  \
    amends test sagas/ --live --config amends.toml # against the services of a configuration\n\n\
    Exit codes: 0 every scenario came to what it expects · 1 one did not, a file is not valid, or too little is covered · 2 wrong usage\n\
    What may stand in a scenario: docs/scenarios.md.")]
pub(crate) struct Args {
    /// Scenarios (`*.test.yaml`), sagas that have some beside them, or folders
    #[arg(value_name = "PATH", default_value = "sagas")]
    paths: Vec<PathBuf>,
    /// Only scenarios in whose `saga: name` this text is; may be given again
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// A server's configuration: which contract each service keeps, its timeout; with --live also where it is, and
    /// `amends.toml` of the current folder if no other is named
    #[arg(long, visible_alias = "catalogue", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What services promise that stand in no configuration
    #[arg(long, value_enum, default_value_t = Promise::Barrier)]
    contract: Promise,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Tell what happened in every scenario, not only around what went wrong
    #[arg(long)]
    trace: bool,
    /// Say what of all that could befall a step no scenario brings about
    #[arg(long)]
    coverage: bool,
    /// Fail if less than so much of it is brought about
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Against the services of the configuration, in real time; what goes wrong is injected on the way to them
    #[arg(long)]
    live: bool,
    /// How long one scenario is waited for, with --live
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration, requires = "live")]
    patience: Duration,
}

/// # Errors
/// There is no such file, or nothing in it fits.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let config = args.config.or_else(|| args.live.then(|| PathBuf::from(DEFAULT_FILE)));
    if let Some(gone) = config.as_ref().filter(|file| args.live && !file.is_file()) {
        let why = format!("--live: there is no {} that says where services are", gone.display());
        return Err(Usage(why).into());
    }
    let catalogue = config.as_deref().map(check::catalogue).transpose()?;
    let asked = Asked { paths: args.paths, filters: args.filter };
    let mut files = tested::read(&asked, catalogue.as_ref())?;
    let catalogue = catalogue.unwrap_or_default();
    if args.live {
        // Whoever stops it in the middle leaves no store behind.
        let mut stop = Signals::listen()?;
        tokio::select! {
            ran = tested::run_live(&mut files, &catalogue, args.patience) => ran?,
            () = stop.next() => bail!("stopped"),
        }
    } else {
        let named = catalogue.services.iter().map(|(name, entry)| (name.as_str().into(), as_catalogued(entry)));
        let otherwise = Service { contract: args.contract.into(), ..Setup::default().otherwise };
        let setup = Setup { services: named.collect(), otherwise, ..Setup::default() };
        tested::run_in_virtual_time(&mut files, &setup);
    }
    let report = tested::report(files, args.coverage || args.min_coverage.is_some());
    tested::show(&report, args.format, &Shown { trace: args.trace, coverage: args.coverage })?;
    let covered = report.covered_percent();
    let too_little = args.min_coverage.filter(|least| covered < f64::from(*least));
    if let Some(least) = too_little {
        output::say(&format!(
            "scenarios bring about {covered:.0} % of what could befall these sagas, and {least} % are asked for"
        ));
    }
    Ok(if report.passed() && too_little.is_none() { Exit::Success } else { Exit::Failure })
}
