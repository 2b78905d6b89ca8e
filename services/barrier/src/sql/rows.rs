//! The barrier's rows on their way into the tables and out of them. No decisions here: see `rules` and `judge`. The
//! statements are twins, one folder for each kind of store.

use amends_protocol::participant::{CallbackToken, Op};
use bytes::Bytes;
use http::StatusCode;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Tx, touched, tx::on_each};
use crate::{
    Broken,
    call::{Call, Digest, Place},
    clock::now_us,
    participant::LedgerEntry,
    reply::{self, Reply},
    rules::{MadeBy, Row, State},
};

/// Above every epoch and every attempt that can be.
const FOR_EVER: MadeBy = (i64::MAX as u64, u32::MAX);

/// The primary key of a row.
pub(crate) struct Key {
    pub(crate) saga: String,
    pub(crate) step: String,
    /// A primary key has no nulls, so -1 stands for "no item".
    pub(crate) item: i64,
    pub(crate) op: &'static str,
}

/// What a row is claimed with.
pub(crate) struct New {
    /// `open`, or `tombstone`; MariaDB writes `open` for both, and the tombstone with the burial.
    pub(crate) state: &'static str,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) epoch: i64,
    pub(crate) attempt: i64,
    pub(crate) at: i64,
}

/// What a call came to.
pub(crate) struct Verdict {
    pub(crate) state: &'static str,
    pub(crate) epoch: i64,
    pub(crate) attempt: i64,
    pub(crate) status: i32,
    pub(crate) body: Bytes,
    pub(crate) at: i64,
}

/// What a call did.
pub(crate) struct Written {
    pub(crate) effect: &'static str,
    pub(crate) epoch: i64,
    pub(crate) attempt: i64,
    pub(crate) at: i64,
}

/// Kept out of every log: it has no `Debug`.
#[derive(Clone, Copy)]
pub(crate) struct Token<'t>(pub(crate) &'t str);

/// The highest epoch seen for the saga, this one included. Read under a shared lock, raised under an exclusive one, which
/// is taken at once: a shared lock is never made an exclusive one.
pub(super) async fn raise_fence(tx: &mut Tx, saga: Uuid, epoch: u64) -> Result<u64, Broken> {
    let (saga, epoch) = (saga.to_string(), whole::<i64>(epoch)?);
    if let Some(highest) = on_each!(Tx of tx, rows::fence_at_least, &saga, epoch)? {
        return whole(highest);
    }
    whole(on_each!(Tx of tx, rows::fence_raise, &saga, epoch)?)
}

/// Claims the row of this call by inserting it; whether it was free.
pub(super) async fn claim(tx: &mut Tx, call: &Call, op: Op) -> Result<bool, Broken> {
    let made_by = (call.headers().epoch, call.headers().attempt);
    insert(tx, &call.place(), op, "open", Some(call.digest()), made_by).await
}

/// Puts a tombstone where the action would have gone; whether the place was free.
pub(super) async fn claim_tombstone(tx: &mut Tx, place: &Place, made_by: MadeBy) -> Result<bool, Broken> {
    insert(tx, place, Op::Action, "tombstone", None, made_by).await
}

async fn insert(
    tx: &mut Tx,
    place: &Place,
    op: Op,
    state: &'static str,
    digest: Option<Digest>,
    (epoch, attempt): MadeBy,
) -> Result<bool, Broken> {
    let digest = digest.map(Vec::from);
    let new = New { state, digest, epoch: whole(epoch)?, attempt: attempt.into(), at: now_us() };
    on_each!(Tx of tx, rows::call_claim, &key(place, op), &new)
}

/// The row that must be there.
pub(super) async fn get(tx: &mut Tx, place: &Place, op: Op) -> Result<Row, Broken> {
    find(tx, place, op).await?.ok_or_else(|| Broken::Corrupt(format!("no row for {place:?}")))
}

/// Nobody else changes it until the end of this transaction.
pub(super) async fn find(tx: &mut Tx, place: &Place, op: Op) -> Result<Option<Row>, Broken> {
    on_each!(Tx of tx, rows::call_get, &key(place, op))?.map(Stored::parse).transpose()
}

/// Stores what this call came to, over its claim or over an earlier rejection.
pub(super) async fn judge(tx: &mut Tx, call: &Call, op: Op, verdict: &reply::Verdict) -> Result<(), Broken> {
    store(tx, &call.place(), op, verdict, (call.headers().epoch, call.headers().attempt)).await
}

/// Stores the final reply of an accepted action, which this attempt made.
pub(super) async fn complete(
    tx: &mut Tx,
    action: &Place,
    verdict: &reply::Verdict,
    made_by: MadeBy,
    refusal_is_final: bool,
) -> Result<(), Broken> {
    // A rejection is judged anew by later attempts; this one has been told, or will be, as the verdict on all of them.
    let holds_for = match verdict {
        reply::Verdict::Refused(_) if refusal_is_final => FOR_EVER,
        _ => made_by,
    };
    store(tx, action, Op::Action, verdict, holds_for).await
}

async fn store(
    tx: &mut Tx,
    place: &Place,
    op: Op,
    verdict: &reply::Verdict,
    (epoch, attempt): MadeBy,
) -> Result<(), Broken> {
    let verdict = Verdict {
        state: verdict.word(),
        epoch: whole(epoch)?,
        attempt: attempt.into(),
        status: verdict.reply().status().as_u16().into(),
        body: verdict.reply().body().clone(),
        at: now_us(),
    };
    touched(on_each!(Tx of tx, rows::call_judge, &key(place, op), &verdict)?, "barrier_call_judge", 1)
}

/// Keeps what an accepted action is called back with.
pub(super) async fn keep_token(tx: &mut Tx, action: &Place, token: &CallbackToken) -> Result<(), Broken> {
    on_each!(Tx of tx, rows::token_keep, &key(action, Op::Action), Token(token.expose()))
}

pub(super) async fn drop_token(tx: &mut Tx, action: &Place) -> Result<(), Broken> {
    on_each!(Tx of tx, rows::token_drop, &key(action, Op::Action))
}

/// Turns the action's row into a tombstone.
pub(super) async fn bury(tx: &mut Tx, action: &Place) -> Result<(), Broken> {
    touched(on_each!(Tx of tx, rows::call_bury, &key(action, Op::Action), now_us())?, "barrier_call_bury", 1)
}

pub(super) async fn write_ledger(
    tx: &mut Tx,
    place: &Place,
    op: Op,
    effect: &'static str,
    (epoch, attempt): MadeBy,
) -> Result<(), Broken> {
    let written = Written { effect, epoch: whole(epoch)?, attempt: attempt.into(), at: now_us() };
    touched(on_each!(Tx of tx, rows::ledger_write, &key(place, op), &written)?, "barrier_ledger_write", 1)
}

pub(super) fn key(place: &Place, op: Op) -> Key {
    let item = place.index.map_or(-1, i64::from);
    Key { saga: place.saga.to_string(), step: place.step.clone(), item, op: op.as_str() }
}

fn whole<T>(number: impl TryInto<T> + Copy + std::fmt::Display) -> Result<T, Broken> {
    number.try_into().map_err(|_| Broken::Corrupt(format!("{number} is out of range")))
}

/// A row as it is read.
#[derive(FromRow)]
pub(crate) struct Stored {
    state: String,
    digest: Option<Vec<u8>>,
    epoch: i64,
    attempt: i64,
    status: Option<i32>,
    body: Option<Vec<u8>>,
}

impl Stored {
    fn parse(self) -> Result<Row, Broken> {
        let corrupt = |what: &str| Broken::Corrupt(format!("a barrier row: {what}"));
        let digest = self.digest.map(|digest| digest.try_into().map_err(|_| corrupt("digest"))).transpose()?;
        let made_by = (whole(self.epoch)?, whole(self.attempt)?);
        let reply = || {
            let status = self.status.and_then(|status| u16::try_from(status).ok()).ok_or_else(|| corrupt("status"))?;
            let status = StatusCode::from_u16(status).map_err(|_| corrupt("status"))?;
            Ok::<_, Broken>(Reply::stored(status, self.body.clone().ok_or_else(|| corrupt("no body"))?))
        };
        let state = match self.state.as_str() {
            "tombstone" => State::Tombstone,
            "done" => State::Done(reply()?),
            "accepted" => State::Accepted(reply()?),
            "rejected" => State::Rejected(reply()?),
            other => return Err(corrupt(other)),
        };
        Ok(Row { digest, state, made_by })
    }
}

/// An entry of the ledger, as it is read.
#[derive(FromRow)]
pub(crate) struct LedgerRow {
    pub(crate) seq: i64,
    pub(crate) saga: String,
    pub(crate) step: String,
    pub(crate) item: i64,
    pub(crate) op: String,
    pub(crate) effect: String,
    pub(crate) epoch: i64,
    pub(crate) attempt: i64,
    pub(crate) at: i64,
}

impl LedgerRow {
    pub(crate) fn parse(self) -> Result<LedgerEntry, Broken> {
        let corrupt = |what: &str| Broken::Corrupt(format!("ledger entry {}: {what}", self.seq));
        Ok(LedgerEntry {
            seq: self.seq,
            saga: self.saga.parse().map_err(|_| corrupt("saga"))?,
            index: if self.item < 0 { None } else { Some(self.item.try_into().map_err(|_| corrupt("item"))?) },
            at: crate::clock::text(self.at).ok_or_else(|| corrupt("at"))?,
            step: self.step,
            op: self.op,
            effect: self.effect,
            epoch: self.epoch,
            attempt: self.attempt,
        })
    }
}
