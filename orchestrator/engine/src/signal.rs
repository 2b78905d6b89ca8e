//! Signals: told to the one loop that drives the saga, or through the store, if that loop runs elsewhere or nowhere; as cancels
//! are. Acknowledged is durable: in the journal, or as a note that its owner will find.

use amends_core::{CanSignal, Signal, can_signal, check_signal, ids::SagaId};
use amends_store::{Head, StoreError};
use tokio::sync::oneshot;

use crate::{
    Engine, SignalError,
    driver::folded,
    inbox::{Asked, Came},
    registry::Message,
};

impl Engine {
    /// Gives a saga a signal. `Ok` once that is durable, also if it came before under the same key.
    ///
    /// # Errors
    /// Nothing awaits it, there is no such saga, or the store cannot be asked.
    pub async fn signal(&self, saga: SagaId, signal: Signal) -> Result<(), SignalError> {
        let head = self.inner.store.head(saga).await?.ok_or(SignalError::UnknownSaga)?;
        if head.summary.status.is_terminal() {
            return self.signal_after_the_end(&head, &signal).await;
        }
        let definition = self.pinned(&head.name, head.version, &head.definition).await?;
        check_signal(&definition, &signal.name, &signal.payload)?;
        match self.tell(saga, &signal).await? {
            // It ended just now; a repeat of what it has taken gets its answer all the same.
            Some(Came::Ended) => self.signal_after_the_end(&head, &signal).await,
            Some(came) => judge(came),
            None => Ok(()),
        }
    }

    /// `None`: it is written down for the saga's owner, who has not judged it yet.
    async fn tell(&self, saga: SagaId, signal: &Signal) -> Result<Option<Came>, StoreError> {
        if let Some(live) = self.inner.registry.get(saga) {
            let (verdict, answer) = oneshot::channel();
            let message = Message::Signal { signal: signal.clone(), note: None, verdict: Some(verdict) };
            // A loop that ends just now leaves the question unanswered; then it is asked through the store.
            if live.mailbox.send(message).await.is_ok()
                && let Ok(can) = answer.await
            {
                return Ok(Some(Came::from(can)));
            }
        }
        let Signal { name, key, payload } = signal.clone();
        self.ask(saga, &Asked::Signal { name, key, payload: (*payload).clone() }).await
    }

    /// What an ended saga says to a signal, from its journal. Once that is purged, nothing came before.
    async fn signal_after_the_end(&self, head: &Head, signal: &Signal) -> Result<(), SignalError> {
        let journal = self.rest_of_journal(head.saga, 1).await?;
        if journal.is_empty() {
            return Err(SignalError::Ended);
        }
        let definition = self.pinned(&head.name, head.version, &head.definition).await?;
        let can = can_signal(&definition, &folded(head.saga, &journal)?, signal);
        judge(if can == CanSignal::NotAwaited { Came::Ended } else { Came::from(can) })
    }
}

fn judge(came: Came) -> Result<(), SignalError> {
    match came {
        Came::Accepted => Ok(()),
        Came::KeyReused => Err(SignalError::KeyReused),
        Came::NotAwaited => {
            Err(SignalError::TooLate { why: "every step that awaits this signal has one, or does not wait any more" })
        }
        Came::AlreadyUndoing => Err(SignalError::TooLate { why: "the saga is being undone: nothing waits any more" }),
        Came::PastPivot | Came::Succeeded | Came::Ended | Came::OtherVerdict | Came::CallOver | Came::NeverCalled => {
            Err(SignalError::Ended)
        }
        Came::UnknownSaga => Err(SignalError::UnknownSaga),
        Came::NotUnderstood => Err(SignalError::TooLate {
            why: "the saga's owner runs an older version of Amends, which does not know signals",
        }),
    }
}
