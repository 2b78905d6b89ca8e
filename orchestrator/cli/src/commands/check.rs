//! `amends check FILE…`: every finding with file, line and column.

use std::{path::PathBuf, sync::Arc};

use amends_core::{
    definition::{self, Known},
    ids::ServiceName,
};
use amends_engine::Catalogue;

use crate::{
    absent,
    config::{self, Flags},
    cost, documents,
    exit::Exit,
    output,
    snippet::{self, Finding, Severity},
    style::Style,
};

/// Check definitions, without a server
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amends check sagas/*.yaml --config amends.toml\n  amends check order.yaml --deny-warnings   # for a build\n\n\
    What each code means: `amends explain`. How long a saga can take, and how many calls it can make, is said on stderr."
)]
pub(crate) struct Args {
    /// Definitions (YAML)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A server's configuration: then services must be in its catalogue, and calls must fit their OpenAPI documents
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Fail on warnings too
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// # Errors
/// A file or the configuration cannot be read.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let catalogue = args.config.as_deref().map(catalogue).transpose()?;
    let services = catalogue.as_ref().map(Catalogue::described);
    let timeout = |service: &ServiceName| {
        catalogue.as_ref().and_then(|catalogue| Some(catalogue.services.get(service.as_str())?.timeout))
    };
    let style = Style::of_stdout();
    let mut findings = vec![];
    let mut files = vec![];
    for path in &args.files {
        let file = path.display().to_string();
        let source = absent::text(path)?;
        let checked = definition::parse(&source, services.as_ref());
        files.push((file, source, checked.definition.map(Arc::new), checked.diagnostics));
    }
    // The files are each other's children; what is not among them only a server knows.
    let definitions = files.iter().filter_map(|(_, _, definition, _)| definition.clone());
    let known: Known = definitions.map(|definition| (definition.name.clone(), definition)).collect();
    for (file, source, definition, mut diagnostics) in files {
        if let Some(definition) = &definition {
            diagnostics.extend(definition::check_children(definition, &known, definition::Severity::Warning));
            diagnostics.sort_by_key(|found| (found.line, found.column, found.code));
        }
        let found: Vec<Finding> = diagnostics.into_iter().map(|found| Finding::of_core(&file, found)).collect();
        if args.format == Format::Text {
            for finding in &found {
                output::print(&format!("{}\n\n", snippet::render(finding, &source, style)))?;
            }
            if let Some(definition) = &definition {
                output::say(&format!("{file}: {}", cost::sentence(definition, &timeout, &known)));
            }
        }
        findings.extend(found);
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match args.format {
        Format::Json => output::print(&serde_json::to_string_pretty(&findings)?)?,
        Format::Text => output::say(&format!(
            "{}: {}, {}",
            counted(args.files.len(), "file"),
            counted(errors, "error"),
            counted(warnings, "warning")
        )),
    }
    let refused = errors > 0 || args.deny_warnings && warnings > 0;
    Ok(if refused { Exit::Failure } else { Exit::Success })
}

pub(super) fn catalogue(file: &std::path::Path) -> anyhow::Result<Catalogue> {
    let flags = Flags { config: Some(file.to_owned()), ..Flags::default() };
    let mut catalogue = config::load(&flags)?.config.services;
    documents::read(&mut catalogue)?;
    Ok(catalogue)
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
