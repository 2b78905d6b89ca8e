//! Makes a choice happen: to the wire, to the services, to the orchestrator.

use std::time::Duration;

use amends_core::{
    Answer, Callback, CanSignal, Input, LockPlace, Reply, Said, Signal, begin_with, can_signal, event::Recorded,
    faults::Moment, ids::Op, state::State, time::Time,
};

use crate::{
    choices::{Asked, Choice, Crash, Gone},
    feed::feed,
    findings::Code,
    given,
    look::{Look, settle},
    model::{Key, Model, START},
    node::{Arrives, Before, Fate, Flight, Kept, Node, Used, Watch},
    played,
    setup::{Broken, Contract},
    story::Line,
    watch::{self, violation},
    world::{self, Mood, arrives},
};

/// From the death of a process to its successor, on the same machine.
const TAKEN_OVER_AFTER: Duration = Duration::from_millis(100);

/// A saga has just been started, durably.
pub(crate) fn start(model: &Model<'_>, budget: u8) -> Node {
    let (state, decision) = begin_with(&model.decides, model.saga, model.begin.clone(), START);
    // Who dies before the saga is there has acknowledged nothing: whoever starts it starts it again.
    if given::dies(model, &[Moment::Intent], (model.saga, &*state.started), None, &decision.events) {
        model.tell(|| Line::note(START, "the process dies before the saga is there; it is started again".to_owned()));
    }
    born(model, state, &decision.events, START, budget)
}

/// A saga with its first events.
pub(crate) fn born(model: &Model<'_>, state: State, events: &[Recorded], now: Time, budget: u8) -> Node {
    let mut node = Node {
        state,
        now,
        units: Vec::new(),
        wire: Vec::new(),
        late: Vec::new(),
        outages: Vec::new(),
        fences: vec![0; model.services.len()],
        watch: Watch {
            seq: 0,
            epoch: 1,
            at: now,
            undoing: false,
            ended: false,
            succeeded: false,
            pivot_intended: false,
            pivot_settled: false,
            signals: 0,
            done: Default::default(),
        },
        look: Look::default(),
        adopted_at: None,
        budget,
        used: Used::default(),
        ran: Vec::new(),
        kids: Vec::new(),
        before: None,
    };
    for recorded in events {
        watch::see(model, &mut node, recorded);
        model.write(now, node.state.saga, recorded);
    }
    settle(model, &mut node);
    node
}

pub(crate) fn apply(model: &Model<'_>, node: &mut Node, choice: Choice) {
    match choice {
        Choice::TakeLock => lock(model, node, true),
        Choice::QueueForLock => {
            lock(model, node, false);
            node.now = node.now + Duration::from_secs(1);
        }
        Choice::Send => send(model, node),
        Choice::Deliver(key, fate) => deliver(model, node, key, fate),
        Choice::Given(key, later) => played::call(model, node, key, later),
        Choice::GivenProbe(key) => played::probe(model, node, key),
        Choice::Late(nth) => late(model, node, usize::from(nth)),
        Choice::CallBack(key, good) => {
            world::finish(model, node, key.unit, good);
            call_back(model, node, key, good);
        }
        Choice::CallBackTwice(key) => {
            world::finish(model, node, key.unit, true);
            call_back(model, node, key, true);
            call_back(model, node, key, true);
        }
        Choice::Probe(key, asked) => probe(model, node, key, asked),
        Choice::Signal(nth) => {
            let (name, payload) = &model.signals[usize::from(nth)];
            model.tell(|| Line::client(node.now, format!("signal {name}")));
            let signal = Signal { name: name.clone(), key: None, payload: payload.clone() };
            let acknowledged = can_signal(&model.decides, &node.state, &signal) == CanSignal::Yes;
            let before = node.watch.signals;
            // Who dies before it is written has acknowledged nothing.
            let acknowledged = feed(model, node, Input::Signalled(signal)) && acknowledged;
            node.used.signals = node.used.signals.saturating_add(u8::from(acknowledged));
            if acknowledged && node.watch.signals == before {
                violation(model, Code::Durable, None, "a signal that was acknowledged is not in the journal");
            }
        }
        Choice::Wake => {
            let at = node.look.wake.unwrap_or(node.now);
            wait_until(model, node, at);
        }
        Choice::Silence => {
            node.used.silence = true;
            let at = node.look.wake.unwrap_or(node.now);
            model.tell(|| Line::note(node.now, "nobody says anything".to_owned()));
            wait_until(model, node, at);
        }
        Choice::Deadline => {
            node.used.deadline = true;
            let at = node.state.started.deadline_at.unwrap_or(node.now);
            model.tell(|| Line::note(node.now, "everything takes so long that the deadline passes".to_owned()));
            wait_until(model, node, at);
        }
        Choice::Cancel => {
            model.tell(|| Line::client(node.now, "cancel".to_owned()));
            feed(model, node, Input::CancelRequested { reason: None });
        }
        Choice::HandOver => {
            model.tell(|| Line::note(node.now, "the process lets go, and another one goes on".to_owned()));
            feed(model, node, Input::Released);
            adopt(model, node);
        }
        Choice::Crash(crash) => crashes(model, node, crash),
    }
    settle(model, node);
}

fn lock(model: &Model<'_>, node: &mut Node, held: bool) {
    let Some(lock) = node.state.next_lock().cloned() else { return };
    feed(model, node, Input::LocksAnswered(vec![LockPlace { lock, arrived_at: START, held }]));
}

fn send(model: &Model<'_>, node: &mut Node) {
    for (key, attempt) in std::mem::take(&mut node.look.unsent) {
        let blind = model.is_blind(&node.state, key);
        node.wire.push(Flight { key, attempt, epoch: node.state.epoch, blind });
    }
}

fn deliver(model: &Model<'_>, node: &mut Node, key: Key, fate: Fate) {
    let Some(at) = node.wire.iter().position(|flight| flight.key == key) else { return };
    let flight = node.wire.remove(at);
    model.tell(|| Line::request(node.now, model, flight));
    if fate.lasts() && node.outage(key).is_none() {
        node.outages.push((key, fate));
    }
    let lost = || Reply::Lost { reason: "no answer".to_owned() };
    let keep = |node: &mut Node| node.late.push(Kept { flight, arrives: Arrives::AtAnyTime });
    let reply = match fate {
        Fate::Done => {
            node.outages.retain(|(known, _)| *known != key);
            arrives(model, node, flight, Mood::Willing)
        }
        Fate::Accepted => arrives(model, node, flight, Mood::Later),
        Fate::Refused => arrives(model, node, flight, Mood::Unwilling),
        Fate::RefusedKept => {
            keep(node);
            arrives(model, node, flight, Mood::Unwilling)
        }
        Fate::NotSent | Fate::Down => Reply::NotSent { reason: "connection refused".to_owned() },
        Fate::Lost | Fate::Silent => lost(),
        Fate::Late => {
            keep(node);
            lost()
        }
        Fate::ReplyLost | Fate::Mute => {
            arrives(model, node, flight, Mood::Willing);
            lost()
        }
        Fate::Doubled => {
            keep(node);
            world::arrives_twice_at_once(model, node, flight)
        }
        Fate::Useless => match arrives(model, node, flight, Mood::Willing) {
            Reply::Answered(answer) if (200..300).contains(&answer.status) => {
                Reply::Answered(Answer { body: b"<html>".to_vec(), ..answer })
            }
            other => other,
        },
        Fate::CalledBackFirst => {
            let reply = arrives(model, node, flight, Mood::Later);
            world::finish(model, node, key.unit, true);
            call_back(model, node, key, true);
            reply
        }
        Fate::AcceptedUnheard => {
            arrives(model, node, flight, Mood::Later);
            lost()
        }
        Fate::Fenced => world::fenced(),
    };
    if matches!(reply, Reply::Lost { .. }) {
        pass(model, node, node.now + model.timeout(key));
    }
    model.tell(|| Line::reply(node.now, model, flight, fate, &reply));
    let reply = match reply {
        Reply::Lost { reason } if model.broken == Broken::TimeoutMeansNotSent => Reply::NotSent { reason },
        reply => reply,
    };
    call_ended(model, node, flight, reply);
}

/// An attempt that is not on the wire any more has come to this.
pub(crate) fn call_ended(model: &Model<'_>, node: &mut Node, flight: Flight, reply: Reply) {
    let Flight { key, attempt, .. } = flight;
    if key.op == Op::Compensate && matches!(reply, Reply::Answered(_)) {
        let waits = |kept: &Kept| kept.arrives == Arrives::OnceUndone && kept.flight.key.unit == key.unit;
        while let Some(nth) = node.late.iter().position(waits) {
            late(model, node, nth);
        }
    }
    let (call, terms) = (model.call_id(key), model.service(key).terms.clone());
    feed(model, node, Input::Answered { call, attempt, reply, terms });
}

fn late(model: &Model<'_>, node: &mut Node, nth: usize) {
    if nth >= node.late.len() {
        return;
    }
    let Kept { flight, arrives: when } = node.late.remove(nth);
    if let Arrives::At(at) = when {
        node.now = node.now.max(at);
    }
    model.tell(|| Line::late(node.now, model, flight));
    let before = node.book(flight.key.unit);
    arrives(model, node, flight, Mood::Willing);
    let after = node.book(flight.key.unit);
    let plain = model.service(flight.key).contract != Contract::Barrier;
    if plain && matches!(when, Arrives::Before(_)) && after.applied > before.applied && before.undo_came {
        let message = "it was undone before what the dead process sent had its time";
        violation(model, Code::Order, Some(flight.key.unit), message);
    }
}

/// Time passes, and what must have arrived by then has.
pub(crate) fn pass(model: &Model<'_>, node: &mut Node, until: Time) {
    loop {
        let due =
            node.late.iter().enumerate().filter_map(|(nth, kept)| Some((kept.by().filter(|at| *at <= until)?, nth)));
        let Some((_, nth)) = due.min() else { break };
        late(model, node, nth);
    }
    node.now = node.now.max(until);
}

fn wait_until(model: &Model<'_>, node: &mut Node, at: Time) {
    pass(model, node, at);
    feed(model, node, Input::TimePassed);
}

fn call_back(model: &Model<'_>, node: &mut Node, key: Key, good: bool) {
    model.tell(|| Line::callback(node.now, model, key, good));
    let body = || serde_json::from_slice(&model.step(key.unit).body).unwrap_or_default();
    let said = if good {
        Said::Succeeded { body: std::sync::Arc::new(body()) }
    } else {
        Said::Rejected { reason: "in the end".to_owned() }
    };
    let callback = Callback { call: model.call_id(key), said };
    feed(model, node, Input::CalledBack { callback, terms: model.service(key).terms.clone() });
}

fn probe(model: &Model<'_>, node: &mut Node, key: Key, asked: Asked) {
    let Some((_, attempt)) = node.look.probes.iter().find(|(known, _)| *known == key).copied() else { return };
    if asked == Asked::Silent {
        let call = model.call_id(key);
        // Until a person was asked, or the step is over: with every probe the same.
        const MOST: usize = 64;
        for _ in 0..MOST {
            unanswered(model, node, key, attempt);
            settle(model, node);
            let Some(at) = node.look.wake.filter(|_| node.look.probes.is_empty()) else { break };
            if node.state.attention.contains_key(&call) || node.state.call(&call).is_none() {
                break;
            }
            pass(model, node, at);
            feed(model, node, Input::TimePassed);
            settle(model, node);
            if !node.look.probes.iter().any(|(known, _)| *known == key) {
                break;
            }
        }
        return;
    }
    if asked == Asked::Unanswered {
        return unanswered(model, node, key, attempt);
    }
    // Who accepted it has done it by now.
    world::finish(model, node, key.unit, true);
    let reply = world::asked(model, node, key);
    model.tell(|| Line::probe(node.now, model, key, Some(&reply)));
    let (call, terms, asked_at) = (model.call_id(key), model.service(key).terms.clone(), node.now);
    feed(model, node, Input::Probed { call, attempt, asked_at, reply, terms });
}

pub(crate) fn unanswered(model: &Model<'_>, node: &mut Node, key: Key, attempt: u32) {
    model.tell(|| Line::probe(node.now, model, key, None));
    let asked_at = node.now;
    pass(model, node, node.now + model.timeout(key));
    let reply = Reply::Lost { reason: "no answer".to_owned() };
    let (call, terms) = (model.call_id(key), model.service(key).terms.clone());
    feed(model, node, Input::Probed { call, attempt, asked_at, reply, terms });
}

pub(crate) fn crashes(model: &Model<'_>, node: &mut Node, crash: Crash) {
    let told = if crash.asleep { "the process falls asleep, and another one takes over" } else { "the process dies" };
    model.tell(|| Line::note(node.now, told.to_owned()));
    if let Some(before) = node.before.take().filter(|_| model.broken == Broken::SendsBeforeWriting) {
        lose_last_commit(node, *before);
    }
    let unsent = std::mem::take(&mut node.look.unsent);
    for (nth, flight) in std::mem::take(&mut node.wire).into_iter().enumerate() {
        match crash.of(nth) {
            Gone::Done => {
                model.tell(|| Line::request(node.now, model, flight));
                arrives(model, node, flight, Mood::Willing);
            }
            Gone::Lost => {}
            Gone::Late => {
                let until = node.now + model.timeout(flight.key);
                node.late.push(Kept { flight, arrives: Arrives::Before(until) });
            }
        }
    }
    if crash.asleep {
        // It wakes up behind its last look at the lease.
        let epoch = node.state.epoch;
        let sent = unsent.into_iter().filter(|(key, _)| key.op == Op::Action || model.step(key.unit).undo_at.is_some());
        node.late.extend(sent.map(|(key, attempt)| Kept {
            flight: Flight { key, attempt, epoch, blind: false },
            arrives: Arrives::AtAnyTime,
        }));
    }
    node.now = node.now + TAKEN_OVER_AFTER;
    adopt(model, node);
}

/// What it did since is written nowhere.
fn lose_last_commit(node: &mut Node, Before { state, watch, units }: Before) {
    (node.state, node.watch) = (state, watch);
    for (unit, book) in &mut node.units {
        book.read = units.iter().find(|(known, _)| known == unit).map(|(_, book)| book.read).unwrap_or_default();
    }
}

fn adopt(model: &Model<'_>, node: &mut Node) {
    node.adopted_at = Some(node.now);
    node.ran.clear();
    feed(model, node, Input::Adopted { epoch: node.state.epoch + 1 });
}
