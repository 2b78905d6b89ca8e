//! The barrier's statements on SQLite. No decisions here: see `rules` and `judge`.

use amends_protocol::participant::{CallbackToken, Op};
use http::StatusCode;
use sqlx::{FromRow, SqliteConnection};
use uuid::Uuid;

use super::touched;
use crate::{
    Broken,
    call::{Call, Digest, Place},
    clock::now_us,
    reply::{Reply, Verdict},
    rules::{Row, State},
};

/// Epoch and attempt of a call.
pub(super) type MadeBy = (u64, u32);

/// The highest epoch seen for the saga, this one included.
pub(super) async fn raise_fence(tx: &mut SqliteConnection, saga: Uuid, epoch: u64) -> Result<u64, Broken> {
    let highest = sqlx::query_scalar::<_, i64>(
        "-- barrier_fence_get
        select epoch
        from barrier_fence
        where saga = $1",
    )
    .bind(saga.to_string())
    .fetch_optional(&mut *tx)
    .await?
    .map(whole::<u64>)
    .transpose()?;
    if let Some(highest) = highest.filter(|highest| *highest >= epoch) {
        return Ok(highest);
    }
    // The transaction holds the write lock since before the select, so nobody raised it in between.
    let result = sqlx::query(
        "-- barrier_fence_raise
        insert into barrier_fence (saga, epoch)
        values ($1, $2)
        on conflict (saga) do update
        set epoch = excluded.epoch
        where excluded.epoch > barrier_fence.epoch",
    )
    .bind(saga.to_string())
    .bind(whole::<i64>(epoch)?)
    .execute(tx)
    .await?;
    touched(&result, "barrier_fence_raise", 1)?;
    Ok(epoch)
}

/// Claims the row of this call by inserting it; whether it was free.
pub(super) async fn claim(tx: &mut SqliteConnection, call: &Call, op: Op) -> Result<bool, Broken> {
    insert(tx, call, op, "open", Some(call.digest())).await
}

/// Puts a tombstone where the action would have gone; whether the place was free.
pub(super) async fn claim_tombstone(tx: &mut SqliteConnection, call: &Call) -> Result<bool, Broken> {
    insert(tx, call, Op::Action, "tombstone", None).await
}

async fn insert(
    tx: &mut SqliteConnection,
    call: &Call,
    op: Op,
    state: &'static str,
    digest: Option<Digest>,
) -> Result<bool, Broken> {
    let headers = call.headers();
    let result = sqlx::query(
        "-- barrier_call_claim
        insert into barrier_call (saga, step, item, op, state, digest, epoch, attempt, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict (saga, step, item, op) do nothing",
    )
    .bind(headers.saga.to_string())
    .bind(&headers.step)
    .bind(item(headers.index))
    .bind(op.as_str())
    .bind(state)
    .bind(digest.map(Vec::from))
    .bind(whole::<i64>(headers.epoch)?)
    .bind(headers.attempt)
    .bind(now_us())
    .execute(tx)
    .await?;
    match result.rows_affected() {
        0 => Ok(false),
        _ => touched(&result, "barrier_call_claim", 1).map(|()| true),
    }
}

/// The row that must be there.
pub(super) async fn get(tx: &mut SqliteConnection, place: &Place, op: Op) -> Result<Row, Broken> {
    find(tx, place, op).await?.ok_or_else(|| Broken::Corrupt(format!("no row for {place:?}")))
}

pub(super) async fn find(tx: &mut SqliteConnection, place: &Place, op: Op) -> Result<Option<Row>, Broken> {
    sqlx::query_as::<_, Stored>(
        "-- barrier_call_get
        select state, digest, epoch, attempt, status, body
        from barrier_call
        where saga = $1 and step = $2 and item = $3 and op = $4",
    )
    .bind(place.saga.to_string())
    .bind(&place.step)
    .bind(item(place.index))
    .bind(op.as_str())
    .fetch_optional(tx)
    .await?
    .map(Stored::parse)
    .transpose()
}

/// Stores what this call came to, over its claim or over an earlier rejection.
pub(super) async fn judge(tx: &mut SqliteConnection, call: &Call, op: Op, verdict: &Verdict) -> Result<(), Broken> {
    let headers = call.headers();
    let result = sqlx::query(
        "-- barrier_call_judge
        update barrier_call
        set state = $5, epoch = $6, attempt = $7, status = $8, body = $9, at = $10
        where saga = $1 and step = $2 and item = $3 and op = $4",
    )
    .bind(headers.saga.to_string())
    .bind(&headers.step)
    .bind(item(headers.index))
    .bind(op.as_str())
    .bind(state_word(verdict))
    .bind(whole::<i64>(headers.epoch)?)
    .bind(headers.attempt)
    .bind(verdict.reply().status().as_u16())
    .bind(verdict.reply().body().as_ref())
    .bind(now_us())
    .execute(tx)
    .await?;
    touched(&result, "barrier_call_judge", 1)
}

/// Stores the final reply of an accepted action; which attempt made it.
pub(super) async fn complete(
    tx: &mut SqliteConnection,
    action: &Place,
    verdict: &Verdict,
    refusal_is_final: bool,
) -> Result<MadeBy, Broken> {
    let (epoch, attempt) = sqlx::query_as::<_, (i64, i64)>(
        "-- barrier_call_made_by
        select epoch, attempt
        from barrier_call
        where saga = $1 and step = $2 and item = $3 and op = 'action' and state = 'accepted'",
    )
    .bind(action.saga.to_string())
    .bind(&action.step)
    .bind(item(action.index))
    .fetch_one(&mut *tx)
    .await?;
    // A rejection is judged anew by later attempts; this one has been told, or will be, as the verdict on all of them.
    let holds_for = match verdict {
        Verdict::Refused(_) if refusal_is_final => (i64::MAX, u32::MAX.into()),
        _ => (epoch, attempt),
    };
    let result = sqlx::query(
        "-- barrier_call_complete
        update barrier_call
        set state = $4, status = $5, body = $6, at = $7, epoch = $8, attempt = $9
        where saga = $1 and step = $2 and item = $3 and op = 'action' and state = 'accepted'",
    )
    .bind(action.saga.to_string())
    .bind(&action.step)
    .bind(item(action.index))
    .bind(state_word(verdict))
    .bind(verdict.reply().status().as_u16())
    .bind(verdict.reply().body().as_ref())
    .bind(now_us())
    .bind(holds_for.0)
    .bind(holds_for.1)
    .execute(tx)
    .await?;
    touched(&result, "barrier_call_complete", 1)?;
    Ok((whole(epoch)?, whole(attempt)?))
}

/// Keeps what an accepted action is called back with. Every attempt brings the same.
pub(super) async fn keep_token(tx: &mut SqliteConnection, action: &Place, token: &CallbackToken) -> Result<(), Broken> {
    let result = sqlx::query(
        "-- barrier_callback_keep
        insert into barrier_callback (saga, step, item, token)
        values ($1, $2, $3, $4)
        on conflict (saga, step, item) do update
        set token = excluded.token",
    )
    .bind(action.saga.to_string())
    .bind(&action.step)
    .bind(item(action.index))
    .bind(token.expose())
    .execute(tx)
    .await?;
    touched(&result, "barrier_callback_keep", 1)
}

/// There is nothing to tell any more, if there was.
pub(super) async fn drop_token(tx: &mut SqliteConnection, action: &Place) -> Result<(), Broken> {
    sqlx::query(
        "-- barrier_callback_drop
        delete from barrier_callback
        where saga = $1 and step = $2 and item = $3",
    )
    .bind(action.saga.to_string())
    .bind(&action.step)
    .bind(item(action.index))
    .execute(tx)
    .await?;
    Ok(())
}

/// Turns the action's row into a tombstone. Digest and reply stay, for those who look back.
pub(super) async fn bury(tx: &mut SqliteConnection, place: &Place) -> Result<(), Broken> {
    let result = sqlx::query(
        "-- barrier_call_bury
        update barrier_call
        set state = 'tombstone', at = $4
        where saga = $1 and step = $2 and item = $3 and op = 'action'",
    )
    .bind(place.saga.to_string())
    .bind(&place.step)
    .bind(item(place.index))
    .bind(now_us())
    .execute(tx)
    .await?;
    touched(&result, "barrier_call_bury", 1)
}

pub(super) async fn write_ledger(
    tx: &mut SqliteConnection,
    place: &Place,
    op: Op,
    effect: &'static str,
    (epoch, attempt): MadeBy,
) -> Result<(), Broken> {
    let result = sqlx::query(
        "-- barrier_ledger_write
        insert into barrier_ledger (saga, step, item, op, effect, epoch, attempt, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(place.saga.to_string())
    .bind(&place.step)
    .bind(item(place.index))
    .bind(op.as_str())
    .bind(effect)
    .bind(whole::<i64>(epoch)?)
    .bind(attempt)
    .bind(now_us())
    .execute(tx)
    .await?;
    touched(&result, "barrier_ledger_write", 1)
}

/// `barrier_call.state`.
fn state_word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done(_) => "done",
        Verdict::Refused(_) => "rejected",
        Verdict::Accepted(_) => "accepted",
    }
}

/// A primary key has no nulls, so -1 stands for "no item".
fn item(index: Option<u32>) -> i64 {
    index.map_or(-1, i64::from)
}

fn whole<T>(number: impl TryInto<T> + Copy + std::fmt::Display) -> Result<T, Broken> {
    number.try_into().map_err(|_| Broken::Corrupt(format!("{number} is out of range")))
}

#[derive(FromRow)]
struct Stored {
    state: String,
    digest: Option<Vec<u8>>,
    epoch: i64,
    attempt: i64,
    status: Option<u16>,
    body: Option<Vec<u8>>,
}

impl Stored {
    fn parse(self) -> Result<Row, Broken> {
        let corrupt = |what: &str| Broken::Corrupt(format!("a barrier row: {what}"));
        let digest = self.digest.map(|digest| digest.try_into().map_err(|_| corrupt("digest"))).transpose()?;
        if self.state == "tombstone" {
            return Ok(Row { digest, state: State::Tombstone });
        }
        let status = self.status.ok_or_else(|| corrupt("no status"))?;
        let status = StatusCode::from_u16(status).map_err(|_| corrupt("status"))?;
        let reply = Reply::stored(status, self.body.ok_or_else(|| corrupt("no body"))?);
        let state = match self.state.as_str() {
            "done" => State::Done(reply),
            "accepted" => State::Accepted(reply),
            "rejected" => State::Rejected { reply, epoch: whole(self.epoch)?, attempt: whole(self.attempt)? },
            other => return Err(corrupt(other)),
        };
        Ok(Row { digest, state })
    }
}
