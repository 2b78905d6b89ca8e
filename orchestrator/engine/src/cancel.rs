//! Cancelling: asked of the one loop that drives the saga, so that it races with nothing.

use std::time::Duration;

use amends_core::{CanCancel, ids::SagaId};
use tokio::sync::oneshot;

use crate::{CancelError, Engine, registry::Message};

/// A saga that is being adopted is driven in a moment.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Engine {
    /// Asks for the saga to be undone. `Ok` once that is durable, or if it was being undone anyway.
    ///
    /// # Errors
    /// It is too late, there is no such saga, or nobody can be asked now.
    pub async fn cancel(&self, saga: SagaId, reason: Option<String>) -> Result<(), CancelError> {
        if let Some(live) = self.inner.registry.get(saga) {
            let (verdict, answer) = oneshot::channel();
            // A loop that ends just now leaves the question unanswered; the store then has the answer.
            if live.mailbox.send(Message::Cancel { reason, verdict }).await.is_ok()
                && let Ok(verdict) = answer.await
            {
                return judge(verdict);
            }
        }
        let head = self.inner.store.head(saga).await?.ok_or(CancelError::UnknownSaga)?;
        if head.summary.status.is_terminal() {
            return judge(CanCancel::Ended);
        }
        Err(CancelError::NotHere { retry_after: ASK_AGAIN_AFTER })
    }
}

fn judge(verdict: CanCancel) -> Result<(), CancelError> {
    let too_late = |why: &str| Err(CancelError::TooLate { why: why.to_owned() });
    match verdict {
        CanCancel::Yes | CanCancel::AlreadyUndoing => Ok(()),
        CanCancel::PastPivot => too_late("the call of the saga's pivot may have been made: it can only go forward"),
        CanCancel::Ended => too_late("the saga has ended"),
    }
}
