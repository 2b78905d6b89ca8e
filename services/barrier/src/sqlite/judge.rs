//! SEMANTICS §5 as statements: one function for each thing that may be asked, each inside one open transaction.

use amends_protocol::participant::{Op, Refused};
use serde::de::DeserializeOwned;
use sqlx::{Connection, SqliteConnection};

use super::{Work, rows};
use crate::{
    Broken,
    call::{Call, Place},
    fault::{Faults, Rule},
    reply::{Answer, Problem, Reply, Verdict},
    rules::{self, State, Taken, Undo},
};

/// What one transaction came to.
pub(super) struct Judged {
    pub(super) answer: Answer,
    /// Something was decided here, not replayed.
    pub(super) fresh: bool,
}

/// What became of a [`super::Barrier::complete`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The verdict was stored and its change committed.
    Completed(Reply),
    /// It was completed before, with this reply. Nothing was done.
    AlreadyCompleted(Reply),
    /// The compensation came first. Nothing was done.
    Compensated,
    /// No such action was accepted here. Nothing was done.
    NeverAccepted,
}

pub(super) async fn action<B, W>(
    tx: &mut SqliteConnection,
    call: &Call,
    faults: &Faults,
    looked: Option<bool>,
    work: W,
) -> Result<Judged, Broken>
where
    B: DeserializeOwned,
    W: for<'t> FnOnce(&'t mut SqliteConnection, B) -> Work<'t, Verdict>,
{
    if fenced(tx, call, faults).await? {
        return Ok(refused(Refused::StaleEpoch));
    }
    let place = call.place();
    let claimed = rows::claim(tx, call, Op::Action).await?;
    if !looked.unwrap_or(claimed) {
        match rules::taken(rows::get(tx, &place, Op::Action).await?, call, faults) {
            Taken::Replay(reply) => return Ok(replayed(call, reply)),
            Taken::Refused(word) => return Ok(refused(word)),
            Taken::JudgeAnew => {}
        }
    }
    let mut change = tx.begin().await?;
    let verdict = match call.json::<B>() {
        Ok(body) => work(&mut change, body).await?.check()?,
        Err(problem) => problem.refuse(),
    };
    if matches!(verdict, Verdict::Refused(_)) && faults.holds(Rule::Savepoint) {
        change.rollback().await?;
    } else {
        change.commit().await?;
    }
    rows::judge(tx, call, Op::Action, &verdict).await?;
    if !matches!(verdict, Verdict::Refused(_)) {
        rows::write_ledger(tx, &place, Op::Action, "applied", (call.headers().epoch, call.headers().attempt)).await?;
    }
    if let (Verdict::Accepted(_), Some(token), true) =
        (&verdict, &call.headers().callback, faults.holds(Rule::KeptToken))
    {
        rows::keep_token(tx, &place, token).await?;
    }
    faults.before_commit().await;
    Ok(decided(call, verdict.reply().clone()))
}

pub(super) async fn compensation<W>(
    tx: &mut SqliteConnection,
    call: &Call,
    faults: &Faults,
    work: W,
) -> Result<Judged, Broken>
where
    W: for<'t> FnOnce(&'t mut SqliteConnection, Reply) -> Work<'t, Verdict>,
{
    if fenced(tx, call, faults).await? {
        return Ok(refused(Refused::StaleEpoch));
    }
    let place = call.place();
    // A refused compensation takes back everything but the fence: an old epoch stays old whatever is decided here.
    let mut all = tx.begin().await?;
    if !rows::claim(&mut all, call, Op::Compensate).await? {
        let row = rows::get(&mut all, &place, Op::Compensate).await?;
        all.rollback().await?;
        return match rules::taken(row, call, faults) {
            Taken::Replay(reply) => Ok(replayed(call, reply)),
            Taken::Refused(word) => Ok(refused(word)),
            Taken::JudgeAnew => Err(Broken::Corrupt(format!("a rejected compensation: {}", call.key()))),
        };
    }
    let undo = if faults.holds(Rule::Tombstone) {
        if rows::claim_tombstone(&mut all, call).await? {
            Undo::Null
        } else {
            rules::undo(rows::get(&mut all, &place, Op::Action).await?.state)
        }
    } else {
        rows::find(&mut all, &place, Op::Action).await?.map_or(Undo::Null, |row| rules::undo(row.state))
    };
    let (verdict, effect) = match undo {
        Undo::Null => (Verdict::Done(rules::null_reply()), "null"),
        Undo::Reverse(original) => (work(&mut all, original).await?.check()?, "undone"),
    };
    let reply = verdict.reply().clone();
    match verdict {
        Verdict::Done(_) => {}
        Verdict::Refused(_) => {
            all.rollback().await?;
            return Ok(replayed(call, reply));
        }
        Verdict::Accepted(_) => return Err(Broken::Verdict("a compensation cannot be accepted".to_owned())),
    }
    if faults.holds(Rule::Tombstone) {
        // Also over a rejection: a later attempt of the action, still on its way, must not be judged anew.
        rows::bury(&mut all, &place).await?;
        rows::drop_token(&mut all, &place).await?;
    }
    rows::judge(&mut all, call, Op::Compensate, &verdict).await?;
    rows::write_ledger(&mut all, &place, Op::Compensate, effect, (call.headers().epoch, call.headers().attempt))
        .await?;
    all.commit().await?;
    faults.before_commit().await;
    Ok(decided(call, reply))
}

/// Accepting counts as *applied*; so a completed action needs no second entry, and a refusal here is its *undone*.
pub(super) async fn completion<W>(
    tx: &mut SqliteConnection,
    action: &Place,
    faults: &Faults,
    work: W,
) -> Result<Completion, Broken>
where
    W: for<'t> FnOnce(&'t mut SqliteConnection, Reply) -> Work<'t, Verdict>,
{
    let accepted = match rows::find(tx, action, Op::Action).await?.map(|row| row.state) {
        None => return Ok(Completion::NeverAccepted),
        Some(State::Tombstone) => return Ok(Completion::Compensated),
        Some(State::Done(reply) | State::Rejected { reply, .. }) => return Ok(Completion::AlreadyCompleted(reply)),
        Some(State::Accepted(reply)) => reply,
    };
    let verdict = work(tx, accepted).await?.check()?;
    if matches!(verdict, Verdict::Accepted(_)) {
        return Err(Broken::Verdict("an accepted action was accepted again".to_owned()));
    }
    let made_by = rows::complete(tx, action, &verdict, faults.holds(Rule::FinalRefusal)).await?;
    faults.before_commit().await;
    if matches!(verdict, Verdict::Refused(_)) {
        rows::write_ledger(tx, action, Op::Action, "undone", made_by).await?;
    }
    Ok(Completion::Completed(verdict.reply().clone()))
}

/// Read inside a write transaction, so it waits for whatever is being decided: *not applied* is never said about an
/// action that is about to commit.
pub(super) async fn probe(tx: &mut SqliteConnection, action: &Place) -> Result<Reply, Broken> {
    Ok(match rows::find(tx, action, Op::Action).await?.map(|row| row.state) {
        Some(State::Done(reply) | State::Accepted(reply)) => reply,
        Some(State::Rejected { .. } | State::Tombstone) | None => {
            Problem::new(http::StatusCode::NOT_FOUND, "not-applied", "the action is not applied here").into()
        }
    })
}

/// Raises the fence to the call's epoch; whether it stood above.
async fn fenced(tx: &mut SqliteConnection, call: &Call, faults: &Faults) -> Result<bool, Broken> {
    let highest = rows::raise_fence(tx, call.headers().saga, call.headers().epoch).await?;
    Ok(highest > call.headers().epoch && faults.holds(Rule::Fence))
}

fn decided(call: &Call, reply: Reply) -> Judged {
    Judged { answer: Answer::Definite { key: call.key(), reply }, fresh: true }
}

fn replayed(call: &Call, reply: Reply) -> Judged {
    Judged { answer: Answer::Definite { key: call.key(), reply }, fresh: false }
}

fn refused(word: Refused) -> Judged {
    Judged { answer: Answer::Refused(word), fresh: false }
}
