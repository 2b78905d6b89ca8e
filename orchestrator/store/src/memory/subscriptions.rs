//! Who is told of turns of sagas.

use std::{collections::BTreeMap, time::Duration};

use amends_core::time::Time;
use uuid::Uuid;

use crate::{NewSubscription, Subscription, Told};

/// Each with the end of its lease.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<Uuid, (Subscription, Time)>);

impl Subscriptions {
    pub(super) fn add(&mut self, new: NewSubscription) -> bool {
        if self.0.contains_key(&new.id) {
            return false;
        }
        let NewSubscription { id, body, created_at, told } = new;
        let kept = Subscription { id, body, created_at, paused_at: None, told, owner: None, epoch: 0 };
        self.0.insert(id, (kept, Time(0)));
        true
    }

    pub(super) fn all(&self) -> Vec<Subscription> {
        self.0.values().map(|(kept, _)| kept.clone()).collect()
    }

    pub(super) fn delete(&mut self, id: Uuid) -> bool {
        self.0.remove(&id).is_some()
    }

    pub(super) fn pause(&mut self, id: Uuid, at: Option<Time>) -> bool {
        let Some((kept, _)) = self.0.get_mut(&id) else { return false };
        kept.paused_at = at.map(|at| kept.paused_at.unwrap_or(at));
        true
    }

    /// Where there is one process, whoever asks is the one that lives.
    pub(super) fn claim(&mut self, id: Uuid, owner: Uuid, now: Time, lease: Duration, shared: bool) -> Option<u64> {
        let (kept, until) = self.0.get_mut(&id)?;
        if kept.owner != Some(owner) {
            if shared && kept.owner.is_some() && *until > now {
                return None;
            }
            kept.owner = Some(owner);
            kept.epoch += 1;
        }
        *until = now + lease;
        Some(kept.epoch)
    }

    pub(super) fn record(&mut self, id: Uuid, epoch: u64, told: Told) -> bool {
        match self.0.get_mut(&id) {
            Some((kept, _)) if kept.epoch == epoch => {
                kept.told = told;
                true
            }
            Some(_) | None => false,
        }
    }
}
