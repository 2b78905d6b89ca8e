//! `amends fsck`: is every saga in the store what its journal says?
//!
//! Why it exists: the proof of a store is for operators, before a backup is trusted and after a disk was not. It reads the
//! store itself and asks no server, so that it can check one that does not start.
//!
//! **What it must never know:** what makes a saga right or wrong (`amends_store::fsck`); how to mend one.

use std::io::{self, IsTerminal as _, Write as _};

use amends_store::fsck::{Finding, Fsck};
use serde::Serialize;

use crate::{exit::Exit, output, store::ToRead, style::tame};

/// Longer ones are for `-o json`.
const DETAIL_CHARS: usize = 300;

/// Prove that every saga's journal and row agree, beside a running server or without one
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all is well · 1 findings, or the store cannot be read · 2 wrong usage")]
pub(crate) struct Args {
    #[command(flatten)]
    store: ToRead,
    /// How findings are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line for each, for people
    #[default]
    Text,
    /// A JSON object on a line for each
    Json,
}

#[derive(Serialize)]
struct Line {
    saga: String,
    seq: Option<u64>,
    finding: &'static str,
    detail: String,
}

/// # Errors
/// The store cannot be opened or read.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let opened = args.store.open().await?;
    let checked = check(&*opened.store(), args.output).await;
    opened.close().await;
    let (sagas, findings) = checked?;
    output::say(&format!("{}, {}", counted(sagas, "saga"), counted(findings, "finding")));
    Ok(if findings == 0 { Exit::Success } else { Exit::Failure })
}

async fn check(store: &dyn amends_store::Store, format: Format) -> anyhow::Result<(u64, u64)> {
    let mut fsck = Fsck::new(store);
    let mut progress = Progress::new("sagas checked");
    let (mut sagas, mut findings) = (0, 0);
    while let Some(checked) = fsck.next().await? {
        sagas += checked.sagas;
        findings += checked.findings.len() as u64;
        if !checked.findings.is_empty() {
            progress.clear();
        }
        for finding in checked.findings {
            output::print(&line(finding, format)?)?;
        }
        progress.show(sagas);
    }
    progress.clear();
    Ok((sagas, findings))
}

fn line(finding: Finding, format: Format) -> anyhow::Result<String> {
    let Finding { saga, seq, what, detail } = finding;
    Ok(match format {
        Format::Text => {
            let seq = seq.map(|seq| format!(" seq {seq}")).unwrap_or_default();
            // What a damaged row holds must not break the line, nor the terminal.
            let detail = tame(&detail, DETAIL_CHARS);
            format!("{saga}{seq}  {}: {detail}  (amends history {saga})", what.as_str())
        }
        Format::Json => serde_json::to_string(&Line { saga: saga.to_string(), seq, finding: what.as_str(), detail })?,
    })
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// How far a long run is, for a person who waits: one line on a terminal, nothing elsewhere.
pub(super) struct Progress {
    what: &'static str,
    terminal: bool,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, terminal: io::stderr().is_terminal() }
    }

    pub(super) fn show(&mut self, number: u64) {
        self.write(&format!("\r{number} {}", self.what));
    }

    pub(super) fn clear(&mut self) {
        self.write("\r\x1b[K");
    }

    fn write(&mut self, text: &str) {
        if self.terminal {
            // Nobody is there to see: nothing to be done about it.
            let _ = write!(io::stderr(), "{text}");
        }
    }
}
