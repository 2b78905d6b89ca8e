//! What sagas left behind, as plain data, and the checks that need nothing else: of journals, and of the ledgers that services keep.
//!
//! Who calls it: `demo`, which knows its services and checks more; `chaos`, which knows nobody's.
//!
//! **What it must never know:** what was done to the sagas. It judges what is written down.

pub(crate) mod journals;
pub(crate) mod ledgers;
pub(crate) mod read;

use amends_protocol::v1::{HistoryEntry, SagaView};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A saga with its journal.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) view: SagaView,
    pub(crate) journal: Vec<HistoryEntry>,
}

/// What a service wrote down of one call.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LedgerEntry {
    pub(crate) saga: Uuid,
    pub(crate) step: String,
    #[serde(default)]
    pub(crate) index: Option<u32>,
    /// `applied`, `undone` or `null`.
    pub(crate) effect: String,
}

/// One statement about what is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// What was looked at, in numbers.
    pub(crate) counted: String,
    /// Who breaks it, and how. Empty: it holds.
    pub(crate) failures: Vec<String>,
}
