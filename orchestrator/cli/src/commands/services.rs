//! `amends services check`: see `crate::separate`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;

use crate::{
    config::{self, Flags},
    exit::{Exit, Usage},
    output,
    separate::{self, Credentials},
    style::Style,
};

/// Look at the services of the catalogue
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
}

/// Find out whether each service has a store of its own, which nobody else can open
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amends services check --config amends.toml\n  amends services check --config amends.toml --credentials \
                  stores.toml --format json\n\nEvery service is asked for the fingerprint of its store. With credentials, each is tried at \
                  every other store, and must be refused: docs/stores.md says how the file looks.\n\nExit codes: 0 nothing is wrong · \
                  1 something is, or a service does not answer · 2 wrong usage"
)]
struct Check {
    #[command(flatten)]
    flags: Flags,
    /// The store of each service with the credential that the service uses, and that of the orchestrator (TOML)
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// # Errors
/// It cannot begin.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let Command::Check(check) = args.command;
    let catalogue = config::load(&check.flags)?.config.services;
    if catalogue.services.is_empty() {
        return Err(anyhow!(Usage("there is no service in the configuration: `services.NAME.url`".to_owned())));
    }
    let credentials = match &check.credentials {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Credentials::parse(&text).map_err(|why| anyhow!(Usage(format!("{}: {why}", file.display()))))?
        }
        None => Credentials::default(),
    };
    let report = separate::check(&catalogue, &credentials).await?;
    output::print(&match check.format {
        Format::Text => report.text(Style::of_stdout()),
        Format::Json => serde_json::to_string_pretty(&report)?,
    })?;
    Ok(if report.is_good() { Exit::Success } else { Exit::Failure })
}
