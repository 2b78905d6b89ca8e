//! What can be found, each with a code that never changes.

use serde::Serialize;

use crate::coverage;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Amends itself broke an invariant. Must never be; please report it.
    Violation,
    /// Something is left that nobody undoes, or happens twice.
    Error,
    /// Nothing is lost, but a person has to come, or time runs out.
    Warning,
    /// Worth knowing: it hangs on a service breaking its word.
    Note,
}

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    Effects,
    Journal,
    WriteAhead,
    Order,
    Barrier,
    Epochs,
    Durable,
    Liveness,
    Pivot,
    NotAgain,
    AppliedTwice,
    AppliedAfterUndo,
    UndoneTwice,
    DoneThoughRefused,
    UndoNeedsReply,
    NoUndo,
    UndoElsewhere,
    NothingToUndoRefused,
    RefusedBehindPivot,
    CannotBeSent,
    PivotInDoubt,
    NotAskedAfter,
    NeverTold,
    UndoRefused,
    Useless,
    DeadlineCutsRetries,
    NeverCompletes,
    NoOutput,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 28] = [
        Self::Effects,
        Self::Journal,
        Self::WriteAhead,
        Self::Order,
        Self::Barrier,
        Self::Epochs,
        Self::Durable,
        Self::Liveness,
        Self::Pivot,
        Self::NotAgain,
        Self::AppliedTwice,
        Self::AppliedAfterUndo,
        Self::UndoneTwice,
        Self::DoneThoughRefused,
        Self::UndoNeedsReply,
        Self::NoUndo,
        Self::UndoElsewhere,
        Self::NothingToUndoRefused,
        Self::RefusedBehindPivot,
        Self::CannotBeSent,
        Self::PivotInDoubt,
        Self::NotAskedAfter,
        Self::NeverTold,
        Self::UndoRefused,
        Self::Useless,
        Self::DeadlineCutsRetries,
        Self::NeverCompletes,
        Self::NoOutput,
    ];

    /// The code. `V` is a violation by Amends, `F` is about the saga and its services.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Effects => "V0001",
            Self::Journal => "V0002",
            Self::WriteAhead => "V0004",
            Self::Order => "V0005",
            Self::Barrier => "V0006",
            Self::Epochs => "V0007",
            Self::Durable => "V0008",
            Self::Liveness => "V0010",
            Self::Pivot => "V0011",
            Self::NotAgain => "V0012",
            Self::AppliedTwice => "F0101",
            Self::AppliedAfterUndo => "F0102",
            Self::UndoneTwice => "F0103",
            Self::DoneThoughRefused => "F0104",
            Self::UndoNeedsReply => "F0201",
            Self::NoUndo => "F0202",
            Self::UndoElsewhere => "F0203",
            Self::NothingToUndoRefused => "F0204",
            Self::RefusedBehindPivot => "F0301",
            Self::CannotBeSent => "F0302",
            Self::PivotInDoubt => "F0303",
            Self::NotAskedAfter => "F0304",
            Self::NeverTold => "F0305",
            Self::UndoRefused => "F0306",
            Self::Useless => "F0307",
            Self::DeadlineCutsRetries => "F0401",
            Self::NeverCompletes => "F0402",
            Self::NoOutput => "F0403",
        }
    }

    /// How bad it is. A step that says itself that it can be refused makes F0301 an error.
    pub fn severity(self) -> Severity {
        match self {
            Self::Effects
            | Self::Journal
            | Self::WriteAhead
            | Self::Order
            | Self::Barrier
            | Self::Epochs
            | Self::Durable
            | Self::Liveness
            | Self::Pivot
            | Self::NotAgain => Severity::Violation,
            Self::AppliedTwice
            | Self::AppliedAfterUndo
            | Self::UndoneTwice
            | Self::DoneThoughRefused
            | Self::UndoNeedsReply
            | Self::NoUndo
            | Self::UndoElsewhere
            | Self::NothingToUndoRefused
            | Self::CannotBeSent
            | Self::NeverCompletes => Severity::Error,
            Self::PivotInDoubt | Self::NotAskedAfter | Self::NeverTold | Self::DeadlineCutsRetries | Self::NoOutput => {
                Severity::Warning
            }
            Self::RefusedBehindPivot | Self::UndoRefused | Self::Useless => Severity::Note,
        }
    }

    /// How to mend it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::AppliedTwice => {
                "let the service honour `Idempotency-Key`, or write `idempotent: false` and a `probe`"
            }
            Self::AppliedAfterUndo => {
                "let the service keep the participant contract (`contract = \"barrier\"`): its tombstone stops what comes late"
            }
            Self::UndoneTwice => {
                "let the undo honour `Idempotency-Key`, or name what is undone by `saga.id` and use DELETE or PUT"
            }
            Self::DoneThoughRefused => "let the service keep the participant contract: its barrier stores a no, too",
            Self::UndoNeedsReply => "name what is undone by something that is known before the call, e.g. `saga.id`",
            Self::NoUndo => "give it a `compensate`, or move it behind the pivot",
            Self::UndoElsewhere => {
                "send the undo to the service of the action: its barrier knows what was done, another's does not"
            }
            Self::NothingToUndoRefused => "add `success_on: [404]` to the compensation, or let the service answer 2xx",
            Self::RefusedBehindPivot => {
                "move it before the pivot; or, if it cannot be refused, say so: `reject_on: []` makes every 4xx be tried again"
            }
            Self::CannotBeSent => "give every value that can be missing a `default(...)`",
            Self::PivotInDoubt => "give the pivot a `probe`, or its service a barrier: then a no is final",
            Self::NotAskedAfter => "add a `probe` that tells whether it was applied",
            Self::NeverTold => {
                "move it before the pivot, where its timeout undoes the saga; or accept it: `--allow F0305`"
            }
            Self::UndoRefused => {
                "a compensation must not be refused: let the service do it, or answer a status in `success_on`"
            }
            Self::Useless => "read less from the reply, or with `default(...)`",
            Self::DeadlineCutsRetries => "raise `deadline`, or lower `attempts`, `timeout` or `max_backoff`",
            Self::NeverCompletes => "look at the story: not one fault is needed",
            Self::NoOutput => "give what can be missing in the saga's `output` a `default(...)`",
            _ => "this is a bug of Amends: please report it, with the trace",
        }
    }
}

/// What the judge has noticed, as it happens.
#[derive(Clone, Debug)]
pub(crate) struct Raised {
    pub(crate) code: Code,
    pub(crate) severity: Severity,
    /// The step that it is about.
    pub(crate) step: Option<String>,
    pub(crate) message: String,
}

/// What was found, with the shortest run that shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    /// Whose step it is, where there is more than one saga.
    pub saga: Option<String>,
    pub step: Option<String>,
    pub message: String,
    /// So many faults are needed.
    pub faults: u8,
    pub trace: crate::Trace,
}

impl Finding {
    /// The step that it is about, with its saga where there is more than one: `pay-claim.book`.
    pub fn place(&self) -> Option<String> {
        match (&self.saga, &self.step) {
            (saga, Some(step)) => Some(coverage::words(saga.as_deref(), step)),
            (saga, None) => saga.clone(),
        }
    }
}
