//! SEMANTICS §5 as statements: one function for each thing that may be asked, each inside one open transaction.

use amends_protocol::participant::{Op, Refused};
use serde::de::DeserializeOwned;

use super::{Tx, Work, rows};
use crate::{
    Broken,
    call::{Call, Place},
    due::Completion,
    fault::{Faults, Rule},
    reply::{Answer, Reply, Verdict},
    rules::{self, MadeBy, State, Taken, Undo},
};

/// Who claims a place only to look; it is never committed.
const NOBODY: MadeBy = (1, 1);

/// What one transaction came to.
pub(super) struct Judged {
    pub(super) answer: Answer,
    /// Something was decided here, not replayed.
    pub(super) fresh: bool,
}

pub(super) async fn action<B, W>(
    tx: &mut Tx,
    call: &Call,
    faults: &Faults,
    looked: Option<bool>,
    work: W,
) -> Result<Judged, Broken>
where
    B: DeserializeOwned,
    W: for<'t> FnOnce(&'t mut Tx, B) -> Work<'t, Verdict>,
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
    tx.savepoint().await?;
    let verdict = match call.json::<B>() {
        Ok(body) => work(tx, body).await?.check()?,
        Err(problem) => problem.refuse(),
    };
    if matches!(verdict, Verdict::Refused(_)) && faults.holds(Rule::Savepoint) {
        tx.back().await?;
    } else {
        tx.release().await?;
    }
    rows::judge(tx, call, Op::Action, &verdict).await?;
    if !matches!(verdict, Verdict::Refused(_)) {
        rows::write_ledger(tx, &place, Op::Action, "applied", made_by(call)).await?;
    }
    if let (Verdict::Accepted(_), Some(token), true) =
        (&verdict, &call.headers().callback, faults.holds(Rule::KeptToken))
    {
        rows::keep_token(tx, &place, token).await?;
    }
    faults.before_commit().await;
    Ok(decided(call, verdict.reply().clone()))
}

pub(super) async fn compensation<W>(tx: &mut Tx, call: &Call, faults: &Faults, work: W) -> Result<Judged, Broken>
where
    W: for<'t> FnOnce(&'t mut Tx, Reply) -> Work<'t, Verdict>,
{
    if fenced(tx, call, faults).await? {
        return Ok(refused(Refused::StaleEpoch));
    }
    let place = call.place();
    // A refused compensation takes back everything but the fence: an old epoch stays old whatever is decided here.
    tx.savepoint().await?;
    if !rows::claim(tx, call, Op::Compensate).await? {
        let row = rows::get(tx, &place, Op::Compensate).await?;
        tx.back().await?;
        return match rules::taken(row, call, faults) {
            Taken::Replay(reply) => Ok(replayed(call, reply)),
            Taken::Refused(word) => Ok(refused(word)),
            Taken::JudgeAnew => Err(Broken::Corrupt(format!("a rejected compensation: {}", call.key()))),
        };
    }
    let undo = if faults.holds(Rule::Tombstone) {
        if rows::claim_tombstone(tx, &place, made_by(call)).await? {
            Undo::Null
        } else {
            rules::undo(rows::get(tx, &place, Op::Action).await?.state)
        }
    } else {
        rows::find(tx, &place, Op::Action).await?.map_or(Undo::Null, |row| rules::undo(row.state))
    };
    let (verdict, effect) = match undo {
        Undo::Null => (Verdict::Done(rules::null_reply()), "null"),
        Undo::Reverse(original) => (work(tx, original).await?.check()?, "undone"),
    };
    let reply = verdict.reply().clone();
    match verdict {
        Verdict::Done(_) => {}
        Verdict::Refused(_) => {
            tx.back().await?;
            return Ok(replayed(call, reply));
        }
        Verdict::Accepted(_) => return Err(Broken::Verdict("a compensation cannot be accepted".to_owned())),
    }
    if faults.holds(Rule::Tombstone) {
        // Also over a rejection: a later attempt of the action, still on its way, must not be judged anew.
        rows::bury(tx, &place).await?;
        rows::drop_token(tx, &place).await?;
    }
    rows::judge(tx, call, Op::Compensate, &verdict).await?;
    rows::write_ledger(tx, &place, Op::Compensate, effect, made_by(call)).await?;
    tx.release().await?;
    faults.before_commit().await;
    Ok(decided(call, reply))
}

/// Accepting counts as *applied*; so a completed action needs no second entry, and a refusal here is its *undone*.
pub(super) async fn completion<W>(tx: &mut Tx, action: &Place, faults: &Faults, work: W) -> Result<Completion, Broken>
where
    W: for<'t> FnOnce(&'t mut Tx, Reply) -> Work<'t, Verdict>,
{
    // Waits for whoever is judging the action, and leaves nothing behind.
    tx.savepoint().await?;
    let free = rows::claim_tombstone(tx, action, NOBODY).await?;
    tx.back().await?;
    let found = if free { None } else { rows::find(tx, action, Op::Action).await? };
    let (accepted, made_by) = match found.map(|row| (row.state, row.made_by)) {
        None => return Ok(Completion::NeverAccepted),
        Some((State::Tombstone, _)) => return Ok(Completion::Compensated),
        Some((State::Done(reply) | State::Rejected(reply), _)) => return Ok(Completion::AlreadyCompleted(reply)),
        Some((State::Accepted(reply), made_by)) => (reply, made_by),
    };
    let verdict = work(tx, accepted).await?.check()?;
    if matches!(verdict, Verdict::Accepted(_)) {
        return Err(Broken::Verdict("an accepted action was accepted again".to_owned()));
    }
    rows::complete(tx, action, &verdict, made_by, faults.holds(Rule::FinalRefusal)).await?;
    faults.before_commit().await;
    if matches!(verdict, Verdict::Refused(_)) {
        rows::write_ledger(tx, action, Op::Action, "undone", made_by).await?;
    }
    Ok(Completion::Completed(verdict.reply().clone()))
}

/// Claims the action's place, which waits for whatever is being decided: *not applied* is never said about an action that is
/// about to commit. The caller commits nothing of it.
pub(super) async fn probe(tx: &mut Tx, action: &Place) -> Result<Reply, Broken> {
    let free = rows::claim_tombstone(tx, action, NOBODY).await?;
    let found = if free { None } else { rows::find(tx, action, Op::Action).await? };
    Ok(match found.map(|row| row.state) {
        Some(State::Done(reply) | State::Accepted(reply)) => reply,
        Some(State::Rejected(_) | State::Tombstone) | None => rules::not_applied(),
    })
}

/// Raises the fence to the call's epoch; whether it stood above.
async fn fenced(tx: &mut Tx, call: &Call, faults: &Faults) -> Result<bool, Broken> {
    let highest = rows::raise_fence(tx, call.headers().saga, call.headers().epoch).await?;
    Ok(highest > call.headers().epoch && faults.holds(Rule::Fence))
}

fn made_by(call: &Call) -> MadeBy {
    (call.headers().epoch, call.headers().attempt)
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
