//! `amends config show|check`: what a server would be told.

use clap::Subcommand;

use crate::{
    config::{self, Flags},
    documents,
    exit::Exit,
    output,
};

/// Look at the configuration
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the effective configuration as TOML, each value with its source
    Show(Flags),
    /// Say whether the configuration is valid
    Check(Flags),
}

/// # Errors
/// The configuration is not valid.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Show(flags) => output::print(&config::show(&config::load(flags)?)?)?,
        Command::Check(flags) => {
            let mut loaded = config::load(flags)?;
            documents::read(&mut loaded.config.services)?;
            let file = loaded.file.map_or("no file".to_owned(), |file| file.display().to_string());
            output::say(&format!(
                "the configuration is valid ({file}, {} services)",
                loaded.config.services.services.len()
            ));
        }
    }
    Ok(Exit::Success)
}
