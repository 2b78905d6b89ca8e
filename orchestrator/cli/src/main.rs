//! `amends`: one binary for servers, operators and the curious.
//!
//! Why it exists: everything that is chosen — which store, which address, which format — is chosen here, and nowhere
//! below. Who calls it: people, scripts, service managers.
//!
//! **What it must never know:** what a saga decides, SQL, how a participant is called. Only `demo` knows the sample
//! services.

mod absent;
mod audit;
mod chaos;
mod commands;
mod config;
mod cost;
mod demo;
mod documents;
mod exit;
mod explored;
mod json_argument;
mod log;
mod output;
mod planned;
mod remote;
mod secrets;
mod separate;
mod signals;
mod snippet;
mod source;
mod store;
mod style;
mod tested;
mod timeline;
mod verify;
mod xml;

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::{commands::Cli, exit::Exit};

/// A server makes and drops many small values on several threads; the C library's allocator took a quarter of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            output::complain(&error);
            exit.into()
        }
    }
}
