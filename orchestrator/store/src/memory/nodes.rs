//! Who takes part: with leases that time ends, or, for one process, with one identity that only the next one ends.

use std::{collections::BTreeMap, time::Duration};

use amends_core::{ids::SagaId, time::Time};
use uuid::Uuid;

use super::{at_most, rows::Rows};
use crate::{Head, Lease, NewNode, Node};

/// Before any time that a test may set.
const LONG_AGO: Time = Time(i64::MIN);

#[derive(Debug, Default)]
pub(super) struct Nodes {
    rows: BTreeMap<Uuid, Node>,
    /// Whether many processes share the store.
    pub(super) shared: bool,
}

impl Nodes {
    pub(super) fn last(&self, now: Time) -> Vec<Node> {
        self.rows.values().filter(|node| lasts(node, now)).cloned().collect()
    }

    pub(super) fn renew(&mut self, node: Uuid, now: Time, lease: Duration) -> Lease {
        match self.rows.get_mut(&node) {
            Some(node) if lasts(node, now) => match &mut node.lease_until {
                Some(until) => {
                    *until = now + lease;
                    Lease::Granted { now }
                }
                None => Lease::Sole,
            },
            Some(_) | None => Lease::Ended,
        }
    }

    pub(super) fn end(&mut self, node: Uuid, now: Time) {
        if let Some(node) = self.rows.get_mut(&node).filter(|node| lasts(node, now)) {
            node.lease_until = Some(if self.shared { now } else { LONG_AGO });
        }
    }

    fn ended(&self, node: Uuid, now: Time) -> bool {
        self.rows.get(&node).is_some_and(|node| !lasts(node, now))
    }
}

fn lasts(node: &Node, now: Time) -> bool {
    node.lease_until.is_none_or(|until| now < until)
}

impl Rows {
    pub(super) fn join(&mut self, node: NewNode, now: Time, lease: Duration) -> Lease {
        let id = node.id;
        let Nodes { rows, shared } = &mut self.nodes;
        let shared = *shared;
        rows.entry(id).or_insert_with(|| Node {
            id,
            name: node.name,
            joined_at: now,
            lease_until: shared.then_some(now + lease),
        });
        let granted = self.nodes.renew(id, now, lease);
        if granted != Lease::Ended {
            self.add_unknown_owners(now);
        }
        if granted == Lease::Sole {
            self.nodes.rows.values_mut().filter(|other| other.id != id).for_each(|other| {
                other.lease_until.get_or_insert(LONG_AGO);
            });
        }
        granted
    }

    fn add_unknown_owners(&mut self, now: Time) {
        for owner in self.live().into_iter().filter_map(|head| head.owner) {
            self.nodes.rows.entry(owner).or_insert_with(|| Node {
                id: owner,
                name: "unknown".into(),
                joined_at: now,
                lease_until: Some(LONG_AGO),
            });
        }
    }

    pub(super) fn orphans(&self, now: Time, after: Option<(Uuid, SagaId)>, limit: u32) -> Vec<Head> {
        let mut orphans: Vec<Head> = self.live();
        orphans.retain(|head| {
            head.owner.is_some_and(|owner| {
                self.nodes.ended(owner, now) && after.is_none_or(|after| (owner, head.saga) > after)
            })
        });
        orphans.sort_unstable_by_key(|head| (head.owner, head.saga));
        orphans.truncate(at_most(limit));
        orphans
    }

    /// Nodes that are over and own nothing that lives.
    pub(super) fn tidy_nodes(&mut self, now: Time, before: Time, limit: u32) -> u64 {
        let owners: Vec<Uuid> = self.live().into_iter().filter_map(|head| head.owner).collect();
        let over = self.nodes.rows.values().filter(|node| {
            !lasts(node, now) && node.lease_until.is_some_and(|until| until < before) && !owners.contains(&node.id)
        });
        let over: Vec<Uuid> = over.map(|node| node.id).take(at_most(limit)).collect();
        over.iter().for_each(|node| drop(self.nodes.rows.remove(node)));
        over.len() as u64
    }
}
