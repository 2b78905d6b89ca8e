//! A participant's own word: what it applied and undid, written in the transaction of the effect, read from its store.

use anyhow::{Context, Result, bail};
use uuid::Uuid;

use crate::{
    books::{Books, LedgerRow},
    words::{Call, Op},
};

/// What one call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Applied,
    Undone,
    /// A compensation that had nothing to undo.
    Null,
}

/// One line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: i64,
    pub saga: Uuid,
    /// Step, index, and the op that did it.
    pub call: Call,
    pub effect: Effect,
    pub epoch: u64,
    pub attempt: u32,
    pub at: i64,
}

impl Entry {
    /// Whether it is about this call's step or item, in either direction.
    pub fn is_of(&self, call: &Call) -> bool {
        self.call.step == call.step && self.call.index == call.index
    }
}

/// The ledger in a participant's store, in the order in which it was written.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn read(books: &Books) -> Result<Vec<Entry>> {
    books.ledger().await.with_context(|| format!("the ledger in {books:?}"))?.into_iter().map(entry).collect()
}

fn entry(row: LedgerRow) -> Result<Entry> {
    let op = match row.op.as_str() {
        "action" => Op::Action,
        "compensate" => Op::Compensate,
        other => bail!("ledger entry {}: op {other}", row.seq),
    };
    let effect = match row.effect.as_str() {
        "applied" => Effect::Applied,
        "undone" => Effect::Undone,
        "null" => Effect::Null,
        other => bail!("ledger entry {}: effect {other}", row.seq),
    };
    Ok(Entry {
        seq: row.seq,
        saga: row.saga.parse()?,
        call: Call { step: row.step, index: u32::try_from(row.item).ok(), op },
        effect,
        epoch: row.epoch.try_into()?,
        attempt: row.attempt.try_into()?,
        at: row.at,
    })
}
