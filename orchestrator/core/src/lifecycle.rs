//! What of a saga's journal the world outside hears of: the turns of its life, and not its steps.
//!
//! Why it exists: who subscribes to a saga wants to know that it began, went back and ended, and that a person is needed. Which rows
//! of a journal say so is decided here and nowhere else. Who calls it: `store`, to list them beside each commit, and whoever
//! words them.

use crate::event::Event;

/// A turn in the life of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifecycle {
    /// It is there.
    Started,
    /// From here on it is undone.
    Compensating,
    /// It ended: the forward path is done.
    Completed,
    /// It ended: everything that may have happened is undone.
    Compensated,
    /// A person has to look, once more or for the first time.
    AttentionRaised,
    /// Nobody has to look any more. No event says so by itself: it is one after which the last reason is gone
    /// ([`crate::Decision::attention_cleared`]).
    AttentionCleared,
}

impl Lifecycle {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Started,
        Self::Compensating,
        Self::Completed,
        Self::Compensated,
        Self::AttentionRaised,
        Self::AttentionCleared,
    ];

    /// The turn that a row of the journal is by itself, if it is one.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::SagaStarted(_) => Some(Self::Started),
            Event::CompensationStarted { .. } => Some(Self::Compensating),
            Event::SagaCompleted { .. } => Some(Self::Completed),
            Event::SagaCompensated => Some(Self::Compensated),
            Event::AttentionRaised { .. } => Some(Self::AttentionRaised),
            // Written out: whoever adds an event decides here whether the world hears of it.
            Event::Adopted
            | Event::Released
            | Event::LockQueued { .. }
            | Event::LockTaken { .. }
            | Event::CallIntended { .. }
            | Event::CallAccepted { .. }
            | Event::CallbackReceived { .. }
            | Event::CallSucceeded { .. }
            | Event::CallUnusable { .. }
            | Event::CallRejected { .. }
            | Event::CallNotSent { .. }
            | Event::CallUnknown { .. }
            | Event::CallWithdrawn { .. }
            | Event::CallPostponed { .. }
            | Event::ProbeIntended { .. }
            | Event::CallProbed { .. }
            | Event::CallRefused { .. }
            | Event::StepSkipped { .. }
            | Event::StepRefused { .. }
            | Event::SleepStarted { .. }
            | Event::SleepEnded { .. }
            | Event::AwaitStarted { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::ItemsListed { .. }
            | Event::ChildIntended { .. }
            | Event::ChildPinned { .. }
            | Event::ChildSucceeded { .. }
            | Event::ChildUnusable { .. }
            | Event::ChildUndoIntended { .. }
            | Event::ChildCompensated { .. }
            | Event::ChildSettled { .. }
            | Event::StepFailed { .. }
            | Event::CancelRequested { .. }
            | Event::SagaSucceeded { .. }
            | Event::SettledByParent => None,
        }
    }
}
