//! The services: one with a barrier keeps the participant contract, a plain one does what HTTP services do. Each has a ledger.

use amends_core::{Answer, RefusedThere, Reply, ids::Op};

use crate::{
    findings::Code,
    model::{Key, Model, Undone, Unit},
    node::{Book, Flight, Node, Row},
    setup::{Broken, Contract},
    watch::{raise, violation},
};

/// What the business makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    /// It refuses.
    Unwilling,
    /// It does it later.
    Later,
}

/// A request arrives.
pub(crate) fn arrives(model: &Model<'_>, node: &mut Node, flight: Flight, mood: Mood) -> Reply {
    let Key { unit, op } = flight.key;
    let read = node.book(unit).read;
    let intended = if op == Op::Action { read.intended } else { read.undo_intended };
    if flight.attempt > intended {
        violation(model, Code::WriteAhead, Some(unit), "a request arrives that no journal intends");
    }
    let at = model.service_at(flight.key);
    let contract = model.services[at].contract;
    let fence = node.fences[at];
    if contract == Contract::Barrier && flight.epoch < fence && model.broken != Broken::NoFence {
        return fenced();
    }
    node.fences[at] = fence.max(flight.epoch);
    let status = match (contract, op) {
        (Contract::Barrier, Op::Action) => barrier_action(model, node, flight, mood),
        (Contract::Barrier, Op::Compensate) => barrier_undo(model, node, flight, mood),
        (_, Op::Action) => plain_action(model, node, flight, mood, contract),
        (_, Op::Compensate) => plain_undo(model, node, flight, mood, contract),
    };
    says(model, flight.key, status)
}

/// Two copies arrive at once. For whoever inserts first and looks then, that is one after the other.
pub(crate) fn arrives_twice_at_once(model: &Model<'_>, node: &mut Node, flight: Flight) -> Reply {
    let before = node.book(flight.key.unit);
    let reply = arrives(model, node, flight, Mood::Willing);
    let barrier = model.service(flight.key).contract == Contract::Barrier;
    if barrier && model.broken == Broken::ChecksThenActs {
        // The second has looked before the first acted.
        let after = node.book(flight.key.unit);
        if after.applied > before.applied {
            effect(model, node, flight);
        } else if after.undone > before.undone {
            undo(model, node, flight.key.unit);
        }
    } else {
        arrives(model, node, flight, Mood::Willing);
    }
    reply
}

pub(crate) fn fenced() -> Reply {
    let refused = Some(RefusedThere::StaleEpoch);
    Reply::Answered(Answer { status: 409, acked: true, refused, ..Answer::default() })
}

/// Whether the action was applied, by now.
pub(crate) fn asked(model: &Model<'_>, node: &Node, key: Key) -> Reply {
    let book = node.book(key.unit);
    let status = match book.row {
        Row::Accepted => 202,
        Row::Done if model.service(key).contract == Contract::Barrier => 200,
        _ if model.service(key).contract == Contract::Barrier => 404,
        _ if book.applied > book.undone => 200,
        _ => 404,
    };
    says(model, key, status)
}

/// Finishes what was accepted. `false`: its compensation was there before.
pub(crate) fn finish(model: &Model<'_>, node: &mut Node, unit: Unit, good: bool) -> bool {
    if node.book(unit).row != Row::Accepted {
        return false;
    }
    if good {
        let key = Key { unit, op: Op::Action };
        let epoch = node.fences[model.service_at(key)];
        node.book_mut(unit).row = Row::Done;
        effect(model, node, Flight { key, attempt: 0, epoch, blind: false });
    } else {
        node.book_mut(unit).row = Row::Rejected { epoch: u64::MAX, attempt: u32::MAX };
    }
    true
}

fn says(model: &Model<'_>, key: Key, status: u16) -> Reply {
    let acked = model.service(key).contract == Contract::Barrier;
    let body =
        if (200..300).contains(&status) && key.op == Op::Action { model.step(key.unit).body.clone() } else { vec![] };
    Reply::Answered(Answer { status, acked, body, ..Answer::default() })
}

// ---- with a barrier --------------------------------------------------------------------------------------------------

fn barrier_action(model: &Model<'_>, node: &mut Node, flight: Flight, mood: Mood) -> u16 {
    let unit = flight.key.unit;
    let no = model.step(unit).no.unwrap_or(409);
    match node.book(unit).row {
        Row::Tombstone => return no,
        Row::Accepted => return 202,
        Row::Done if model.broken != Broken::NoIdempotency => return 200,
        Row::Rejected { epoch, attempt }
            if (flight.epoch, flight.attempt) <= (epoch, attempt) && model.broken != Broken::RefusalsNotStored =>
        {
            return no;
        }
        Row::Done | Row::Rejected { .. } | Row::None => {}
    }
    let book = node.book_mut(unit);
    match mood {
        Mood::Unwilling => {
            book.row = Row::Rejected { epoch: flight.epoch, attempt: flight.attempt };
            no
        }
        Mood::Later => {
            book.row = Row::Accepted;
            202
        }
        Mood::Willing => {
            book.row = Row::Done;
            effect(model, node, flight);
            200
        }
    }
}

fn barrier_undo(model: &Model<'_>, node: &mut Node, flight: Flight, mood: Mood) -> u16 {
    let unit = flight.key.unit;
    let step = model.step(unit);
    let book = node.book(unit);
    if book.undo_stored {
        return 200;
    }
    if mood == Mood::Unwilling {
        // A refused compensation stores nothing.
        return step.undo_no.unwrap_or(409);
    }
    let elsewhere = step.undo_at != Some(step.action_at);
    if elsewhere && book.applied > book.undone {
        let message = format!(
            "the undo of `{}` goes to another service, whose barrier knows no action and undoes nothing",
            step.name
        );
        raise(model, Code::UndoElsewhere, Some(&step.name), message);
        node.book_mut(unit).blamed = true;
    }
    let book = node.book_mut(unit);
    (book.undo_stored, book.undo_came) = (true, true);
    if elsewhere {
        return 200;
    }
    let done = book.row == Row::Done;
    if model.broken != Broken::NoTombstones {
        book.row = Row::Tombstone;
    }
    if done {
        undo(model, node, unit);
    }
    200
}

// ---- without ---------------------------------------------------------------------------------------------------------

fn plain_action(model: &Model<'_>, node: &mut Node, flight: Flight, mood: Mood, contract: Contract) -> u16 {
    let unit = flight.key.unit;
    let step = model.step(unit);
    let book = node.book(unit);
    let knows_key = contract == Contract::Plain && !step.once;
    let standing = step.repeats.0 && book.applied > book.undone;
    match book.row {
        Row::Done if knows_key || standing => return 200,
        Row::Accepted => return 202,
        // It was cancelled before it was finished.
        Row::Tombstone => return step.no.unwrap_or(409),
        _ => {}
    }
    match mood {
        // It keeps no refusal: a copy is judged anew.
        Mood::Unwilling => step.no.unwrap_or(409),
        Mood::Later => {
            node.book_mut(unit).row = Row::Accepted;
            202
        }
        Mood::Willing => {
            node.book_mut(unit).row = Row::Done;
            effect(model, node, flight);
            200
        }
    }
}

fn plain_undo(model: &Model<'_>, node: &mut Node, flight: Flight, mood: Mood, contract: Contract) -> u16 {
    const UNKNOWN_THERE: u16 = 404;
    let unit = flight.key.unit;
    let step = model.step(unit);
    if node.book(unit).undo_stored && contract == Contract::Plain {
        return 200;
    }
    if mood == Mood::Unwilling {
        return step.undo_no.unwrap_or(409);
    }
    let book = node.book_mut(unit);
    book.undo_came = true;
    let owed = book.applied > book.undone;
    if book.row == Row::Accepted {
        (book.row, book.undo_stored) = (Row::Tombstone, true);
        return 200;
    }
    if flight.blind && owed {
        // It cannot tell what is meant.
        book.blamed = true;
        let message =
            format!("after a lost reply the undo of `{}` does not know what to undo: what was done stays", step.name);
        raise(model, Code::UndoNeedsReply, Some(&step.name), message);
        return UNKNOWN_THERE;
    }
    let again = contract == Contract::Unkeyed && !step.repeats.1 && book.applied > 0;
    if owed || again {
        book.undo_stored = true;
        undo(model, node, unit);
        return 200;
    }
    // A step that only reads leaves nothing; otherwise it knows nothing of it, and says so.
    if step.effect {
        book.nothing_refused = true;
        return UNKNOWN_THERE;
    }
    200
}

// ---- the ledger ------------------------------------------------------------------------------------------------------

/// The action's effect happens.
fn effect(model: &Model<'_>, node: &mut Node, flight: Flight) {
    let unit = flight.key.unit;
    let step = model.step(unit);
    if !step.effect {
        return;
    }
    let contract = model.service(flight.key).contract;
    let stale = flight.epoch < node.fences[model.service_at(flight.key)];
    let book = node.book_mut(unit);
    book.applied = book.applied.saturating_add(1);
    let (again, after_undo) = (book.applied > 1, book.undo_came);
    let elsewhere = step.undo == Undone::ByCall && step.undo_at != Some(step.action_at);
    let words = || model.words(unit);
    match contract {
        Contract::Barrier => {
            if stale {
                violation(
                    model,
                    Code::Epochs,
                    Some(unit),
                    "an effect carries an epoch below the highest its service has seen",
                );
            }
            if after_undo && elsewhere {
                node.book_mut(unit).blamed = true;
                let message = format!(
                    "`{}` arrives after its undo, which went to another service and left no tombstone",
                    words()
                );
                raise(model, Code::UndoElsewhere, Some(&step.name), message);
            } else if after_undo {
                violation(model, Code::Barrier, Some(unit), &format!("{} is applied after its undo", words()));
            } else if again {
                violation(model, Code::Barrier, Some(unit), &format!("{} is applied twice", words()));
            }
        }
        Contract::Plain | Contract::Unkeyed => {
            let given_up = node.watch.undoing && !node.book(unit).read.open;
            let book = node.book_mut(unit);
            let read = book.read;
            if after_undo {
                book.blamed = true;
                let message = format!("a request of `{}` that arrives after its undo is done, and stays", step.name);
                raise(model, Code::AppliedAfterUndo, Some(&step.name), message);
            } else if read.intended > 0 && !read.open && !read.may && !read.accepted {
                book.blamed = true;
                let message =
                    format!("a copy of a request of `{}` that was refused arrives later, and is done", step.name);
                raise(model, Code::DoneThoughRefused, Some(&step.name), message);
            } else if given_up && step.undo == Undone::Never {
                book.blamed = true;
                let message = format!(
                    "a request of `{}` that arrives after it was found not to be applied is done, and stays",
                    step.name
                );
                raise(model, Code::AppliedAfterUndo, Some(&step.name), message);
            } else if again {
                book.blamed = true;
                let message = format!("`{}` is done twice", step.name);
                raise(model, Code::AppliedTwice, Some(&step.name), message);
            }
        }
    }
}

/// Its undo's effect happens.
fn undo(model: &Model<'_>, node: &mut Node, unit: Unit) {
    let step = model.step(unit);
    if !step.effect {
        return;
    }
    let key = Key { unit, op: Op::Compensate };
    let contract = model.service(key).contract;
    let Book { applied, undone, .. } = {
        let book = node.book_mut(unit);
        book.undone = book.undone.saturating_add(1);
        *book
    };
    if undone > 1 || undone > applied {
        match contract {
            Contract::Barrier => {
                violation(model, Code::Barrier, Some(unit), &format!("{} is undone twice", model.words(unit)));
            }
            Contract::Plain | Contract::Unkeyed => {
                node.book_mut(unit).blamed = true;
                raise(model, Code::UndoneTwice, Some(&step.name), format!("`{}` is undone twice", step.name));
            }
        }
    }
}
