//! A store under test, and how leases end there.
//!
//! **What it must never know:** what a case is about.

use std::{pin::Pin, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{Lease, NewNode, Store};

/// Longer than any case takes: leases end because a case ends them.
pub(super) const LEASE: Duration = Duration::from_secs(3600);

/// An empty store, and whom it is for.
pub struct Side {
    pub(super) store: Arc<dyn Store>,
    leases: Leases,
}

type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Leases {
    Sole,
    Shared { end: Box<dyn Fn(Uuid) -> Ending + Send + Sync> },
}

impl Side {
    /// For one process: a lease ends when the next identity joins.
    pub fn sole(store: Arc<dyn Store>) -> Self {
        Self { store, leases: Leases::Sole }
    }

    /// For many nodes. `end` makes a lease end now, as time would.
    pub fn shared<F>(store: Arc<dyn Store>, end: impl Fn(Uuid) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { store, leases: Leases::Shared { end: Box::new(move |node| Box::pin(end(node))) } }
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self.leases, Leases::Shared { .. })
    }

    /// A node that was not there before.
    pub(super) async fn joined(&self) -> Uuid {
        let node = new_node();
        assert_ne!(self.store.join(node.clone(), LEASE).await.unwrap(), Lease::Ended);
        node.id
    }

    /// Ends the lease of a node, and answers another that takes part.
    pub(super) async fn succeeded(&self, node: Uuid) -> Uuid {
        if let Leases::Shared { end } = &self.leases {
            end(node).await;
        }
        self.joined().await
    }
}

impl From<Side> for Arc<dyn Store> {
    fn from(side: Side) -> Self {
        side.store
    }
}

pub(super) fn new_node() -> NewNode {
    NewNode { id: Uuid::new_v4(), name: "host 7".into() }
}
