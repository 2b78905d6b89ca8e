//! `amends faults set|show|clear`: what goes wrong on purpose in a server that was started with `--allow-faults`.

use std::{
    io::{self, Read as _},
    path::Path,
};

use amends_core::faults::{self, FaultPlan};
use amends_protocol::v1::FaultsView;
use anyhow::{Context as _, bail};
use clap::Subcommand;

use crate::{
    absent,
    exit::Exit,
    output,
    remote::Remote,
    snippet::{self, Finding},
    style::{Style, tame},
};

/// Longer names are for `-o json`.
const NAME_CHARS: usize = 80;

/// Let things go wrong on purpose, in a server that was started with `--allow-faults`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The plan's format: docs/failure.md. It is set in the one process that answers, and is gone with it."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set a plan, in place of the one before
    Set {
        /// The plan (YAML), or - for stdin
        #[arg(value_name = "FILE|-")]
        file: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Show the plan's rules, and how often each has fired
    Show {
        #[command(flatten)]
        remote: Remote,
    },
    /// Clear the plan
    Clear {
        #[command(flatten)]
        remote: Remote,
    },
}

/// # Errors
/// The plan is not valid, the server refuses, or there is none.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (remote, view) = match args.command {
        Command::Set { file, remote } => {
            let plan = read(&file)?;
            let set = remote.client()?.set_faults(&plan).await.map_err(|error| remote.explain(error))?;
            output::say("faults are injected from now on; `amends faults clear` ends them");
            (remote, set)
        }
        Command::Show { remote } => {
            let view = remote.client()?.faults().await.map_err(|error| remote.explain(error))?;
            (remote, view)
        }
        Command::Clear { remote } => {
            let before = remote.client()?.clear_faults().await.map_err(|error| remote.explain(error))?;
            output::say("nothing goes wrong on purpose any more");
            (remote, before)
        }
    };
    if view.rules.is_empty() {
        output::say("there is no plan of faults");
    }
    output::show(remote.output, &view, || table(&view))?;
    Ok(Exit::Success)
}

/// A plan that is valid: its mistakes are shown in its text, and nothing is sent.
///
/// # Errors
/// It cannot be read, or is not valid.
pub(crate) fn read(file: &str) -> anyhow::Result<String> {
    Ok(read_parsed(file)?.0)
}

/// The same with what it says.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_parsed(file: &str) -> anyhow::Result<(String, FaultPlan)> {
    let text = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("cannot read the plan from stdin")?;
        text
    } else {
        absent::text(Path::new(file))?
    };
    match faults::parse(&text) {
        Ok(plan) => Ok((text, plan)),
        Err(found) => {
            for found in found {
                let finding = Finding::of_core(file, found);
                output::say(&format!("{}\n", snippet::render(&finding, &text, Style::of_stderr())));
            }
            bail!("{file} is no valid plan of faults");
        }
    }
}

fn table(view: &FaultsView) -> String {
    let rows = view.rules.iter().map(|rule| {
        let most = rule.count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        vec![tame(&rule.name, NAME_CHARS), rule.fault.clone(), rule.fired.to_string(), most]
    });
    output::table(&["RULE", "FAULT", "FIRED", "AT MOST"], rows.collect())
}
