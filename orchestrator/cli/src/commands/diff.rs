//! `amends diff FROM TO`: what two versions of a definition differ in.

use amends_core::diff::{self, Diff};
use anyhow::bail;

use crate::{
    exit::{Exit, Usage},
    output,
    source::{self, Server},
    style::{Style, Tone},
};

/// Show what two versions of a definition differ in, and what sagas that run will not get
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the same · 1 different or failed, as with diff\n\n\
                  Examples:\n  amends diff old.yaml new.yaml\n  amends diff place-order@1 place-order@2\n  \
                  amends diff place-order 1 2 --json")]
pub(crate) struct Args {
    /// Two definitions, each a file, - for stdin, or `NAME` or `NAME@VERSION` that a server has; or a name and two versions
    #[arg(value_name = "FROM TO | NAME FROM TO", num_args = 2..=3, required = true)]
    versions: Vec<String>,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// # Errors
/// A definition is not there or not valid.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (from, to) = match &args.versions[..] {
        [from, to] => (from.clone(), to.clone()),
        [name, from, to] => {
            if let Some(stray) = [from, to].into_iter().find(|version| version.parse::<u32>().is_err()) {
                bail!(Usage(format!("`{stray}` is no version: write NAME FROM TO, e.g. place-order 1 2")));
            }
            (format!("{name}@{from}"), format!("{name}@{to}"))
        }
        _ => bail!(Usage("write two definitions, or a name and two versions".to_owned())),
    };
    let (before, after) = (source::read(&from, &args.server).await?, source::read(&to, &args.server).await?);
    let diff = diff::diff(&before, &after);
    if args.json {
        output::print(&serde_json::to_string_pretty(&diff)?)?;
    } else {
        output::print(&text(&diff, (&from, &to), Style::of_stdout()))?;
    }
    Ok(if diff.is_empty() { Exit::Success } else { Exit::Failure })
}

fn text(diff: &Diff, (from, to): (&str, &str), style: Style) -> String {
    if diff.is_empty() {
        return if diff.same_text {
            format!("{from} and {to} are the same text")
        } else {
            format!("{from} and {to} mean the same; only how they are written differs")
        };
    }
    let mut lines = vec![];
    for change in &diff.changes {
        lines.push(style.paint(Tone::Strong, &change.at));
        lines.extend(change.from.iter().map(|text| style.paint(Tone::Bad, &format!("  - {text}"))));
        lines.extend(change.to.iter().map(|text| style.paint(Tone::Good, &format!("  + {text}"))));
    }
    if !diff.starts.is_empty() {
        lines.push(format!("\nStarts that {from} accepts and {to} refuses:"));
        for start in &diff.starts {
            lines.push(format!("  /input{}: {}", start.pointer, start.message));
        }
    }
    let withheld: Vec<&str> = diff.withheld().map(|change| change.at.as_str()).collect();
    if !withheld.is_empty() {
        lines.push(format!("\nSagas that run finish as they started, on {from}. They will not get:"));
        lines.extend(withheld.iter().map(|at| format!("  {at}")));
    }
    lines.join("\n")
}
