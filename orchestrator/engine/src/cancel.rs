//! Cancelling: asked of the one loop that drives the saga, so that it races with nothing; through the store, if that loop
//! runs elsewhere or nowhere.

use amends_core::{CanCancel, ids::SagaId};
use tokio::sync::oneshot;

use crate::{
    CancelError, Engine,
    inbox::{Asked, Came},
    registry::Message,
};

/// What a cancel came to. Durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The saga is being undone.
    Undoing,
    /// It is written down for the saga's owner, who has not judged it yet.
    Asked,
}

impl Engine {
    /// Asks for the saga to be undone. `Ok` once that is durable, or if it was being undone anyway.
    ///
    /// # Errors
    /// It is too late, there is no such saga, or the store cannot be asked.
    pub async fn cancel(&self, saga: SagaId, reason: Option<String>) -> Result<Cancelled, CancelError> {
        if let Some(live) = self.inner.registry.get(saga) {
            let (verdict, answer) = oneshot::channel();
            let message = Message::Cancel { reason: reason.clone(), note: None, verdict: Some(verdict) };
            // A loop that ends just now leaves the question unanswered; then it is asked through the store.
            if live.mailbox.send(message).await.is_ok()
                && let Ok(can) = answer.await
            {
                return judge(Came::from(can));
            }
        }
        let head = self.inner.store.head(saga).await?.ok_or(CancelError::UnknownSaga)?;
        if head.summary.status.is_terminal() {
            return judge(Came::from(CanCancel::Ended));
        }
        match self.ask(saga, &Asked::Cancel { reason }).await? {
            Some(came) => judge(came),
            None => Ok(Cancelled::Asked),
        }
    }
}

fn judge(came: Came) -> Result<Cancelled, CancelError> {
    let too_late = |why: &str| Err(CancelError::TooLate { why: why.to_owned() });
    match came {
        Came::Accepted | Came::AlreadyUndoing => Ok(Cancelled::Undoing),
        Came::PastPivot => too_late("the call of the saga's pivot may have been made: it can only go forward"),
        Came::Succeeded => too_late(
            "the saga's forward path is done: a child is undone by its parent alone from there on, and a saga with children completes",
        ),
        Came::Ended => too_late("the saga has ended"),
        Came::UnknownSaga => Err(CancelError::UnknownSaga),
        // The others are said of signals and callbacks, never of a cancel.
        Came::NotUnderstood
        | Came::KeyReused
        | Came::NotAwaited
        | Came::OtherVerdict
        | Came::CallOver
        | Came::NeverCalled => too_late("the saga's owner runs an older version of Amends, which does not know cancel"),
    }
}
