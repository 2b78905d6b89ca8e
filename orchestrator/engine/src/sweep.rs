//! The sweep: finds what nobody in memory waits for. Orphans of ended leases, sleepers that are due, notes to sagas that are
//! owned here or by nobody. Everything found is claimed by compare-and-set and driven like after a restart.
//!
//! At a bounded interval; hints (a note just written here, a lease just lost) only shorten it.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    time::Duration,
};

use amends_core::{Input, Signal, time::Time};
use amends_store::{Head, Noted, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    Engine, callback,
    inbox::{Asked, Came, verdict},
    membership::Member,
    recovery::Letters,
    registry::Message,
};

/// Between two sweeps where other processes may leave something; also how late a hand-over is found.
const SHARED_EVERY: Duration = Duration::from_millis(250);
/// Where this process is alone, everything that it has to find it knows of, unless it had no room for it.
const SOLE_EVERY: Duration = Duration::from_secs(5);
/// A net below everything else: a walk over all that is owned here.
const LOOK_FOR_LOST_EVERY: Duration = Duration::from_secs(10);
/// A note that was delivered and has no verdict yet is delivered again.
const DELIVER_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Rows looked at together.
const ROWS: u32 = 256;
/// After a sweep that failed.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MOST: Duration = Duration::from_secs(2);

/// Notes under way to their drivers.
type Delivered = HashMap<Uuid, Instant>;

/// What there is to wait for after a sweep.
enum Next {
    /// When the next sleeper is due, if there is one.
    Due(Option<Time>),
    /// Some that are due had to be left for want of places, and nobody tells when there is one.
    Crowded,
}

impl Engine {
    /// Sweeps until the engine stops.
    pub(crate) async fn sweep(self) {
        let (mut delivered, mut looked_at) = (Delivered::new(), Instant::now());
        let mut pause = PAUSE_FIRST;
        while !self.inner.stopping.is_cancelled() {
            let lost = looked_at.elapsed() >= LOOK_FOR_LOST_EVERY;
            let swept = self.sweep_once(&mut delivered, lost).await;
            if lost {
                looked_at = Instant::now();
            }
            let wait = match &swept {
                Ok(Next::Due(_)) if self.inner.membership.sole() => SOLE_EVERY,
                Ok(_) => SHARED_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "cannot look for orphans, sleepers and notes now; trying again");
                    pause
                }
            };
            pause = if swept.is_ok() { PAUSE_FIRST } else { (pause * 2).min(PAUSE_MOST) };
            let due = async {
                match swept {
                    Ok(Next::Due(Some(at))) => self.inner.clock.sleep_until(at).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => {}
                () = self.inner.sweep.notified() => {}
                () = due => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Everything that is there now, as far as there are places.
    async fn sweep_once(&self, delivered: &mut Delivered, lost: bool) -> Result<Next, StoreError> {
        let member = self.inner.membership.present();
        if !member.holds() {
            return Ok(Next::Due(None));
        }
        if lost {
            self.find_the_lost(&member).await?;
        }
        self.resolve_doubts(&member).await?;
        self.deliver_notes(&member, delivered).await?;
        self.adopt_orphans(&member).await?;
        let all = self.wake_sleepers(&member).await?;
        if all { self.inner.store.next_due().await.map(Next::Due) } else { Ok(Next::Crowded) }
    }

    async fn adopt_orphans(&self, member: &Member) -> Result<(), StoreError> {
        let (mut after, mut adopted) = (None, 0);
        loop {
            let room = self.room();
            let orphans = if room == 0 { vec![] } else { self.inner.store.orphans(after, room).await? };
            let Some(last) = orphans.last() else { break };
            after = last.owner.map(|owner| (owner, last.saga));
            adopted += self.claim(member, orphans, &mut Letters::new()).await?;
        }
        if adopted > 0 {
            tracing::info!(sagas = adopted, "adopted sagas of a process that is gone");
        }
        Ok(())
    }

    /// `false`: some that are due had to be left for want of places.
    async fn wake_sleepers(&self, member: &Member) -> Result<bool, StoreError> {
        loop {
            let room = self.room();
            if room == 0 {
                return Ok(false);
            }
            let due = self.inner.store.due(self.inner.clock.now(), room).await?;
            if due.is_empty() {
                return Ok(true);
            }
            // Somebody else may have been quicker; then the next look does not find them any more.
            self.claim(member, due, &mut Letters::new()).await?;
        }
    }

    /// A note goes to its saga's driver, which answers it in a commit of its own; until it has, the note is found again.
    async fn deliver_notes(&self, member: &Member, delivered: &mut Delivered) -> Result<(), StoreError> {
        let notes = self.inner.store.notes(member.id, ROWS).await?;
        let still: HashSet<Uuid> = notes.iter().map(|noted| noted.note.id).collect();
        // A driver may have ended before it could answer.
        delivered.retain(|note, at| still.contains(note) && at.elapsed() < DELIVER_AGAIN_AFTER);
        let mut asleep: Vec<Head> = Vec::new();
        let (mut letters, mut enclosed) = (Letters::new(), Vec::new());
        for Noted { note, head } in notes {
            let (saga, id) = (note.saga, note.id);
            let Some(head) = head else {
                self.inner.store.settle(saga, 0, vec![verdict(id, Came::UnknownSaga)]).await?;
                continue;
            };
            if head.summary.status.is_terminal() {
                self.inner.store.settle(saga, head.epoch, vec![verdict(id, Came::Ended)]).await?;
            } else if head.owner.is_none() {
                letters.entry(saga).or_default().push(message(id, &note.body));
                enclosed.push((saga, id));
                if asleep.iter().all(|other| other.saga != saga) {
                    asleep.push(head);
                }
            } else if let Entry::Vacant(place) = delivered.entry(id) {
                let Some(live) = self.inner.registry.get(saga) else { continue };
                // A full mailbox keeps nobody else waiting: the note is found again.
                if live.mailbox.try_send(message(id, &note.body)).is_ok() {
                    place.insert(Instant::now());
                }
            }
        }
        if !asleep.is_empty() {
            asleep.truncate(self.room() as usize);
            self.claim(member, asleep, &mut letters).await?;
            let taken = enclosed.into_iter().filter(|(saga, _)| !letters.contains_key(saga));
            delivered.extend(taken.map(|(_, note)| (note, Instant::now())));
        }
        Ok(())
    }

    /// How many more may be claimed at once.
    fn room(&self) -> u32 {
        u32::try_from(self.inner.places.available_permits()).unwrap_or(ROWS).min(ROWS)
    }
}

pub(crate) fn message(note: Uuid, body: &str) -> Message {
    match Asked::read(body) {
        Some(Asked::Cancel { reason }) => Message::Cancel { reason, note: Some(note), verdict: None },
        Some(Asked::Signal { name, key, payload }) => {
            let signal = Signal { name, key, payload: payload.into() };
            Message::Signal { signal, note: Some(note), verdict: None }
        }
        Some(Asked::Callback { call, said }) => callback::message(note, call, said),
        Some(Asked::ChildReported { call, said }) => {
            Message::Family { input: Box::new(Input::ChildReported { call, report: said.into() }), note }
        }
        Some(Asked::Settled { settlement }) => Message::Family { input: Box::new(Input::Settled(settlement)), note },
        Some(Asked::LockFreed) => Message::LockFreed { note: Some(note) },
        None => Message::NotUnderstood { note },
    }
}
