//! `amends verify-participant URL --profile FILE`: see `crate::verify`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, anyhow};

use crate::{
    exit::{Exit, Usage},
    output,
    style::Style,
    verify::{self, Options, Profile, Report},
};

/// Check from outside that a service keeps the participant contract
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amends verify-participant http://127.0.0.1:7103 --profile services/payments/profile.yaml\n  \
                  amends verify-participant https://staging.example/pay --profile pay.yaml --format junit > report.xml\n\n\
                  It makes calls that have effects: give it a service for tests. What a profile says, and what each rule checks: \
                  docs/participant.md.\n\nExit codes: 0 every rule that could be tested is kept · 1 one is broken · 2 wrong usage"
)]
pub(crate) struct Args {
    /// Where the service is
    #[arg(value_name = "URL")]
    url: String,
    /// What may be sent to it (YAML)
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// How often what races is repeated
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Check only this rule, and what it builds upon; may be given again
    #[arg(long = "rule", value_name = "NAME")]
    rules: Vec<String>,
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
    /// For build servers
    Junit,
}

/// # Errors
/// It cannot begin.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let file = args.profile.display();
    let text = fs::read_to_string(&args.profile).with_context(|| format!("cannot read {file}"))?;
    let profile = Profile::parse(&text, |name| std::env::var(name).ok())
        .map_err(|why| anyhow!(Usage(format!("{file}: {why}"))))?;
    let report = verify::verify(Options { url: args.url, profile, rounds: args.rounds, only: args.rules }).await?;
    output::print(&printed(&report, args.format)?)?;
    Ok(if report.failed == 0 && report.passed > 0 { Exit::Success } else { Exit::Failure })
}

fn printed(report: &Report, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Text => report.text(Style::of_stdout()),
        Format::Json => serde_json::to_string_pretty(report)?,
        Format::Junit => verify::junit(report),
    })
}
