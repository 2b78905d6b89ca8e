//! Callbacks: what a participant says of a call that it accepted, told to the one loop that drives the saga, or through the
//! store, if that loop runs elsewhere or nowhere; as signals are. Acknowledged is durable: in the journal, or as a note that its
//! owner will find.

use amends_core::{
    Callback, CanCallBack, Said, can_call_back,
    ids::{CallId, SagaId},
};
use amends_protocol::participant::CallbackToken;
use amends_store::{Head, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    CallbackError, Engine,
    driver::folded,
    inbox::{Asked, Came},
    registry::Message,
};

/// How far a callback that was taken has come. It is durable either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledBack {
    /// The call ends with it, or did before.
    Decided,
    /// It is written down for the saga's owner, who has not judged it yet.
    Noted,
}

/// What a callback says, as in the store. Without its token: whoever reads a note must not be able to call back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Words {
    Succeeded {
        #[serde(default, skip_serializing_if = "Value::is_null")]
        body: Value,
    },
    Rejected {
        reason: String,
    },
}

impl From<&Said> for Words {
    fn from(said: &Said) -> Self {
        match said {
            Said::Succeeded { body } => Self::Succeeded { body: Value::clone(body) },
            Said::Rejected { reason } => Self::Rejected { reason: reason.clone() },
        }
    }
}

impl From<Words> for Said {
    fn from(words: Words) -> Self {
        match words {
            Words::Succeeded { body } => Self::Succeeded { body: body.into() },
            Words::Rejected { reason } => Self::Rejected { reason },
        }
    }
}

impl Engine {
    /// Takes what a participant says of a call. `Ok` once that is durable, also if it came before.
    ///
    /// # Errors
    /// The token was not given out here, the call is over, or the store cannot be asked.
    pub async fn call_back(&self, token: &CallbackToken, said: Said) -> Result<CalledBack, CallbackError> {
        let (saga, call) = self.inner.tokens.read(token).ok_or(CallbackError::BadToken)?;
        let callback = Callback { call, said };
        // Whoever has a token was called by this saga: one that is not there has ended and was purged.
        let head = self.inner.store.head(saga).await?.ok_or(CallbackError::Ended)?;
        if head.summary.status.is_terminal() {
            return self.called_back_after_the_end(&head, &callback).await;
        }
        match self.tell_callback(saga, &callback).await? {
            // It ended just now; a repeat of what decided its call gets its answer all the same.
            Some(Came::Ended) => self.called_back_after_the_end(&head, &callback).await,
            Some(came) => judge(came),
            None => Ok(CalledBack::Noted),
        }
    }

    /// `None`: it is written down for the saga's owner, who has not judged it yet.
    async fn tell_callback(&self, saga: SagaId, callback: &Callback) -> Result<Option<Came>, StoreError> {
        if let Some(live) = self.inner.registry.get(saga) {
            let (verdict, answer) = oneshot::channel();
            let message = Message::Callback { callback: callback.clone(), note: None, verdict: Some(verdict) };
            // A loop that ends just now leaves the question unanswered; then it is asked through the store. So it is if the loop
            // knows of no such call: there is a token, so the call was made, by an owner of whom this one has not heard yet.
            if live.mailbox.send(message).await.is_ok()
                && let Ok(can) = answer.await
                && can != CanCallBack::NeverCalled
            {
                return Ok(Some(Came::from(can)));
            }
        }
        let Callback { call, said } = callback;
        self.ask(saga, &Asked::Callback { call: call.clone(), said: said.into() }).await
    }

    /// What an ended saga says to a callback, from its journal. Once that is purged, nothing came before.
    async fn called_back_after_the_end(&self, head: &Head, callback: &Callback) -> Result<CalledBack, CallbackError> {
        let journal = self.rest_of_journal(head.saga, 1).await?;
        if journal.is_empty() {
            return Err(CallbackError::Ended);
        }
        let definition = self.pinned(&head.name, head.version, &head.definition).await?;
        judge(Came::from(can_call_back(&definition, &folded(head.saga, &journal)?, callback)))
    }
}

/// The message of a note.
pub(crate) fn message(note: uuid::Uuid, call: CallId, said: Words) -> Message {
    Message::Callback { callback: Callback { call, said: said.into() }, note: Some(note), verdict: None }
}

impl From<CanCallBack> for Came {
    fn from(can: CanCallBack) -> Self {
        match can {
            CanCallBack::Yes | CanCallBack::CameBefore => Self::Accepted,
            CanCallBack::OtherVerdict => Self::OtherVerdict,
            CanCallBack::TooLate => Self::CallOver,
            CanCallBack::NeverCalled => Self::NeverCalled,
            CanCallBack::Ended => Self::Ended,
        }
    }
}

fn judge(came: Came) -> Result<CalledBack, CallbackError> {
    match came {
        Came::Accepted => Ok(CalledBack::Decided),
        Came::OtherVerdict => Err(CallbackError::OtherVerdict),
        Came::NeverCalled => Err(CallbackError::BadToken),
        Came::Ended | Came::Succeeded | Came::UnknownSaga | Came::PastPivot => Err(CallbackError::Ended),
        Came::CallOver | Came::AlreadyUndoing | Came::NotAwaited | Came::KeyReused => Err(CallbackError::CallOver),
        Came::NotUnderstood => Err(CallbackError::NotUnderstood),
    }
}
