//! What befalls an attempt that a plan has picked: the same as at the door of a server, to the model of its service.
//!
//! **It must never know** why this attempt was picked.

use amends_core::{
    Answer, Input, Reply,
    faults::{Again, Fault, Point},
    ids::Op,
};

use crate::{
    apply::{call_ended, crashes, pass, unanswered},
    choices::{Crash, Gone},
    findings::Code,
    given,
    model::{Key, Model},
    node::{Arrives, Flight, Kept, Node, Row},
    setup::Contract,
    story::Line,
    watch::raise,
    world::{self, Mood, arrives},
};

/// `later`: its service accepts it, and has its verdict later.
pub(crate) fn call(model: &Model<'_>, node: &mut Node, key: Key, later: bool) {
    let Some(at) = node.wire.iter().position(|flight| flight.key == key) else { return };
    let flight = node.wire[at];
    let number = given::of_flight(model, node, flight);
    let Some(fault) = number.and_then(|number| given::take(model, node, number)) else { return };
    if let Fault::Abort(point) = fault {
        let gone = if point == Point::AfterSend { Gone::Done } else { Gone::Lost };
        return crashes(model, node, Crash::of_one(at, gone));
    }
    node.wire.remove(at);
    model.tell(|| Line::request(node.now, model, flight));
    let before = node.book(key.unit);
    let reply = befalls(model, node, flight, fault, if later { Mood::Later } else { Mood::Willing });
    if matches!(reply, Reply::Lost { .. }) {
        pass(model, node, node.now + model.timeout(key));
    }
    model.tell(|| Line::planned_reply(node.now, model, flight, &reply));
    let now = node.book(key.unit);
    let done = now.applied > before.applied || (now.row == Row::Accepted && before.row != Row::Accepted);
    call_ended(model, node, flight, reply);
    believed(model, node, key, done);
}

fn befalls(model: &Model<'_>, node: &mut Node, flight: Flight, fault: Fault, mood: Mood) -> Reply {
    let lost = || Reply::Lost { reason: "no answer".to_owned() };
    match fault {
        Fault::Delay(delay) if delay < model.timeout(flight.key) => {
            pass(model, node, node.now + delay);
            arrives(model, node, flight, mood)
        }
        Fault::Delay(delay) => {
            node.late.push(Kept { flight, arrives: Arrives::At(node.now + delay) });
            lost()
        }
        Fault::Refuse => Reply::NotSent { reason: "connection refused".to_owned() },
        Fault::LoseRequest => lost(),
        // The service itself says no, unless it has done it before.
        Fault::Reject(status) => match arrives(model, node, flight, Mood::Unwilling) {
            Reply::Answered(answer) if answer.refused.is_none() && (400..500).contains(&answer.status) => {
                Reply::Answered(Answer { status, ..answer })
            }
            other => other,
        },
        Fault::Fail(status) => foreign(status),
        Fault::LoseReply | Fault::Cut => {
            arrives(model, node, flight, mood);
            lost()
        }
        Fault::Status(status) => {
            arrives(model, node, flight, mood);
            foreign(status)
        }
        Fault::Body(body) => match arrives(model, node, flight, mood) {
            Reply::Answered(answer) => Reply::Answered(Answer { body: bytes(body), ..answer }),
            other => other,
        },
        Fault::Duplicate(times) => {
            let reply = world::arrives_twice_at_once(model, node, flight);
            for _ in 1..times {
                arrives(model, node, flight, Mood::Willing);
            }
            reply
        }
        Fault::Replay(again) => {
            let reply = arrives(model, node, flight, mood);
            let arrives = match again {
                Again::After(after) => Arrives::At(node.now + after),
                Again::AfterCompensation => Arrives::OnceUndone,
            };
            node.late.push(Kept { flight, arrives });
            reply
        }
        Fault::Abort(_) => unreachable!("invariant: a death is no answer"),
    }
}

fn bytes(body: serde_json::Value) -> Vec<u8> {
    match body {
        serde_json::Value::String(text) => text.into_bytes(),
        json => json.to_string().into_bytes(),
    }
}

/// Somebody in between answers.
fn foreign(status: u16) -> Reply {
    Reply::Answered(Answer { status, acked: false, ..Answer::default() })
}

/// Where the status alone decides, the saga believes whoever is in between. Then neither the saga nor the service is to blame for
/// what is left.
fn believed(model: &Model<'_>, node: &mut Node, key: Key, done: bool) {
    let (book, name) = (node.book(key.unit), model.name(key.unit));
    let read = book.read;
    let message = match key.op {
        _ if acks(model, key) => return,
        Op::Action if done && !read.open && !read.may && !read.accepted && !read.succeeded => {
            format!("`{name}` is done, and somebody in between says that it was refused")
        }
        Op::Compensate if read.undone && book.applied > book.undone => {
            format!("`{name}` is not undone, and somebody in between says that it was")
        }
        Op::Action | Op::Compensate => return,
    };
    node.book_mut(key.unit).blamed = true;
    raise(model, Code::DoneThoughRefused, Some(name), message);
}

pub(crate) fn probe(model: &Model<'_>, node: &mut Node, key: Key) {
    let Some((_, attempt)) = node.look.probes.iter().find(|(known, _)| *known == key).copied() else { return };
    let number = given::of_probe(model, node, key);
    let Some(fault) = number.and_then(|number| given::take(model, node, number)) else { return };
    let reply = match fault {
        Fault::Abort(_) => return crashes(model, node, Crash::alike(Gone::Done)),
        Fault::Delay(delay) if delay < model.timeout(key) => {
            pass(model, node, node.now + delay);
            told(model, node, key)
        }
        Fault::Delay(_) | Fault::LoseRequest | Fault::LoseReply | Fault::Cut => {
            return unanswered(model, node, key, attempt);
        }
        Fault::Refuse => Reply::NotSent { reason: "connection refused".to_owned() },
        Fault::Reject(status) | Fault::Fail(status) | Fault::Status(status) => {
            let book = node.book(key.unit);
            if status == NOT_APPLIED && book.applied > book.undone && !acks(model, key) {
                node.book_mut(key.unit).blamed = true;
                let name = model.name(key.unit);
                let message = format!("`{name}` is done, and somebody in between says that it was not applied");
                raise(model, Code::DoneThoughRefused, Some(name), message);
            }
            foreign(status)
        }
        Fault::Body(body) => match told(model, node, key) {
            Reply::Answered(answer) => Reply::Answered(Answer { body: bytes(body), ..answer }),
            other => other,
        },
        // Asking changes nothing, however often.
        Fault::Duplicate(_) | Fault::Replay(_) => told(model, node, key),
    };
    model.tell(|| Line::probe(node.now, model, key, Some(&reply)));
    let (call, terms, asked_at) = (model.call_id(key), model.service(key).terms.clone(), node.now);
    crate::feed::feed(model, node, Input::Probed { call, attempt, asked_at, reply, terms });
}

/// What a participant says of an action that it does not know.
const NOT_APPLIED: u16 = 404;

/// An answer of somebody in between is told from the service's own.
fn acks(model: &Model<'_>, key: Key) -> bool {
    model.service(key).contract == Contract::Barrier
}

/// Who accepted it has done it by now.
fn told(model: &Model<'_>, node: &mut Node, key: Key) -> Reply {
    world::finish(model, node, key.unit, true);
    world::asked(model, node, key)
}
