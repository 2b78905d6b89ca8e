//! What can go wrong, by what the caller should do.

use std::time::Duration;

use amends_protocol::problem::{Problem, ProblemType};

/// Why there is no answer of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server says no, and why.
    #[error("{}", sentence(problem))]
    Problem {
        problem: Box<Problem>,
        /// From `Retry-After`: the same request may be answered differently then.
        retry_after: Option<Duration>,
    },
    /// Something answered, but not as this API does: a gateway, or another server.
    #[error("the answer with status {status} is not one of this API: {why}")]
    Foreign { status: u16, why: String },
    /// No whole answer came; whether the request was done is not known.
    #[error("no answer: {}", chain(.0))]
    Transport(#[source] reqwest::Error),
    /// The client was given an address that is none.
    #[error("`{url}` is no address of a server: {why}")]
    BaseUrl { url: String, why: String },
    /// What was to be sent cannot stand in a request.
    #[error("{what} cannot be sent: {why}")]
    Unsendable { what: &'static str, why: String },
}

impl ClientError {
    /// The problem, if the server gave one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Whether it is a problem of this type.
    pub fn is(&self, kind: ProblemType) -> bool {
        self.problem().and_then(Problem::problem_type) == Some(kind)
    }
}

fn sentence(problem: &Problem) -> String {
    let mut sentence = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
    for error in &problem.errors {
        let place = match (&error.pointer, error.line, error.column) {
            (Some(pointer), _, _) => format!("{pointer}: "),
            (None, Some(line), Some(column)) => format!("{line}:{column}: "),
            (None, _, _) => String::new(),
        };
        sentence.push_str(&format!("; {place}{}", error.message));
    }
    sentence
}

/// reqwest keeps the reason in its sources.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
