//! Membership: the identity under which this process owns sagas, and the lease that lets others rely on it.
//!
//! A lease is one row, renewed on the database's time ("Leases: An Efficient Fault-Tolerant Mechanism for Distributed File
//! Cache Consistency", Gray and Cheriton 1989). Its local end is reckoned from *before* the renewal was sent, on a clock that
//! goes on while the machine sleeps, less a margin for clocks that run apart: this process stops sending before anybody
//! else may begin. An ended lease is never revived: the process takes a new identity, and what it owned under the old one
//! it adopts like everybody else, with a higher epoch.
//!
//! **What it must never know:** sagas.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use amends_core::time::Time;
use amends_store::{Lease, NewNode, Store, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Clock, Engine, here};

/// Between two tries while the store does not answer.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Whatever a lease is like, its keeper does not spin.
const LOOK_LEAST: Duration = Duration::from_millis(10);

/// What a lease is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// From a renewal to the end, by the database's time. A dead process's sagas wait this long.
    pub lease: Duration,
    /// Between two renewals.
    pub renew_every: Duration,
    /// How much sooner than the database this process takes its lease for ended.
    pub margin: Duration,
}

impl Default for LeaseTerms {
    /// Several renewals may be lost before the lease is.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(6),
            renew_every: Duration::from_millis(1_500),
            margin: Duration::from_millis(500),
        }
    }
}

/// One identity of this process.
pub(crate) struct Member {
    pub(crate) id: Uuid,
    clock: Arc<dyn Clock>,
    /// On the boot clock, in milliseconds. `u64::MAX`: the store belongs to this process alone.
    holds_until: AtomicU64,
    ended: AtomicBool,
    /// Cancelled with it; for those who wait rather than ask.
    pub(crate) over: CancellationToken,
}

impl Member {
    fn new(id: Uuid, clock: Arc<dyn Clock>, holds_until: u64) -> Self {
        let (holds_until, ended) = (AtomicU64::new(holds_until), AtomicBool::new(false));
        Self { id, clock, holds_until, ended, over: CancellationToken::new() }
    }

    /// Nobody else may drive what it owns, now. Once it has not held it never will again, whatever a renewal that is under way
    /// brings: whoever looked has let go of what it was about to send, and nobody would send it in its place.
    pub(crate) fn holds(&self) -> bool {
        let until = self.holds_until.load(Ordering::Acquire);
        if until != u64::MAX && boot_ms(&*self.clock) >= until {
            self.ended.store(true, Ordering::Release);
        }
        !self.ended()
    }

    /// It is known that it holds no more, for good.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.over.cancel();
    }

    /// Until its local end.
    fn left(&self) -> Duration {
        Duration::from_millis(self.holds_until.load(Ordering::Acquire).saturating_sub(boot_ms(&*self.clock)))
    }

    /// It has no neighbours.
    fn sole(&self) -> bool {
        self.holds_until.load(Ordering::Acquire) == u64::MAX
    }
}

/// The present identity. There always is one; it may have ended.
pub(crate) struct Membership {
    name: Arc<str>,
    terms: LeaseTerms,
    present: RwLock<Arc<Member>>,
}

impl Membership {
    /// Joins for the first time.
    pub(crate) async fn begin(
        store: &dyn Store,
        clock: &Arc<dyn Clock>,
        name: Arc<str>,
        terms: LeaseTerms,
    ) -> Result<(Self, Option<Time>), StoreError> {
        let name: Arc<str> = here::name(&name).into();
        let (member, now) = join(store, clock, &name, terms).await?;
        end_leases_of_the_gone(store).await?;
        Ok((Self { name, terms, present: RwLock::new(Arc::new(member)) }, now))
    }

    pub(crate) fn present(&self) -> Arc<Member> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn sole(&self) -> bool {
        self.present().sole()
    }

    /// What this process is called, for people.
    pub(crate) fn words(&self) -> &str {
        here::words(&self.name)
    }

    fn replace(&self, member: Member) {
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(member);
    }
}

async fn join(
    store: &dyn Store,
    clock: &Arc<dyn Clock>,
    name: &Arc<str>,
    terms: LeaseTerms,
) -> Result<(Member, Option<Time>), StoreError> {
    let asked_at = boot_ms(&**clock);
    let id = clock.fresh_id();
    let (holds_until, now) = match store.join(NewNode { id, name: name.clone() }, terms.lease).await? {
        Lease::Sole => (u64::MAX, None),
        Lease::Granted { now } => (local_end(asked_at, terms), Some(now)),
        Lease::Ended => {
            return Err(StoreError::Unavailable { reason: "the lease ended at once".to_owned(), source: None });
        }
    };
    tracing::info!(node = %id, "joined");
    Ok((Member::new(id, clock.clone(), holds_until), now))
}

/// After a crash and a restart on the same machine nobody need wait for the lease of the process before.
async fn end_leases_of_the_gone(store: &dyn Store) -> Result<(), StoreError> {
    for node in store.nodes().await?.into_iter().filter(|node| here::is_gone(&node.name)) {
        tracing::info!(node = %node.id, name = here::words(&node.name), "its process is gone; ending its lease");
        store.leave(node.id).await?;
    }
    Ok(())
}

fn local_end(asked_at: u64, terms: LeaseTerms) -> u64 {
    let lasts = terms.lease.saturating_sub(terms.margin);
    asked_at + u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX / 2)
}

impl Engine {
    /// Renews the lease until the engine has stopped; after a loss, joins anew.
    pub(crate) async fn keep_lease(self) {
        let membership = &self.inner.membership;
        let terms = membership.terms;
        let mut failed = false;
        loop {
            let member = membership.present();
            if member.sole() {
                return;
            }
            let next = if failed { TRY_AGAIN_AFTER } else { terms.renew_every };
            tokio::select! {
                biased;
                () = self.inner.left.cancelled() => return,
                // Awake at the local end at the latest: those who wait for it hear of it then.
                () = tokio::time::sleep(next.min(member.left()).max(LOOK_LEAST)) => {}
            }
            failed = match self.renew(&member).await {
                Ok(()) => false,
                Err(error) => {
                    tracing::warn!(node = %member.id, %error, "the lease cannot be renewed now; trying again");
                    true
                }
            };
            if !member.holds() {
                self.lose(&member).await;
                failed = false;
            }
        }
    }

    async fn renew(&self, member: &Member) -> Result<(), StoreError> {
        let asked_at = boot_ms(&*self.inner.clock);
        // One that ended here may last in the database: it is not taken up again, somebody may have seen it as ended.
        if !member.holds() {
            return Ok(());
        }
        match self.inner.store.renew(member.id, self.inner.membership.terms.lease).await? {
            Lease::Sole => {}
            Lease::Granted { now } => {
                member.holds_until.store(local_end(asked_at, self.inner.membership.terms), Ordering::Release);
                self.inner.clock.anchor(now);
            }
            Lease::Ended => member.end(),
        }
        Ok(())
    }

    /// Nothing is sent under this identity any more, and everybody hears of it.
    pub(crate) fn end(&self, member: &Member) {
        member.end();
        self.inner.registry.nudge();
    }

    /// The lease has ended: nothing may be sent under the old identity; a new one, as soon as the store grants it.
    async fn lose(&self, member: &Member) {
        self.end(member);
        tracing::warn!(node = %member.id, "the lease has ended; letting go of every saga and joining anew");
        while !self.inner.left.is_cancelled() {
            let Membership { name, terms, .. } = &self.inner.membership;
            match join(&*self.inner.store, &self.inner.clock, name, *terms).await {
                Ok((fresh, now)) => {
                    if let Some(now) = now {
                        self.inner.clock.anchor(now);
                    }
                    self.inner.membership.replace(fresh);
                    // What was owned under the old identity need not wait for the end of its lease.
                    if let Err(error) = self.inner.store.leave(member.id).await {
                        tracing::debug!(%error, "the old lease ends by itself");
                    }
                    self.inner.sweep.notify_one();
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot join now; trying again");
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
            }
        }
    }
}

fn boot_ms(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.since_boot().as_millis()).expect("invariant: no machine is up for so long")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// Only its boot clock is looked at.
    struct Boot(AtomicU64);

    #[async_trait]
    impl Clock for Boot {
        fn now(&self) -> Time {
            Time(0)
        }

        async fn sleep_until(&self, _until: Time) {}

        fn since_boot(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn a_lease_that_was_seen_to_be_over_is_not_brought_back_by_a_renewal_that_was_under_way() {
        let boot = Arc::new(Boot(AtomicU64::new(9)));
        let member = Member::new(Uuid::from_u128(1), boot.clone(), 10);
        assert!(member.holds());
        boot.0.store(10, Ordering::Relaxed);
        assert!(!member.holds(), "whoever looks now drops what it was about to send");
        member.holds_until.store(20, Ordering::Relaxed);
        assert!(!member.holds() && member.ended(), "so everybody must hear of it");
    }
}
