//! Adoption: taking up sagas whose owner is gone. Start, restart and adoption are one path: fold the journal, feed
//! `Adopted`, do what is outstanding.

use std::{sync::Arc, time::Duration};

use amends_core::{Input, event::Recorded, ids::SagaId};
use amends_store::{Claim, Head, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Engine,
    driver::{Driver, folded},
};

/// Orphans looked at together.
const ORPHANS: u32 = 256;
/// Journal rows read at once.
const ROWS: u32 = 1_000;
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MOST: Duration = Duration::from_secs(30);

impl Engine {
    /// Adopts everything that is not terminal and not this process's, in bounded batches, as places become free.
    pub(crate) async fn adopt_orphans(self) {
        let (mut after, mut pause) = (None, PAUSE_FIRST);
        let mut adopted = 0_u64;
        while !self.inner.stopping.is_cancelled() {
            match self.adopt_some(&mut after).await {
                Ok(0) => break,
                Ok(count) => adopted += count,
                Err(error) => {
                    tracing::warn!(%error, "cannot adopt now; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.inner.stopping.cancelled() => {}
                    }
                    pause = (pause * 2).min(PAUSE_MOST);
                }
            }
        }
        if adopted > 0 {
            tracing::info!(sagas = adopted, "adopted the sagas of an earlier process");
        }
    }

    /// How many orphans were looked at; 0: there are no more.
    async fn adopt_some(&self, after: &mut Option<SagaId>) -> Result<u64, StoreError> {
        let orphans = self.inner.store.orphans(self.inner.owner, *after, ORPHANS).await?;
        let count = orphans.len() as u64;
        for head in orphans {
            let place = tokio::select! {
                place = place(&self.inner.places) => place,
                () = self.inner.stopping.cancelled() => return Ok(0),
            };
            let saga = head.saga;
            self.adopt_one(head, &mut Some(place), 0).await?;
            *after = Some(saga);
        }
        Ok(count)
    }

    /// Takes one saga over. One that cannot be read is left alone with a word in the log: it blocks no other.
    /// `place` is taken if it is driven from here on.
    async fn adopt_one(
        &self,
        head: Head,
        place: &mut Option<OwnedSemaphorePermit>,
        strikes: u32,
    ) -> Result<(), StoreError> {
        let claim = Claim { saga: head.saga, owner: head.owner, epoch: head.epoch };
        let prepared = async {
            let definition = self.pinned(&head.name, head.version, &head.definition).await?;
            let state = folded(head.saga, &self.whole_journal(head.saga).await?)?;
            Ok::<_, StoreError>((definition, state))
        };
        let (definition, state) = match prepared.await {
            Ok(prepared) => prepared,
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
            Err(error) => {
                tracing::error!(saga.id = %head.saga, %error, "this saga cannot be read and is not driven");
                return Ok(());
            }
        };
        // Read before it is claimed: its owner is gone, and should it still write, the claim or the next append fails.
        if self.inner.store.adopt(vec![claim], self.inner.owner).await?.first() != Some(&true) {
            return Ok(());
        }
        let first = Input::Adopted { epoch: head.epoch + 1 };
        let place = place.take().expect("invariant: a place is held for a saga that is adopted");
        Driver::launch(self.clone(), definition, state, place, Some(first), strikes);
        Ok(())
    }

    async fn whole_journal(&self, saga: SagaId) -> Result<Vec<Recorded>, StoreError> {
        let mut journal = Vec::new();
        loop {
            let next = journal.len() as u64 + 1;
            let rows = self.inner.store.journal(saga, next..u64::MAX, ROWS).await?;
            let last = rows.len() < ROWS as usize;
            journal.extend(rows);
            if last {
                return Ok(journal);
            }
        }
    }

    /// Whether this process still owns the saga under this epoch. A store that is away does not take ownership away.
    pub(crate) async fn owns(&self, saga: SagaId, epoch: u64) -> bool {
        match self.inner.store.head(saga).await {
            Ok(Some(head)) => head.owner == Some(self.inner.owner) && head.epoch == epoch,
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// After a driver lost its saga: drives it again if it is still this process's, with a new epoch, so that whatever
    /// the lost driver may still have on the wire is fenced.
    pub(crate) async fn take_up_again(&self, saga: SagaId, place: OwnedSemaphorePermit, strikes: u32) {
        let mut place = Some(place);
        let mut pause = PAUSE_FIRST.saturating_mul(1 << strikes.min(16)).min(PAUSE_MOST);
        while !self.inner.stopping.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.inner.stopping.cancelled() => return,
            }
            pause = (pause * 2).min(PAUSE_MOST);
            let result = match self.inner.store.head(saga).await {
                Ok(Some(head)) if head.owner == Some(self.inner.owner) && !head.summary.status.is_terminal() => {
                    self.adopt_one(head, &mut place, strikes).await
                }
                Ok(_) => return,
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => return,
                Err(error) => tracing::warn!(saga.id = %saga, %error, "cannot take the saga up now; trying again"),
            }
        }
    }
}

async fn place(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    places.clone().acquire_owned().await.expect("invariant: places are never closed")
}
