//! One command, one file.

mod callback;
mod cancel;
mod chaos;
mod check;
mod completions;
mod config;
mod definitions;
mod demo;
mod diff;
#[cfg(test)]
mod documented;
mod events;
mod explain;
mod explore;
mod export;
mod faults;
mod fsck;
mod get;
mod graph;
mod history;
mod list;
mod locks;
mod plan;
mod schema;
mod serve;
mod services;
mod signal;
mod start;
mod test;
mod verify_participant;
mod webhooks;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Sagas across services that share no database: written in YAML, run durably, undone when they must be.
#[derive(Debug, Parser)]
#[command(name = "amends", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 the saga was compensated · 4 it needs a person"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch it work: four services, failures, a crash, and an audit of what is left
    Demo(demo::Args),
    /// Run the orchestrator
    Serve(serve::Args),
    /// Check definitions, without a server
    Check(check::Args),
    /// Explain a code that `check` or `explore` has said
    Explain(explain::Args),
    /// Draw a definition: steps, what undoes them, and the pivot
    Graph(graph::Args),
    /// Show what two versions of a definition differ in
    Diff(diff::Args),
    /// Show every request that a run would send, and send nothing
    Plan(plan::Args),
    /// Try every failure and every pair of failures out on a definition, without a server
    Explore(explore::Args),
    /// Carry out the scenarios beside sagas: in virtual time, or against real services
    Test(test::Args),
    /// Start a saga
    Start(start::Args),
    /// Show a saga as a timeline
    Get(get::Args),
    /// List sagas, newest first
    List(list::Args),
    /// Show who has a lock, and who waits for it
    Locks(locks::Args),
    /// Show a saga's journal
    History(history::Args),
    /// Show what has happened to sagas, and follow what happens
    Events(events::Args),
    /// Ask for a saga to be undone
    Cancel(cancel::Args),
    /// Give a saga a signal that one of its steps awaits
    Signal(signal::Args),
    /// Say what came of a call that was accepted
    Callback(callback::Args),
    /// Register definitions and look at them
    #[command(alias = "defs")]
    Definitions(definitions::Args),
    /// Have events told to a URL, and look how that goes
    Webhooks(webhooks::Args),
    /// Run many sagas under a plan of faults, and audit what is left
    Chaos(chaos::Args),
    /// Let things go wrong on purpose, in a server that was started with `--allow-faults`
    Faults(faults::Args),
    /// Look at the configuration
    Config(config::Args),
    /// Look at the services of the catalogue: whether each has a store of its own
    Services(services::Args),
    /// Prove that every saga's journal and row agree, beside a running server or without one
    Fsck(fsck::Args),
    /// Write sagas with their journals to stdout, as JSON lines
    Export(export::Args),
    /// Check from outside that a service keeps the participant contract
    VerifyParticipant(verify_participant::Args),
    /// Print the JSON Schema of definitions, for editors
    Schema(schema::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// Runs one command.
///
/// # Errors
/// What to tell the person; [`Exit::of`] says how it ends.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Graph(args) => graph::run(args).await,
        Command::Diff(args) => diff::run(args).await,
        Command::Plan(args) => plan::run(args).await,
        Command::Explore(args) => explore::run(&args),
        Command::Test(args) => test::run(args).await,
        Command::Start(args) => start::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::List(args) => list::run(args).await,
        Command::Locks(args) => locks::run(args).await,
        Command::History(args) => history::run(args).await,
        Command::Events(args) => events::run(args).await,
        Command::Cancel(args) => cancel::run(args).await,
        Command::Signal(args) => signal::run(args).await,
        Command::Callback(args) => callback::run(args).await,
        Command::Definitions(args) => definitions::run(args).await,
        Command::Webhooks(args) => webhooks::run(args).await,
        Command::Chaos(args) => chaos::run(args).await,
        Command::Faults(args) => faults::run(args).await,
        Command::Config(args) => config::run(&args),
        Command::Services(args) => services::run(args).await,
        Command::Fsck(args) => fsck::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::VerifyParticipant(args) => verify_participant::run(args).await,
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }
}
