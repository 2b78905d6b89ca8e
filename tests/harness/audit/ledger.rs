//! A participant's own word: what it applied and undid, written in the transaction of the effect, read from its file.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sqlx::FromRow;
use uuid::Uuid;

use super::reader;
use crate::words::{Call, Op};

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

#[derive(FromRow)]
struct LedgerRow {
    seq: i64,
    saga: String,
    step: String,
    item: i64,
    op: String,
    effect: String,
    epoch: i64,
    attempt: i64,
    at: i64,
}

/// The ledger in a participant's file, in the order of its commits.
///
/// # Errors
/// The file cannot be read.
pub async fn read(path: &Path) -> Result<Vec<Entry>> {
    let pool = reader::open(path);
    let rows: Vec<LedgerRow> = sqlx::query_as(
        "-- audit_ledger
        select seq, saga, step, item, op, effect, epoch, attempt, at from barrier_ledger order by seq",
    )
    .fetch_all(&pool)
    .await
    .with_context(|| format!("the ledger in {}", path.display()))?;
    pool.close().await;
    rows.into_iter().map(entry).collect()
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
