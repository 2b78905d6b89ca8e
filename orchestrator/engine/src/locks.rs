//! Locks: places in their queues, and who is woken when one is free.
//!
//! A saga that waits is looked after by three, each for the case that the one before is not there: whoever ends tells the next in
//! the queue, in memory or by a note; the waiter in memory looks for itself now and then; the one asleep is woken by its
//! `wake_at`. The queue alone decides who has a lock, so a word too many or too few does no harm.

use amends_core::{
    LockPlace,
    ids::{LockName, SagaId},
    state::State,
};
use amends_store::{Note, StoreError};

use crate::{
    Engine,
    inbox::{Asked, written},
    registry::Message,
};

impl Engine {
    /// Where a saga stands in the queues of the locks that it still needs: of the next one, and of those behind it as long as
    /// each is its own. An error comes behind what was found before it.
    pub(crate) async fn places(&self, state: &State) -> (Vec<LockPlace>, Result<(), StoreError>) {
        let mut places = Vec::new();
        let needed = state.started.locks.get(state.locks.taken..).unwrap_or_default();
        for (nth, lock) in needed.iter().enumerate() {
            let queued = state.locks.queued.filter(|_| nth == 0).map(|(place, _)| place);
            let place = match queued {
                // Its place is written down: looking is enough.
                Some(arrived_at) => self.inner.store.lock_queue(lock, None, 1).await.map(|first| {
                    let held = first.first().is_some_and(|first| first.saga == state.saga);
                    LockPlace { lock: lock.clone(), arrived_at, held }
                }),
                None => self
                    .inner
                    .store
                    .enqueue(lock, state.saga, self.inner.clock.now())
                    .await
                    .map(|place| LockPlace { lock: lock.clone(), arrived_at: place.arrived_at, held: place.first }),
            };
            match place {
                Ok(place) => {
                    let held = place.held;
                    places.push(place);
                    if !held {
                        break;
                    }
                }
                Err(error) => return (places, Err(error)),
            }
        }
        (places, Ok(()))
    }

    /// A saga has ended: whoever comes next in the queues that it stood in is told, and its places are cleared away.
    pub(crate) async fn locks_freed(&self, saga: SagaId, locks: &[LockName]) {
        let freed = async {
            for lock in locks {
                for next in self.inner.store.lock_queue(lock, None, 1).await? {
                    self.tell_lock_freed(next.saga).await?;
                }
            }
            self.inner.store.leave_queues(saga, locks).await
        };
        if let Err(error) = freed.await {
            tracing::debug!(saga.id = %saga, %error, "the next in the queue is not told; it looks for itself");
        }
    }

    /// The saga should look whether its lock is free.
    pub(crate) async fn tell_lock_freed(&self, saga: SagaId) -> Result<(), StoreError> {
        let told = |live: crate::registry::Live| live.mailbox.try_send(Message::LockFreed { note: None }).is_ok();
        if self.inner.registry.get(saga).is_some_and(told) {
            return Ok(());
        }
        let clock = &self.inner.clock;
        let note = Note { saga, id: clock.fresh_id(), body: written(&Asked::LockFreed), at: clock.now() };
        self.inner.store.post(note).await?;
        self.inner.sweep.notify_one();
        Ok(())
    }
}
