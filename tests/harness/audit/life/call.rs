//! A call as the journal has it: its attempts, what each came to, and what is known between two of them.

use crate::audit::journal::Verdict;

/// One call with its attempts.
#[derive(Debug, Default)]
pub(in crate::audit) struct CallLife {
    /// Numbered from 1 without gaps.
    pub(in crate::audit) attempts: Vec<Attempt>,
    pub(super) halted: bool,
    /// What its participant called back, and whether what follows from it is still to be said.
    pub(super) called_back: Option<(Verdict, bool)>,
    /// What stands between the last attempt and the next.
    pub(super) between: Between,
}

/// One attempt.
#[derive(Debug)]
pub(in crate::audit) struct Attempt {
    /// Of its intent.
    pub(in crate::audit) seq: u64,
    pub(in crate::audit) at: i64,
    /// Those under which it may be sent: that of its intent, and later ones if it stood over an adoption.
    pub(in crate::audit) epochs: Vec<u64>,
    /// It was open at an adoption and may have left: it can only be unknown.
    pub(super) doubtful: bool,
    /// It was accepted, to be decided by then; `Some(None)`: past its time, from the pivot on.
    pub(in crate::audit) accepted: Option<Option<i64>>,
    pub(in crate::audit) due_at: i64,
    pub(in crate::audit) request: String,
    /// What it came to and in which row.
    pub(in crate::audit) outcome: Option<(Outcome, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Outcome {
    Succeeded,
    Unusable,
    Rejected { acked: bool },
    NotSent,
    Unknown,
    Withdrawn,
}

/// What is known between two attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Between {
    #[default]
    Nothing,
    /// The next one is intended at that time; a probe had said that the one before was not applied.
    Postponed {
        until: i64,
        settled: bool,
    },
    /// It is asked after.
    Asked {
        due_at: i64,
    },
    Applied,
    NotApplied,
}

impl CallLife {
    pub(super) fn open(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.outcome.is_none() && attempt.accepted.is_none())
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        self.attempts.iter().filter_map(|attempt| attempt.outcome.map(|(outcome, _)| outcome))
    }

    /// The row that says it succeeded.
    pub(in crate::audit) fn succeeded(&self) -> Option<u64> {
        self.attempts.iter().find_map(|attempt| match attempt.outcome {
            Some((Outcome::Succeeded, seq)) => Some(seq),
            _ => None,
        })
    }

    /// It happened or may have: what it did has to be undone if the saga is.
    pub(in crate::audit) fn may_have_happened(&self) -> bool {
        self.outcomes().any(|outcome| matches!(outcome, Outcome::Succeeded | Outcome::Unusable | Outcome::Unknown))
    }
}
