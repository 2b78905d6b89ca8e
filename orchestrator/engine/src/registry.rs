//! The sagas that live in this process, and how to reach them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use amends_core::{CanCancel, Input, ids::SagaId};
use tokio::sync::{mpsc, oneshot, watch};

/// Something for a live saga.
pub(crate) enum Message {
    Input(Input),
    /// `verdict` is answered after the commit that follows from it.
    Cancel {
        reason: Option<String>,
        verdict: oneshot::Sender<CanCancel>,
    },
    /// Its owner may not be this process any more: let go and look.
    OwnershipLost,
}

/// How far a saga is, for those who wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) ended: bool,
    pub(crate) attention: bool,
}

#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) mailbox: mpsc::Sender<Message>,
    pub(crate) progress: watch::Receiver<Progress>,
}

#[derive(Default)]
pub(crate) struct Registry {
    live: Mutex<HashMap<SagaId, Live>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<SagaId, Live>> {
        // Every section only moves values in and out: after a panic the map is still whole.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, saga: SagaId, live: Live) {
        self.lock().insert(saga, live);
    }

    pub(crate) fn remove(&self, saga: SagaId) {
        self.lock().remove(&saga);
    }

    pub(crate) fn get(&self, saga: SagaId) -> Option<Live> {
        self.lock().get(&saga).cloned()
    }
}
