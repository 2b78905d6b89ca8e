//! What the stores say, as plain data: the audit's only source.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

pub(super) use crate::audit::{LedgerEntry, Record};

/// Everything that is audited.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) seeded: Seeded,
    /// Sagas whose start was acknowledged.
    pub(super) acknowledged: Vec<Uuid>,
    pub(super) sagas: Vec<Record>,
    pub(super) orders: Vec<Order>,
    pub(super) stock: Vec<Stock>,
    pub(super) reservations: Vec<Reservation>,
    pub(super) shipments: Vec<Shipment>,
    /// By service.
    pub(super) money: BTreeMap<String, Money>,
    /// By service, in the order of commits.
    pub(super) ledgers: BTreeMap<String, Vec<LedgerEntry>>,
}

/// What was there before the first saga.
#[derive(Clone, Debug, Default)]
pub(super) struct Seeded {
    pub(super) stock: BTreeMap<String, i64>,
    /// By service and account.
    pub(super) accounts: BTreeMap<String, BTreeMap<String, i64>>,
}

/// A payments service's store.
#[derive(Clone, Debug, Default)]
pub(super) struct Money {
    pub(super) accounts: Vec<Account>,
    pub(super) entries: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) tracking: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stock {
    pub(super) sku: String,
    pub(super) quantity: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reservation {
    pub(super) order: String,
    pub(super) sku: String,
    pub(super) quantity: i64,
    pub(super) status: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shipment {
    pub(super) order: String,
    pub(super) tracking: String,
    pub(super) status: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) balance: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) kind: String,
    /// The order or the transfer: a saga's id.
    pub(super) reference: String,
    pub(super) account: String,
    pub(super) amount: i64,
    pub(super) status: String,
}
