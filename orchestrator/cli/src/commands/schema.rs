//! `amends schema`: what editors complete and check definitions with.

use crate::{exit::Exit, output};

/// Print the JSON Schema of definitions, for editors
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {}

/// # Errors
/// stdout cannot be written to.
pub(crate) fn run(_: Args) -> anyhow::Result<Exit> {
    output::print(&serde_json::to_string_pretty(&amends_core::definition::json_schema())?)?;
    Ok(Exit::Success)
}
