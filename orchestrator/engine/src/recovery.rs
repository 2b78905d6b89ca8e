//! Adoption: taking up sagas that nobody drives. Start, restart, adoption and waking are one path: fold the journal, feed
//! `Adopted`, do what is outstanding.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use amends_core::{definition::Definition, event::Recorded, ids::SagaId, state::State};
use amends_store::{Claim, Head, Poisoned, StoreError};
use futures_util::future::BoxFuture;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use uuid::Uuid;

use crate::{
    Engine,
    driver::{Driver, Takeover, folded},
    membership::Member,
    registry::Message,
    sweep::message,
};

/// A claimed saga with its journal, if it can be read.
type Claimed = (Head, Result<Vec<Recorded>, StoreError>);

/// Messages for sagas that are about to be claimed.
pub(crate) type Letters = HashMap<SagaId, Vec<Message>>;

/// Looked at in one sweep, which has other things to do: after an outage there may be thousands.
const DOUBTS: usize = 256;
/// An owned saga that is in nobody's memory so long after its last event was lost; starts and takeovers take moments.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// Between two looks at a saga that could not be read: what mends it, an upgrade or a person, takes its time.
const LOOK_AT_POISONED_EVERY: Duration = Duration::from_secs(30);
/// Characters of why it cannot be.
const REASON_CHARS: usize = 1_000;
/// Notes looked at with an adoption.
const NOTES: u32 = 1_000;
/// Journal rows read at once.
const ROWS: u32 = 1_000;
/// Rows of each journal that are read together with those of others; few sagas have more.
const ROWS_TOGETHER: u32 = 200;
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MOST: Duration = Duration::from_secs(30);

impl Engine {
    /// Claims sagas and drives those that were still as given. Answers how many. Claimed before their journals are read: from
    /// then on nobody else appends.
    ///
    /// `letters` of sagas that are driven now are taken and delivered with the adoption; the others stay.
    pub(crate) async fn claim(
        &self,
        member: &Member,
        heads: Vec<Head>,
        letters: &mut Letters,
    ) -> Result<u64, StoreError> {
        let mut places = Vec::with_capacity(heads.len());
        let mut claims = Vec::with_capacity(heads.len());
        for head in &heads {
            let Some(place) = self.place() else { break };
            places.push(place);
            claims.push(Claim { saga: head.saga, owner: head.owner, epoch: head.epoch });
        }
        if claims.is_empty() {
            return Ok(0);
        }
        let won = match self.inner.store.adopt(claims, member.id).await {
            Ok(won) => won,
            Err(error) => {
                self.doubt(heads.iter().map(|head| head.saga));
                return Err(error);
            }
        };
        let mine: Vec<(Head, OwnedSemaphorePermit)> =
            heads.into_iter().zip(places).zip(won).filter(|(_, won)| *won).map(|(mine, _)| mine).collect();
        let sagas: Vec<SagaId> = mine.iter().map(|(head, _)| head.saga).collect();
        self.enclose(member, &sagas, letters).await;
        let journals = match self.inner.store.journals(&sagas, ROWS_TOGETHER).await {
            Ok(journals) => journals,
            Err(error) => sagas.iter().map(|_| Err(error.clone())).collect(),
        };
        let count = mine.len() as u64;
        for ((mut head, place), journal) in mine.into_iter().zip(journals) {
            head.owner = Some(member.id);
            head.epoch += 1;
            self.drive(head, journal, place, 0, letters).await;
        }
        Ok(count)
    }

    /// Signals, callbacks and words from the family to these sagas go with their adoption, unless letters do already: they race with the end of a wait. What
    /// is not found now, and every other note, is found by a sweep.
    async fn enclose(&self, member: &Member, sagas: &[SagaId], letters: &mut Letters) {
        let left: HashSet<SagaId> = sagas.iter().filter(|saga| !letters.contains_key(saga)).copied().collect();
        if left.is_empty() {
            return;
        }
        match self.inner.store.notes(member.id, NOTES).await {
            Ok(notes) => {
                for note in notes.into_iter().map(|noted| noted.note).filter(|note| left.contains(&note.saga)) {
                    let message = message(note.id, &note.body);
                    if matches!(message, Message::Signal { .. } | Message::Callback { .. } | Message::Family { .. }) {
                        letters.entry(note.saga).or_default().push(message);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "notes to adopted sagas cannot be read now"),
        }
    }

    /// A claim or a create whose answer was lost may have been made; then no sweep finds the saga, because it has an owner who
    /// lives.
    pub(crate) fn doubt(&self, sagas: impl IntoIterator<Item = SagaId>) {
        self.inner.in_doubt.lock().unwrap_or_else(PoisonError::into_inner).extend(sagas);
    }

    /// Sagas that are owned here, live, and have been driven by nobody for a while: whatever lost them, they go on. What cannot
    /// be read is looked at again now and then.
    pub(crate) async fn find_the_lost(&self, member: &Member) -> Result<(), StoreError> {
        let (mut after, mut all) = (None, HashSet::new());
        let long_ago = |head: &Head| head.updated_at + LOST_AFTER < self.inner.clock.now();
        loop {
            let owned = self.inner.store.owned(member.id, after, ROWS).await?;
            let Some(last) = owned.last() else {
                // What others own now is theirs.
                self.unreadable().retain(|saga, _| all.contains(saga));
                return Ok(());
            };
            after = Some(last.saga);
            all.extend(owned.iter().map(|head| head.saga).filter(|saga| self.unreadable().contains_key(saga)));
            let lost = owned.into_iter().filter(|head| long_ago(head) && self.inner.registry.get(head.saga).is_none());
            for head in lost {
                let looked_at = self.unreadable().get(&head.saga).copied();
                match looked_at {
                    None => self.doubt([head.saga]),
                    Some(looked_at) if looked_at.elapsed() < LOOK_AT_POISONED_EVERY => {}
                    Some(_) => self.look_at_poisoned(&head).await?,
                }
            }
        }
    }

    /// Without claiming it: each claim would be an epoch.
    async fn look_at_poisoned(&self, head: &Head) -> Result<(), StoreError> {
        let journal = self.rest_of_journal(head.saga, 1).await;
        match self.read_up(head, journal).await {
            Ok(_) => {
                tracing::info!(saga.id = %head.saga, "this saga can be read again and goes on");
                self.unreadable().remove(&head.saga);
                self.doubt([head.saga]);
            }
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
            Err(error) => self.poison(head, &error).await,
        }
        Ok(())
    }

    /// It is left alone, blocks no other, and asks for a person.
    async fn poison(&self, head: &Head, error: &StoreError) {
        tracing::error!(saga.id = %head.saga, %error, "this saga cannot be read and is not driven");
        self.unreadable().insert(head.saga, Instant::now());
        let reason: String = error.to_string().replace('\0', " ").chars().take(REASON_CHARS).collect();
        let (reason, node) = (reason.into(), self.inner.membership.words().into());
        let poisoned = Poisoned { saga: head.saga, reason, since: self.inner.clock.now(), node };
        if let Err(error) = self.inner.store.poison(head.epoch, poisoned).await {
            tracing::warn!(saga.id = %head.saga, %error, "that it cannot be read is not written down; it will be with the next look");
        }
    }

    fn unreadable(&self) -> MutexGuard<'_, HashMap<SagaId, Instant>> {
        self.inner.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sagas that are owned here and cannot be read, and so are not driven.
    pub fn poisoned(&self) -> usize {
        self.unreadable().len()
    }

    /// Looks at the sagas whose claims were not answered, and drives those that are owned here.
    pub(crate) async fn resolve_doubts(&self, member: &Member) -> Result<(), StoreError> {
        let doubts: Vec<SagaId> =
            self.inner.in_doubt.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().take(DOUBTS).collect();
        for saga in doubts {
            if let Some(head) = self.inner.store.head(saga).await?
                && head.owner == Some(member.id)
                && !head.summary.status.is_terminal()
                && self.inner.registry.get(saga).is_none()
            {
                if self.inner.places.available_permits() == 0 {
                    return Ok(());
                }
                self.claim(member, vec![head], &mut Letters::new()).await?;
            }
            self.inner.in_doubt.lock().unwrap_or_else(PoisonError::into_inner).remove(&saga);
        }
        Ok(())
    }

    /// Drives a claimed saga from its journal. One that cannot be read is left alone. A store that is away is waited for.
    async fn drive(
        &self,
        head: Head,
        journal: Result<Vec<Recorded>, StoreError>,
        place: OwnedSemaphorePermit,
        strikes: u32,
        letters: &mut Letters,
    ) {
        let owner = head.owner.expect("invariant: a claimed saga has an owner");
        let member = self.inner.membership.present();
        if owner != member.id {
            // The lease ended just now: the saga is an orphan of an identity that is over.
            return;
        }
        match self.read_up(&head, journal).await {
            // Read late: somebody else has adopted it since, and may have let go of it. It is not this process's any more.
            Ok((_, state)) if state.epoch >= head.epoch => {
                tracing::warn!(saga.id = %head.saga, "adopted by another process before it could be read here");
            }
            Ok((definition, state)) => {
                self.unreadable().remove(&head.saga);
                let letters = letters.remove(&head.saga).unwrap_or_default();
                let takeover = Takeover { epoch: head.epoch, letters };
                Driver::take_over(self.clone(), member, definition, state, place, takeover, strikes);
            }
            Err(StoreError::Unavailable { .. }) => {
                self.inner.tasks.spawn(self.clone().take_up_again(head.saga, owner, place, strikes));
            }
            Err(error) => self.poison(&head, &error).await,
        }
    }

    /// Its definition and its state, by as much of its journal as has been read.
    async fn read_up(
        &self,
        head: &Head,
        journal: Result<Vec<Recorded>, StoreError>,
    ) -> Result<(Arc<Definition>, State), StoreError> {
        let definition = self.pinned(&head.name, head.version, &head.definition).await?;
        let mut journal = journal?;
        if journal.len() as u64 + 1 < head.next_seq {
            journal.extend(self.rest_of_journal(head.saga, journal.len() as u64 + 1).await?);
        }
        Ok((definition, folded(head.saga, &journal)?))
    }

    pub(crate) async fn rest_of_journal(&self, saga: SagaId, from: u64) -> Result<Vec<Recorded>, StoreError> {
        let mut journal = Vec::new();
        loop {
            let next = from + journal.len() as u64;
            let rows = self.inner.store.journal(saga, next..u64::MAX, ROWS).await?;
            let last = rows.len() < ROWS as usize;
            journal.extend(rows);
            if last {
                return Ok(journal);
            }
        }
    }

    /// Whether this process still owns the saga under this epoch. A store that is away does not take ownership away.
    pub(crate) async fn owns(&self, saga: SagaId, owner: Uuid, epoch: u64) -> bool {
        match self.inner.store.head(saga).await {
            Ok(Some(head)) => head.owner == Some(owner) && head.epoch == epoch,
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// After a driver lost its saga: drives it again if it is still this process's, with a new epoch, so that whatever
    /// the lost driver may still have on the wire is fenced.
    ///
    /// Boxed: it drives, and driving may come back here.
    pub(crate) fn take_up_again(
        self,
        saga: SagaId,
        owner: Uuid,
        place: OwnedSemaphorePermit,
        strikes: u32,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut pause = PAUSE_FIRST.saturating_mul(1 << strikes.min(16)).min(PAUSE_MOST);
            while !self.inner.stopping.is_cancelled() {
                tokio::select! {
                    biased;
                    () = self.inner.stopping.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSE_MOST);
                let error = match self.claim_again(saga, owner).await {
                    Ok(None) => return,
                    Ok(Some((head, journal))) => {
                        return self.drive(head, journal, place, strikes, &mut Letters::new()).await;
                    }
                    Err(error @ StoreError::Unavailable { .. }) => error,
                    Err(error) => {
                        tracing::error!(saga.id = %saga, %error, "this saga cannot be read and is not driven");
                        return;
                    }
                };
                tracing::warn!(saga.id = %saga, %error, "cannot take the saga up now; trying again");
            }
        })
    }

    /// `None`: it is not this identity's any more, has ended, or is driven.
    async fn claim_again(&self, saga: SagaId, owner: Uuid) -> Result<Option<Claimed>, StoreError> {
        if self.inner.registry.get(saga).is_some() {
            // Somebody here was quicker; to claim it from under that driver would make them take turns.
            return Ok(None);
        }
        let Some(mut head) = self.inner.store.head(saga).await? else { return Ok(None) };
        if head.owner != Some(owner) || head.summary.status.is_terminal() {
            return Ok(None);
        }
        let claim = Claim { saga, owner: head.owner, epoch: head.epoch };
        if self.inner.store.adopt(vec![claim], owner).await?.first() != Some(&true) {
            return Ok(None);
        }
        head.epoch += 1;
        match self.rest_of_journal(saga, 1).await {
            Err(error @ StoreError::Unavailable { .. }) => Err(error),
            journal => Ok(Some((head, journal))),
        }
    }
}
