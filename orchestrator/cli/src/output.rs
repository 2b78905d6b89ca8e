//! Results on stdout, talk on stderr.

use std::io::{self, Write as _};

use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::style::{Style, Tone};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: what the API answered
    Json,
    /// The same as YAML
    Yaml,
}

/// Prints a result. A reader that has gone (`| head`) is no error.
///
/// # Errors
/// stdout cannot be written to.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints a result for programs, or calls `table` for people.
///
/// # Errors
/// stdout cannot be written to.
pub(crate) fn show<T: Serialize>(format: Format, result: &T, table: impl FnOnce() -> String) -> anyhow::Result<()> {
    match format {
        Format::Table => print(&table()),
        Format::Json => print(&serde_json::to_string_pretty(result)?),
        Format::Yaml => print(&serde_yaml_ng::to_string(result)?),
    }
}

/// Says something to the person that is no result.
pub(crate) fn say(text: &str) {
    // Nobody is there to hear: nothing to be done about it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says why a command failed.
pub(crate) fn complain(error: &anyhow::Error) {
    let label = Style::of_stderr().paint(Tone::Bad, "error:");
    say(&format!("{label} {error:#}"));
}

/// A table without frames: columns for the eye, words for `awk`.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(Cell::new));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
