//! What can go wrong, by what the caller should do.

use std::time::Duration;

use amends_core::{
    UnfitSignal,
    definition::{Diagnostic, InputError},
    ids::SagaId,
};
use amends_store::StoreError;

/// Why a saga was not started. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("there is no definition `{name}`{}", version.map(|version| format!(" in version {version}")).unwrap_or_default())]
    UnknownDefinition { name: String, version: Option<u32> },
    #[error("{} takes no new starts", disabled(.name, *.version))]
    Disabled { name: String, version: Option<u32> },
    #[error("the input does not fit the definition's schema")]
    Input(Vec<InputError>),
    #[error("{message}")]
    Labels { message: String },
    /// The name of a lock that this start would take has no value, or is none.
    #[error("{message}")]
    Locks { message: String },
    /// The key was used before, to ask for something else.
    #[error("this idempotency key has started saga {saga} with another request")]
    KeyReused { saga: SagaId },
    /// As many sagas live here as may.
    #[error("too many sagas are live")]
    Overloaded { retry_after: Duration },
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a saga was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("there is no such saga")]
    UnknownSaga,
    #[error("{why}")]
    TooLate { why: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a signal was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error("there is no such saga")]
    UnknownSaga,
    /// None that the saga's definition knows, whatever its state.
    #[error(transparent)]
    Unfit(#[from] UnfitSignal),
    #[error("another payload came before under this key")]
    KeyReused,
    /// For good: there is nothing to try again.
    #[error("{why}")]
    TooLate { why: &'static str },
    #[error("the saga has ended")]
    Ended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a callback was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// Nobody was given this token. It says no more, so that nothing can be learnt by guessing.
    #[error("this token was not given out here")]
    BadToken,
    /// The first verdict stands.
    #[error("the call has ended with another verdict, which stands")]
    OtherVerdict,
    /// For good: the step is undone, or will be. What the participant did not finish it must not finish.
    #[error("the call is over without a verdict and is undone: what was not finished must not be")]
    CallOver,
    #[error("the saga has ended")]
    Ended,
    /// Its owner runs an older version: to be tried again.
    #[error("the saga's owner runs an older version of Amends, which does not know callbacks")]
    NotUnderstood,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a definition was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("a definition has at most {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    #[error("the definition is not valid")]
    Invalid(Vec<Diagnostic>),
    #[error("`{name}` version {version} is another text; a version never changes")]
    Taken { name: String, version: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the engine does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system has none to give.
    #[error("there is no randomness to make a secret from: {0}")]
    Randomness(#[from] getrandom::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn disabled(name: &str, version: Option<u32>) -> String {
    match version {
        Some(version) => format!("version {version} of `{name}` is disabled and"),
        None => format!("every version of `{name}` is disabled; it"),
    }
}
