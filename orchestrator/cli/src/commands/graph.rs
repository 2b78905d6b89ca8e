//! `amends graph DEFINITION`: its picture.

use amends_core::graph;

use crate::{
    exit::Exit,
    output,
    source::{self, Server},
};

/// Draw a definition: steps, what undoes them, and the pivot
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amends graph sagas/place-order.yaml                       # Mermaid, for Markdown\n  \
                  amends graph sagas/place-order.yaml --format svg > saga.svg\n  \
                  amends graph place-order@2 --format dot | dot -Tpng > saga.png"
)]
pub(crate) struct Args {
    /// A file, - for stdin, or a definition that a server has
    #[arg(value_name = "FILE|NAME[@VERSION]")]
    definition: String,
    /// How it is drawn
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// For Markdown that renders it
    #[default]
    Mermaid,
    /// For Graphviz
    Dot,
    /// For every browser, light and dark
    Svg,
}

/// # Errors
/// The definition is not there or not valid.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let definition = source::read(&args.definition, &args.server).await?;
    let format = match args.format {
        Format::Mermaid => graph::Format::Mermaid,
        Format::Dot => graph::Format::Dot,
        Format::Svg => graph::Format::Svg,
    };
    output::print(&graph::draw(&definition, format))?;
    Ok(Exit::Success)
}
