//! The sagas that live in this process, and how to reach them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use amends_core::{
    Callback, CanCallBack, CanCancel, CanSignal, Input, Signal, definition::Definition, event::Recorded, ids::SagaId,
    summary::Status,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

/// Something for a live saga.
pub(crate) enum Message {
    /// Boxed: a mailbox has room for many, and is nearly always empty.
    Input(Box<Input>),
    /// At the process: its lease has ended, or it stops.
    Look,
    /// `verdict` is answered after the commit that follows from it, a note in it.
    Cancel { reason: Option<String>, note: Option<Uuid>, verdict: Option<oneshot::Sender<CanCancel>> },
    /// The same for a signal.
    Signal { signal: Signal, note: Option<Uuid>, verdict: Option<oneshot::Sender<CanSignal>> },
    /// The same for a callback.
    Callback { callback: Callback, note: Option<Uuid>, verdict: Option<oneshot::Sender<CanCallBack>> },
    /// Whoever had the lock that the saga waits for has ended: look now.
    LockFreed { note: Option<Uuid> },
    /// Something from its family.
    Family { input: Box<Input>, note: Uuid },
    /// A note of a version that knows more.
    NotUnderstood { note: Uuid },
    /// Its owner may not be this process any more: let go and look.
    OwnershipLost,
}

/// How far a saga is, for those who wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) attention: bool,
    /// Set once it has ended.
    pub(crate) ended: Option<Ended>,
}

/// How a saga ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) status: Status,
    pub(crate) output: Arc<Value>,
    /// If it was kept.
    pub(crate) whole: Option<Whole>,
}

/// A saga from its first event to its last, and the text it ran by.
#[derive(Clone, Debug)]
pub struct Whole {
    pub definition: Arc<Definition>,
    pub journal: Arc<[Recorded]>,
}

#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) mailbox: mpsc::Sender<Message>,
    pub(crate) progress: watch::Receiver<Progress>,
}

#[derive(Default)]
pub(crate) struct Registry {
    /// In order: whoever is told together is told in it, so that a run can be repeated.
    live: Mutex<BTreeMap<SagaId, Live>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SagaId, Live>> {
        // Every section only moves values in and out: after a panic the map is still whole.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, saga: SagaId, live: Live) {
        self.lock().insert(saga, live);
    }

    /// Only the entry of this very mailbox: the saga may have been taken up again meanwhile, under a new identity.
    pub(crate) fn remove(&self, saga: SagaId, mailbox: &mpsc::Sender<Message>) {
        let mut live = self.lock();
        if live.get(&saga).is_some_and(|entry| entry.mailbox.same_channel(mailbox)) {
            live.remove(&saga);
        }
    }

    /// Everybody looks at how the process stands. Who enters after that looks anyway.
    pub(crate) fn nudge(&self) {
        for live in self.lock().values() {
            // A full mailbox is looked at just as well.
            drop(live.mailbox.try_send(Message::Look));
        }
    }

    pub(crate) fn get(&self, saga: SagaId) -> Option<Live> {
        self.lock().get(&saga).cloned()
    }
}
