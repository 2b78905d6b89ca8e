//! What a script learns from a run without reading it.

use std::process::ExitCode;

use amends_protocol::v1::{SagaStatus, SagaView};

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success = 0,
    Failure = 1,
    /// The command line is wrong; clap uses the same.
    Usage = 2,
    /// The saga ended well, but undone.
    Compensated = 3,
    /// A person has to look.
    Attention = 4,
}

/// The command line asks for something that makes no sense. Nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub String);

impl Exit {
    /// What a failed command ends with.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if error.is::<Usage>() { Self::Usage } else { Self::Failure }
    }

    /// What a shown saga ends with. One that is under way is a success: it was shown.
    pub(crate) fn of_saga(saga: &SagaView) -> Self {
        match saga.status {
            _ if !saga.attention.is_empty() || saga.unreadable.is_some() => Self::Attention,
            SagaStatus::Running | SagaStatus::Compensating | SagaStatus::Succeeded | SagaStatus::Completed => {
                Self::Success
            }
            SagaStatus::Compensated => Self::Compensated,
            // An operator gave it up: it is neither done nor undone.
            SagaStatus::Abandoned => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
