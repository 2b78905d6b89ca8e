//! The row beside the journal: what lists and sweeps need without reading events. fold(journal) = summary (invariant 2).

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The life of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// On its forward path.
    Running,
    /// Undoing what may have happened.
    Compensating,
    /// Ended: the forward path is done.
    Completed,
    /// Ended: everything that may have happened is undone.
    Compensated,
    /// Ended by a named operator, with the residual effects listed.
    Abandoned,
    /// Its forward path is done: a child waits for its parent to settle it, a parent settles its children. Not an end.
    Succeeded,
}

impl Status {
    /// Nothing but annotations follows.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Compensated | Self::Abandoned => true,
            Self::Running | Self::Compensating | Self::Succeeded => false,
        }
    }

    /// The word in store and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Abandoned => "abandoned",
            Self::Succeeded => "succeeded",
        }
    }

    /// The word read back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Running, Self::Compensating, Self::Completed, Self::Compensated, Self::Abandoned, Self::Succeeded]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// What is known of a saga without its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub status: Status,
    /// Somebody has to look.
    pub attention: bool,
    /// The next time at which something is due by itself: a retry or the deadline. `None`: nothing is.
    pub wake_at: Option<Time>,
    /// When its terminal event was decided.
    pub ended_at: Option<Time>,
}
