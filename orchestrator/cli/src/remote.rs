//! Talking to a server: where it is, and what is said when it does not answer as wished.

use amends_client::{Client, ClientError};
use amends_protocol::problem::{Problem, ProblemType};
use anyhow::anyhow;

use crate::{exit::Usage, output::Format};

/// What every command has that asks a server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Remote {
    /// The server
    #[arg(long, env = "AMENDS_URL", default_value = "http://127.0.0.1:7070", value_name = "URL")]
    pub(crate) url: String,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

impl Remote {
    /// # Errors
    /// The URL is none.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.url).map_err(|error| match error {
            ClientError::BaseUrl { .. } => anyhow!(Usage(format!("--url: {error}"))),
            other => anyhow!(other),
        })
    }

    /// The error in words of this command line.
    pub(crate) fn explain(&self, error: ClientError) -> anyhow::Error {
        match error {
            ClientError::Transport(error) if error.is_connect() => {
                anyhow!("no server at {}; start one with `amends serve`, or say where it is with --url", self.url)
            }
            ClientError::Transport(error) if error.is_timeout() => {
                anyhow!("the server at {} did not answer in time", self.url)
            }
            ClientError::Problem { problem, retry_after } => {
                let retry =
                    retry_after.map(|after| format!(" (again after {} s)", after.as_secs())).unwrap_or_default();
                anyhow!("{}{retry}", sentence(&problem))
            }
            other => anyhow!(other),
        }
    }
}

/// A problem with each of its places on a line of its own.
fn sentence(problem: &Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
    for error in &problem.errors {
        let place = match (&error.pointer, error.line, error.column) {
            (Some(pointer), _, _) if pointer.is_empty() => String::new(),
            (Some(pointer), _, _) => format!("{pointer}: "),
            (None, Some(line), Some(column)) => format!("{line}:{column}: "),
            (None, _, _) => String::new(),
        };
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        text.push_str(&format!("\n  {place}{}{hint}", error.message));
    }
    match problem.problem_type() {
        Some(ProblemType::UnknownDefinition) => text.push_str("; see `amends definitions list`"),
        Some(ProblemType::UnknownSaga) => text.push_str("; see `amends list`"),
        _ => {}
    }
    text
}
