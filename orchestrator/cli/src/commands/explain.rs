//! `amends explain [CODE]`: the page of a code that `check` or `explore` says.

use amends_core::definition::{self, Page};
use serde::Serialize;

use crate::{
    exit::{Exit, Usage},
    output::{self, Format},
    style::{Style, Tone},
};

/// Explain a code that `check` or `explore` has said
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amends explain E0306\n  amends explain            # every code in one line")]
pub(crate) struct Args {
    /// The code, e.g. E0306; without it all are listed
    code: Option<String>,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// A page for programs.
#[derive(Serialize)]
struct View {
    code: &'static str,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'static str>,
}

/// # Errors
/// There is no such code.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.code {
        Some(code) => {
            let page = page_of(code.trim()).ok_or_else(|| unknown(code))?;
            let view = View { code: page.code, title: page.title(), page: Some(page.text) };
            output::show(args.output, &view, || text(page, Style::of_stdout()))?;
        }
        None => {
            let views: Vec<View> =
                pages().map(|page| View { code: page.code, title: page.title(), page: None }).collect();
            let rows = || views.iter().map(|view| vec![view.code.to_owned(), view.title.to_owned()]).collect();
            output::show(args.output, &views, || output::table(&["CODE", "MEANING"], rows()))?;
        }
    }
    Ok(Exit::Success)
}

/// Those on the text of a definition first, then those on how it fails.
fn pages() -> impl Iterator<Item = &'static Page> {
    definition::pages().iter().chain(amends_explore::pages())
}

fn page_of(code: &str) -> Option<&'static Page> {
    definition::explain(code).or_else(|| amends_explore::explain(code))
}

fn unknown(code: &str) -> Usage {
    let code = crate::style::tame(code, 40);
    let known = pages().map(|page| page.code);
    let near = known.map(|known| (strsim::damerau_levenshtein(known, &code.to_ascii_uppercase()), known)).min();
    let near = near
        .filter(|(distance, _)| *distance <= 1)
        .map_or(String::new(), |(_, near)| format!(" (did you mean {near}?)"));
    Usage(format!("there is no code `{code}`{near}; `amends explain` lists them all"))
}

/// The page with its headings in bold and its code in front.
fn text(page: &Page, style: Style) -> String {
    let mut lines = Vec::new();
    for line in page.text.lines() {
        lines.push(match (line.strip_prefix("# "), line.strip_prefix("## "), line.starts_with("```")) {
            (Some(title), _, _) => {
                format!("{}: {}", style.paint(Tone::Strong, page.code), style.paint(Tone::Strong, title))
            }
            (_, Some("Wrong"), _) => style.paint(Tone::Bad, "Wrong"),
            (_, Some("Right"), _) => style.paint(Tone::Good, "Right"),
            (_, _, true) => continue,
            _ => line.to_owned(),
        });
    }
    lines.join("\n")
}
