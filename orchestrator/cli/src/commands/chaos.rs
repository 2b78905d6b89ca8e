//! `amends chaos --plan FILE --saga NAME`: see `crate::chaos`.

use std::{collections::BTreeMap, time::Duration};

use amends_core::definition::parse_duration;
use uuid::Uuid;

use super::faults;
use crate::{
    chaos::{self, Options},
    exit::{Exit, Usage},
    json_argument,
    output::{self, Format},
    remote::Remote,
    source,
    style::Style,
};

/// Run many sagas under a plan of faults, and audit what is left
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amends chaos --plan plan.yaml --saga place-order --input @order.json --sagas 200 \\\n      \
                  --ledger payments=http://127.0.0.1:7103 --ledger inventory=http://127.0.0.1:7102\n\n\
                  The server must have been started with `--allow-faults`. See docs/failure.md.\n\n\
                  Exit codes: 0 every check holds · 1 one does not, or it could not be run · 2 wrong usage"
)]
pub(crate) struct Args {
    /// The plan of faults (YAML), or - for stdin
    #[arg(long, value_name = "FILE|-")]
    plan: String,
    /// The definition that is started
    #[arg(long, value_name = "NAME[@VERSION]")]
    saga: String,
    /// An input: JSON, or @FILE with JSON; may be given again, then they are taken in turn
    #[arg(long = "input", value_name = "JSON|@FILE")]
    inputs: Vec<String>,
    /// How many sagas
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sagas: u32,
    /// How many of them at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    concurrency: u16,
    /// Starts in a second at most
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// How long one saga is waited for while there are faults
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    patience: Duration,
    /// How long the sagas are waited for once faults are over
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = parse_duration)]
    within: Duration,
    /// With the same word the same sagas are started: a run that is to be repeated on a fresh system [default: a new one]
    #[arg(long, value_name = "WORD")]
    run: Option<String>,
    /// Where a service shows its ledger (`GET /ledger` below it); may be given again
    #[arg(long = "ledger", value_name = "SERVICE=URL")]
    ledgers: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// The plan is not valid, the server refuses, or there is none.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (saga, version) = source::name_and_version(&args.saga)?;
    let inputs = args.inputs.iter().map(|input| json_argument::read("--input", "input", input));
    let mut ledgers = BTreeMap::new();
    for text in &args.ledgers {
        let wrong = || Usage(format!("--ledger {text}: write SERVICE=URL, e.g. payments=http://127.0.0.1:7103"));
        let (service, url) = text.split_once('=').ok_or_else(wrong)?;
        if service.is_empty() || !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(wrong().into());
        }
        ledgers.insert(service.to_owned(), url.to_owned());
    }
    let options = Options {
        plan: faults::read(&args.plan)?,
        saga: saga.to_owned(),
        version,
        inputs: inputs.collect::<anyhow::Result<_>>()?,
        sagas: args.sagas,
        concurrency: usize::from(args.concurrency),
        rate: args.rate,
        patience: args.patience,
        within: args.within,
        run: args.run.unwrap_or_else(|| format!("chaos-{}", Uuid::new_v4().simple())),
        ledgers,
    };
    let client = args.remote.client()?;
    let report = chaos::chaos(&client, &options).await.map_err(|error| match error.downcast() {
        Ok(asked) => args.remote.explain(asked),
        Err(other) => other,
    })?;
    output::show(args.remote.output, &report, || report.text(Style::of_stdout()))?;
    if options.ledgers.is_empty() && args.remote.output == Format::Table {
        output::say("no ledger was read: what the services did is not audited (--ledger SERVICE=URL)");
    }
    Ok(if report.holds { Exit::Success } else { Exit::Failure })
}
