//! Commands to a saga that is not driven here: written down as a note, found by its owner, answered in the commit of what
//! follows from it. The note is durable before the caller hears anything (invariant 8).

use std::{sync::Arc, time::Duration};

use amends_core::{
    CanCancel, CanSignal, Settlement,
    ids::{CallId, SagaId, SignalName},
};
use amends_store::{Note, StoreError, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Engine, callback::Words, family::Said};

/// Longest wait for an owner's verdict; a caller past it hears that the command is accepted.
const VERDICT_WAIT: Duration = Duration::from_secs(5);
/// Between two looks for a verdict.
const LOOK_FIRST: Duration = Duration::from_millis(10);
const LOOK_MOST: Duration = Duration::from_millis(100);

/// What can be asked of a saga wherever it is. Spelled as in the store: nodes of different versions read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Asked {
    Cancel {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Signal {
        name: SignalName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        payload: Value,
    },
    Callback {
        call: CallId,
        said: Words,
    },
    /// Whoever had the lock that it waits for has ended.
    LockFreed,
    /// A child of it says what came of it.
    ChildReported {
        call: CallId,
        said: Said,
    },
    /// Its parent says what becomes of it.
    Settled {
        settlement: Settlement,
    },
}

/// What a command came to, as in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Came {
    Accepted,
    AlreadyUndoing,
    PastPivot,
    /// Its forward path is done, and it is not for anybody outside its family to undo it.
    Succeeded,
    Ended,
    UnknownSaga,
    /// Another payload came before under the signal's key.
    KeyReused,
    /// Nothing awaits such a signal any more, or it is none that the definition knows.
    NotAwaited,
    /// Its call ended with another verdict.
    OtherVerdict,
    /// Its call ended without one.
    CallOver,
    /// No such call was made.
    NeverCalled,
    /// Written by a version that knows more commands than this one.
    NotUnderstood,
}

impl From<CanCancel> for Came {
    fn from(can: CanCancel) -> Self {
        match can {
            CanCancel::Yes => Self::Accepted,
            CanCancel::AlreadyUndoing => Self::AlreadyUndoing,
            CanCancel::PastPivot => Self::PastPivot,
            CanCancel::Succeeded => Self::Succeeded,
            CanCancel::Ended => Self::Ended,
        }
    }
}

impl From<CanSignal> for Came {
    fn from(can: CanSignal) -> Self {
        match can {
            CanSignal::Yes | CanSignal::CameBefore => Self::Accepted,
            CanSignal::KeyReused => Self::KeyReused,
            // What is unfit was refused before it was written down.
            CanSignal::NotAwaited | CanSignal::Unfit => Self::NotAwaited,
            CanSignal::Undoing => Self::AlreadyUndoing,
            CanSignal::Ended => Self::Ended,
        }
    }
}

impl Asked {
    pub(crate) fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }
}

/// The verdict on a note, as it is stored.
pub(crate) fn verdict(note: Uuid, came: Came) -> Verdict {
    Verdict { note, body: text(&came).into() }
}

/// A command, as it is stored.
pub(crate) fn written(asked: &Asked) -> Arc<str> {
    text(asked).into()
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("invariant: words of the inbox are JSON")
}

impl Engine {
    /// Leaves a command for whoever owns the saga and waits for the verdict; `None`: accepted, and not judged yet.
    ///
    /// # Errors
    /// The store cannot be asked. If the note was written all the same, it will be acted upon.
    pub(crate) async fn ask(&self, saga: SagaId, asked: &Asked) -> Result<Option<Came>, StoreError> {
        let id = self.inner.clock.fresh_id();
        let note = Note { saga, id, body: text(asked).into(), at: self.inner.clock.now() };
        self.inner.store.post(note).await?;
        self.inner.sweep.notify_one();
        // The caller's patience is real time, even where sagas run in virtual time.
        let until = tokio::time::Instant::now() + VERDICT_WAIT;
        let mut pause = LOOK_FIRST;
        while tokio::time::Instant::now() < until && self.accepting() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MOST);
            match self.inner.store.verdict(saga, id).await {
                Ok(Some(body)) => return Ok(Some(serde_json::from_str(&body).unwrap_or(Came::NotUnderstood))),
                Ok(None) => {}
                // It is written down; what becomes of it does not depend on this look.
                Err(error) => tracing::debug!(saga.id = %saga, %error, "a verdict cannot be read now"),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_inbox_are_frozen() {
        let asked = Asked::Cancel { reason: Some("no stock".to_owned()) };
        assert_eq!(text(&asked), r#"{"command":"cancel","reason":"no stock"}"#);
        assert_eq!(Asked::read(&text(&asked)), Some(asked));
        let payload = serde_json::json!({ "by": "ada" });
        let asked = Asked::Signal { name: "approved".into(), key: Some("k".into()), payload };
        assert_eq!(text(&asked), r#"{"command":"signal","name":"approved","key":"k","payload":{"by":"ada"}}"#);
        assert_eq!(Asked::read(&text(&asked)), Some(asked));
        let bare = Asked::Signal { name: "approved".into(), key: None, payload: Value::Null };
        assert_eq!(text(&bare), r#"{"command":"signal","name":"approved"}"#);
        assert_eq!(Asked::read(&text(&bare)), Some(bare));
        let call = CallId { index: Some(3), ..CallId::action(&"ship".into()) };
        let body = serde_json::json!({ "id": 7 });
        let asked = Asked::Callback { call: call.clone(), said: Words::Succeeded { body } };
        let spelled = r#"{"command":"callback","call":{"step":"ship","index":3,"op":"action"},"said":{"outcome":"succeeded","body":{"id":7}}}"#;
        assert_eq!(text(&asked), spelled);
        assert_eq!(Asked::read(spelled), Some(asked));
        let asked = Asked::Callback { call, said: Words::Rejected { reason: "full".to_owned() } };
        let spelled = r#"{"command":"callback","call":{"step":"ship","index":3,"op":"action"},"said":{"outcome":"rejected","reason":"full"}}"#;
        assert_eq!(text(&asked), spelled);
        assert_eq!(Asked::read(spelled), Some(asked));
        assert_eq!(text(&Asked::LockFreed), r#"{"command":"lock_freed"}"#);
        assert_eq!(Asked::read(&text(&Asked::LockFreed)), Some(Asked::LockFreed));
        assert_eq!(Asked::read(r#"{"command":"sing"}"#), None);
        for (came, word) in [
            (Came::Accepted, r#""accepted""#),
            (Came::AlreadyUndoing, r#""already_undoing""#),
            (Came::PastPivot, r#""past_pivot""#),
            (Came::Succeeded, r#""succeeded""#),
            (Came::Ended, r#""ended""#),
            (Came::UnknownSaga, r#""unknown_saga""#),
            (Came::KeyReused, r#""key_reused""#),
            (Came::NotAwaited, r#""not_awaited""#),
            (Came::OtherVerdict, r#""other_verdict""#),
            (Came::CallOver, r#""call_over""#),
            (Came::NeverCalled, r#""never_called""#),
            (Came::NotUnderstood, r#""not_understood""#),
        ] {
            assert_eq!(text(&came), word);
        }
    }
}
