//! Locks: what the saga has and waits for, from the events. Who is before it is nobody's journal: the queue says that.

use std::collections::BTreeMap;

use amends_core::{
    event::{Event, Recorded},
    ids::LockName,
    state::State,
    time::Time,
};
use amends_protocol::v1::{self, LockStatus, LockView, QueuedSaga};
use amends_store::{HeldLock, Queued};

use super::{status, time};

pub(super) fn views(journal: &[Recorded], state: &State) -> Vec<LockView> {
    let mut since: BTreeMap<&LockName, Time> = BTreeMap::new();
    for recorded in journal {
        if let Event::LockQueued { lock, .. } | Event::LockTaken { lock, .. } = &recorded.event {
            since.insert(lock, recorded.at);
        }
    }
    let view = |(nth, lock): (usize, &LockName)| LockView {
        name: lock.to_string(),
        status: match nth {
            _ if state.status.is_terminal() => LockStatus::Released,
            nth if nth < state.locks.taken => LockStatus::Held,
            nth if nth == state.locks.taken && state.locks.queued.is_some() => LockStatus::Waiting,
            _ => LockStatus::Needed,
        },
        since: since.get(lock).map(|at| time(*at)),
        place: None,
        ahead: vec![],
    };
    state.started.locks.iter().enumerate().map(view).collect()
}

/// A saga in a queue, as it is shown.
pub(crate) fn queued(queued: &Queued) -> QueuedSaga {
    QueuedSaga {
        id: queued.saga.0,
        name: queued.name.to_string(),
        status: status(queued.status),
        arrived_at: time(queued.arrived_at),
    }
}

/// A lock, as it is shown in a list.
pub(crate) fn held(held: &HeldLock) -> v1::HeldLock {
    v1::HeldLock { name: held.lock.to_string(), holder: queued(&held.holder), waiting: held.waiting }
}
