//! `amends definitions register|list|get|versions|disable|enable|delete`

use std::path::PathBuf;

use amends_client::ClientError;
use amends_core::definition::Definition;
use amends_protocol::{
    problem::{Problem, ProblemType},
    v1::{DefinitionView, Diagnostic, PAGE_LIMIT_MAX, Page, RegisterAnswer, Severity as WireSeverity},
};
use anyhow::bail;
use clap::Subcommand;

use crate::{
    absent,
    exit::{Exit, Usage},
    output::{self, Format},
    remote::Remote,
    snippet::{self, Finding, Severity},
    source,
    style::Style,
};

/// Register definitions and look at them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register definitions; the same text again changes nothing
    Register {
        /// Definitions (YAML)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        remote: Remote,
    },
    /// List all definitions, each in its latest version
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Show one definition
    Get {
        name: String,
        /// Instead of the latest
        #[arg(long)]
        version: Option<u32>,
        /// Print its text and nothing else
        #[arg(long)]
        source: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take no new starts with a version; sagas that run go on
    Disable {
        /// Without a version: all of them
        #[arg(value_name = "NAME[@VERSION]")]
        definition: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take starts with a version again
    Enable {
        /// Without a version: all of them
        #[arg(value_name = "NAME[@VERSION]")]
        definition: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Delete a version that no kept saga was started with; its number stays taken
    Delete {
        #[arg(value_name = "NAME@VERSION")]
        definition: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// List all versions of one definition, latest first
    Versions {
        name: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// # Errors
/// The server refuses, or there is none; a file cannot be read.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::Register { files, remote } => register(&files, &remote).await,
        Command::List { remote } => {
            let client = remote.client()?;
            let items = pages(async |cursor| client.definitions(Some(PAGE_LIMIT_MAX), cursor).await).await;
            show(&items.map_err(|error| remote.explain(error))?, &remote)
        }
        Command::Versions { name, remote } => {
            let client = remote.client()?;
            let items = pages(async |cursor| client.versions(&name, Some(PAGE_LIMIT_MAX), cursor).await).await;
            show(&items.map_err(|error| remote.explain(error))?, &remote)
        }
        Command::Disable { definition, remote } => set_disabled(&definition, true, &remote).await,
        Command::Enable { definition, remote } => set_disabled(&definition, false, &remote).await,
        Command::Delete { definition, remote } => delete(&definition, &remote).await,
        Command::Get { name, version, source, remote } => {
            let found = remote.client()?.definition(&name, version).await.map_err(|error| remote.explain(error))?;
            let text = found.source.as_deref().unwrap_or_default();
            if source {
                output::print(text)?;
            } else {
                output::show(remote.output, &found, || format!("{}\n\n{text}", table(std::slice::from_ref(&found))))?;
            }
            Ok(Exit::Success)
        }
    }
}

async fn set_disabled(definition: &str, disabled: bool, remote: &Remote) -> anyhow::Result<Exit> {
    let client = remote.client()?;
    let (name, version) = source::name_and_version(definition)?;
    let versions = match version {
        Some(version) => vec![version],
        None => {
            let items = pages(async |cursor| client.versions(name, Some(PAGE_LIMIT_MAX), cursor).await).await;
            items.map_err(|error| remote.explain(error))?.iter().map(|item| item.version).collect()
        }
    };
    let mut items = vec![];
    for version in versions {
        let set = client.set_disabled(name, version, disabled).await;
        items.push(set.map_err(|error| remote.explain(error))?);
    }
    show(&items, remote)
}

/// One version, which is said: nobody should delete by mistake what he did not mean.
async fn delete(definition: &str, remote: &Remote) -> anyhow::Result<Exit> {
    let (name, Some(version)) = source::name_and_version(definition)? else {
        return Err(Usage(format!(
            "say which version: `{definition}@1`; `amends definitions versions {definition}` lists them"
        ))
        .into());
    };
    let deleted = remote.client()?.delete_definition(name, version).await.map_err(|error| remote.explain(error))?;
    let row = || vec![deleted.name.clone(), deleted.version.to_string(), "deleted".to_owned()];
    output::show(remote.output, &deleted, || output::table(&["NAME", "VERSION", "RESULT"], vec![row()]))?;
    Ok(Exit::Success)
}

async fn register(files: &[PathBuf], remote: &Remote) -> anyhow::Result<Exit> {
    let client = remote.client()?;
    let mut answers = vec![];
    let mut refused = 0;
    let mut sources = Vec::with_capacity(files.len());
    for path in files {
        let file = path.display().to_string();
        let source = absent::text(path)?;
        sources.push((file, source));
    }
    for (file, source) in children_first(sources) {
        match client.register(&source).await {
            Ok(answer) => {
                tell(&file, &source, answer.warnings.iter().map(of_wire));
                answers.push(answer);
            }
            Err(ClientError::Problem { problem, .. }) if is_invalid(&problem) => {
                tell(&file, &source, problem.errors.iter().map(of_problem));
                refused += 1;
            }
            Err(error) => return Err(remote.explain(error).context(file)),
        }
    }
    if remote.output != Format::Table || !answers.is_empty() {
        output::show(remote.output, &answers, || registered(&answers))?;
    }
    if refused > 0 {
        bail!("{refused} of {} definitions could not be registered", files.len());
    }
    Ok(Exit::Success)
}

/// A server takes a definition only when it knows the sagas that it runs as children; within that, in the order in which they are
/// given. What cannot be read is for the server to refuse.
fn children_first(mut left: Vec<(String, String)>) -> Vec<(String, String)> {
    let read = |source: &str| Definition::parse(source, None).ok();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let names: Vec<_> = left.iter().map(|(_, source)| read(source).map(|read| read.name)).collect();
        let runs_none_of_them = |(_, source): &(String, String)| {
            let of = read(source);
            of.is_none_or(|read| {
                let mut children = read.children();
                children.all(|(_, child)| *child.name == *read.name || !names.contains(&Some(child.name.clone())))
            })
        };
        // Sagas that run each other have no order; the server says so.
        let next = left.iter().position(runs_none_of_them).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

fn is_invalid(problem: &Problem) -> bool {
    problem.problem_type() == Some(ProblemType::InvalidDefinition)
}

/// Findings are talk: the result is what was registered.
fn tell(file: &str, source: &str, findings: impl Iterator<Item = Finding>) {
    for finding in findings {
        let finding = Finding { file: file.to_owned(), ..finding };
        output::say(&format!("{}\n", snippet::render(&finding, source, Style::of_stderr())));
    }
}

fn of_wire(found: &Diagnostic) -> Finding {
    Finding {
        code: found.code.clone(),
        severity: match found.severity {
            WireSeverity::Error => Severity::Error,
            WireSeverity::Warning => Severity::Warning,
        },
        message: found.message.clone(),
        file: String::new(),
        line: found.line,
        column: found.column,
        hint: found.hint.clone(),
    }
}

/// A problem's places are all errors; warnings alone refuse nothing.
fn of_problem(error: &amends_protocol::problem::ProblemError) -> Finding {
    let code = error.code.clone().unwrap_or_default();
    Finding {
        severity: if code.starts_with('W') { Severity::Warning } else { Severity::Error },
        code,
        message: error.message.clone(),
        file: String::new(),
        line: error.line.unwrap_or(1),
        column: error.column.unwrap_or(1),
        hint: error.hint.clone(),
    }
}

fn registered(answers: &[RegisterAnswer]) -> String {
    let rows = answers.iter().map(|answer| {
        let what = if answer.created { "registered" } else { "was there already" };
        vec![answer.name.clone(), answer.version.to_string(), what.to_owned()]
    });
    output::table(&["NAME", "VERSION", "RESULT"], rows.collect())
}

/// Every page of a list.
async fn pages<F>(ask: F) -> Result<Vec<DefinitionView>, ClientError>
where
    F: AsyncFn(Option<&str>) -> Result<Page<DefinitionView>, ClientError>,
{
    let mut items = vec![];
    let mut cursor: Option<String> = None;
    loop {
        let page = ask(cursor.as_deref()).await?;
        items.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(items),
        }
    }
}

fn show(items: &Vec<DefinitionView>, remote: &Remote) -> anyhow::Result<Exit> {
    output::show(remote.output, items, || table(items))?;
    Ok(Exit::Success)
}

fn table(items: &[DefinitionView]) -> String {
    let rows = items.iter().map(|item| {
        vec![
            item.name.clone(),
            item.version.to_string(),
            item.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            item.digest.chars().take(12).collect(),
            if item.disabled_at.is_some() { "disabled" } else { "enabled" }.to_owned(),
        ]
    });
    output::table(&["NAME", "VERSION", "REGISTERED (UTC)", "DIGEST", "STARTS"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_registered_before_the_sagas_that_run_them() {
        let saga =
            |name: &str, step: &str| (format!("{name}.yaml"), format!("saga: {name}\nsteps: {{ a: {{ {step} }} }}\n"));
        let call = "call: x POST /a, compensate: { call: x POST /u }";
        let files = vec![
            saga("a", "saga: b"),
            saga("b", "saga: d"),
            ("c.yaml".to_owned(), "no saga".to_owned()),
            saga("d", call),
            saga("e", "saga: elsewhere"),
        ];
        let order: Vec<String> = children_first(files).into_iter().map(|(file, _)| file).collect();
        assert_eq!(order, ["c.yaml", "d.yaml", "b.yaml", "a.yaml", "e.yaml"]);
        let circle = children_first(vec![saga("a", "saga: b"), saga("b", "saga: a")]);
        assert_eq!(circle.len(), 2, "the server refuses it");
    }
}
