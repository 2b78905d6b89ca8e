//! `amends completions SHELL`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{exit::Exit, output};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// # Errors
/// stdout cannot be written to.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "amends", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(Exit::Success)
}
