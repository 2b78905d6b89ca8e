//! What may happen next, and how many faults it is. The first choice is what happens in fine weather.
//!
//! Not every order of things is a choice: a request that the network has kept matters only to its own step, so it arrives before
//! another request of that step does, or at the very end. All that is due is sent at once; answers come in every order.

use amends_core::{
    CanCancel, CanSignal, Signal, can_cancel, can_signal,
    definition::Side,
    ids::Op,
    state::{Phase, Waiting},
    summary::Status,
};

use crate::{
    budget::{FATES_EACH, HEALS_AFTER},
    coverage, given,
    model::{Key, Model},
    node::{Fate, Flight, Node, Row},
    setup::Contract,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    TakeLock,
    /// Others come before it, for a while.
    QueueForLock,
    /// All that is due is sent.
    Send,
    Deliver(Key, Fate),
    /// As a plan says; or its service accepts it first, and has its verdict later.
    Given(Key, bool),
    GivenProbe(Key),
    /// What the network has kept arrives.
    Late(u8),
    /// A service finishes what it accepted, well or not, and calls back.
    CallBack(Key, bool),
    CallBackTwice(Key),
    Probe(Key, Asked),
    /// This signal comes.
    Signal(u8),
    /// Time passes until something is due.
    Wake,
    /// Whoever is waited for says nothing until it is too late.
    Silence,
    /// Time passes until the deadline.
    Deadline,
    Cancel,
    /// The process lets go in good order, and another one goes on.
    HandOver,
    Crash(Crash),
}

/// What becomes of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Told,
    Unanswered,
    /// No probe is answered until somebody was asked to look.
    Silent,
}

/// What becomes of each request on the wire when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    /// Two bits for each.
    each: u16,
    /// It was only asleep: what it was about to send is sent when another one has taken over.
    pub(crate) asleep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Done,
    Lost,
    Late,
}

impl Crash {
    const ALL: [Gone; 3] = [Gone::Done, Gone::Lost, Gone::Late];

    /// All requests on the wire end alike.
    pub(crate) fn alike(gone: Gone) -> Self {
        let way = Self::ALL.iter().position(|known| *known == gone).unwrap_or_default() as u16;
        Self { each: (0..8).fold(0, |each, nth| each | way << (2 * nth)), asleep: false }
    }

    /// So ends this request; the others arrive, and nobody hears of it.
    pub(crate) fn of_one(nth: usize, gone: Gone) -> Self {
        let way = Self::ALL.iter().position(|known| *known == gone).unwrap_or_default() as u16;
        Self { each: way << (2 * nth.min(7)), asleep: false }
    }

    pub(crate) fn of(self, nth: usize) -> Gone {
        Self::ALL[usize::from(self.each >> (2 * nth.min(7)) & 3).min(2)]
    }

    /// Every way in which so many requests can end, up to a few; beyond, all the same.
    fn ways(count: usize) -> Vec<Self> {
        let alike = |way: u16| (0..8).fold(0, |each, nth| each | way << (2 * nth));
        let each = match count {
            0 => vec![0],
            _ if count > FATES_EACH => (0..3).map(alike).collect(),
            _ => {
                let mut all = vec![0_u16];
                for nth in 0..count {
                    all = all.iter().flat_map(|before| (0..3).map(move |way| before | way << (2 * nth))).collect();
                }
                all
            }
        };
        each.into_iter().map(|each| Self { each, asleep: false }).collect()
    }
}

/// All that may happen at this moment, with its cost in faults. None: the run has ended.
pub(crate) fn choices(model: &Model<'_>, node: &Node) -> Vec<(Choice, u8)> {
    let mut choices = Vec::with_capacity(if node.budget > 0 { 24 } else { 2 });
    benign(model, node, &mut choices);
    if node.budget > 0 && !node.look.ended {
        faults(model, node, &mut choices);
    }
    choices
}

fn benign(model: &Model<'_>, node: &Node, choices: &mut Vec<(Choice, u8)>) {
    let look = &node.look;
    if look.ended {
        choices.extend(last(node));
        return;
    }
    if look.lock {
        choices.push((Choice::TakeLock, 0));
    } else if !look.unsent.is_empty() {
        choices.push((Choice::Send, 0));
    } else if !node.wire.is_empty() {
        wire(model, node, choices);
    } else {
        quiet(model, node, choices);
    }
}

/// What was kept arrives, when nothing else happens.
fn last(node: &Node) -> Option<(Choice, u8)> {
    node.last_to_arrive().map(|nth| (Choice::Late(u8::try_from(nth).unwrap_or(u8::MAX)), 0))
}

/// What is on the wire is answered.
pub(crate) fn wire(model: &Model<'_>, node: &Node, choices: &mut Vec<(Choice, u8)>) {
    for flight in &node.wire {
        answers(model, node, *flight, choices);
    }
    for (nth, kept) in node.late.iter().enumerate() {
        if kept.may_arrive() && node.wire.iter().any(|flight| flight.key.unit == kept.flight.key.unit) {
            choices.push((Choice::Late(u8::try_from(nth).unwrap_or(u8::MAX)), 0));
        }
    }
}

/// How an attempt is answered in fine weather, or as its outage says.
fn answers(model: &Model<'_>, node: &Node, flight: Flight, choices: &mut Vec<(Choice, u8)>) {
    let key = flight.key;
    let later = key.op == Op::Action && model.step(key.unit).later && node.book(key.unit).row == Row::None;
    if given::of_flight(model, node, flight).is_some() {
        choices.push((Choice::Given(key, false), 0));
        choices.extend(later.then_some((Choice::Given(key, true), 0)));
        return;
    }
    if let Some(fate) = node.outage(key).filter(|_| !healed(model, node, flight)) {
        choices.push((Choice::Deliver(key, fate), 0));
        return;
    }
    choices.push((Choice::Deliver(key, Fate::Done), 0));
    if later {
        choices.push((Choice::Deliver(key, Fate::Accepted), 0));
    }
}

/// An outage ends when a person was asked to look; one that nobody is ever asked about after a while.
pub(crate) fn healed(model: &Model<'_>, node: &Node, flight: Flight) -> bool {
    let asked = node.state.attention.contains_key(&model.call_id(flight.key));
    match model.attempts(flight.key) {
        _ if asked => true,
        Some(most) if flight.key.op == Op::Action && model.step(flight.key.unit).side == Side::Before => {
            flight.attempt > most.max(HEALS_AFTER * 4)
        }
        Some(most) => flight.attempt > most.saturating_add(1),
        None => flight.attempt > HEALS_AFTER,
    }
}

/// Nothing is under way: whoever is waited for comes, or time passes.
fn quiet(model: &Model<'_>, node: &Node, choices: &mut Vec<(Choice, u8)>) {
    comes(model, node, choices);
    if node.look.wake.is_some() && (choices.is_empty() || !is_silence(node)) {
        choices.push((Choice::Wake, 0));
    }
    if choices.is_empty() {
        choices.extend(last(node));
    }
}

/// Whoever is waited for comes.
pub(crate) fn comes(model: &Model<'_>, node: &Node, choices: &mut Vec<(Choice, u8)>) {
    let look = &node.look;
    for (call, under_way) in node.state.calls() {
        if matches!(under_way.phase, Phase::Accepted { .. }) {
            choices.push((Choice::CallBack(model.key(&call), true), 0));
        }
    }
    for (key, _) in &look.probes {
        let given = given::of_probe(model, node, *key).is_some();
        choices.push((if given { Choice::GivenProbe(*key) } else { Choice::Probe(*key, Asked::Told) }, 0));
    }
    for (nth, (name, _)) in model.signals.iter().enumerate() {
        let waits = |waiting: &Waiting| matches!(waiting, Waiting::Signal { signal, .. } if signal == name);
        // Each is needed once by each step at most.
        if usize::from(node.used.signals) <= model.truth.steps.len()
            && node.state.waits().any(|(_, waiting)| waits(waiting))
        {
            choices.push((Choice::Signal(u8::try_from(nth).unwrap_or(u8::MAX)), 0));
        }
    }
}

/// What is due next by itself is that somebody has waited too long for somebody else, or the deadline.
pub(crate) fn is_silence(node: &Node) -> bool {
    let deadline = node.state.started.deadline_at;
    node.look.wake.is_some_and(|at| Some(at) == node.look.silence || Some(at) == deadline)
}

pub(crate) fn faults(model: &Model<'_>, node: &Node, choices: &mut Vec<(Choice, u8)>) {
    let look = &node.look;
    if look.lock {
        choices.push((Choice::QueueForLock, 1));
    }
    if look.unsent.is_empty() && !look.lock {
        for flight in &node.wire {
            if node.outage(flight.key).is_none() && given::of_flight(model, node, *flight).is_none() {
                fates(model, node, *flight, choices);
            }
        }
    }
    if look.unsent.is_empty() && node.wire.is_empty() && !look.lock {
        for (call, under_way) in node.state.calls() {
            if matches!(under_way.phase, Phase::Accepted { .. }) {
                let key = model.key(&call);
                choices.extend([(Choice::CallBack(key, false), 1), (Choice::CallBackTwice(key), 1)]);
            }
        }
        for (key, _) in look.probes.iter().filter(|(key, _)| given::of_probe(model, node, *key).is_none()) {
            choices.extend([(Choice::Probe(*key, Asked::Unanswered), 1), (Choice::Probe(*key, Asked::Silent), 1)]);
        }
        if look.silence.is_some() && is_silence(node) {
            choices.push((Choice::Silence, 1));
        }
    } else if look.wake.is_some() && !is_silence(node) && !node.wire.is_empty() {
        // Whoever is on the wire is so slow that others have their turn before.
        choices.push((Choice::Wake, 1));
    }
    early_signals(model, node, choices);
    if can_cancel(&model.decides, &node.state) == CanCancel::Yes {
        choices.push((Choice::Cancel, 1));
    }
    let counts = node.state.status == Status::Running && !node.state.past_return;
    if counts && node.state.started.deadline_at.is_some_and(|at| at > node.now) {
        choices.push((Choice::Deadline, 1));
    }
    if node.wire.is_empty() {
        choices.push((Choice::HandOver, 1));
    }
    choices.extend(Crash::ways(node.wire.len()).into_iter().map(|crash| (Choice::Crash(crash), 1)));
    if !look.unsent.is_empty() {
        choices.push((Choice::Crash(Crash { each: 0x5555, asleep: true }), 1));
    }
}

/// Before anybody waits for it.
fn early_signals(model: &Model<'_>, node: &Node, choices: &mut Vec<(Choice, u8)>) {
    for (nth, (name, payload)) in model.signals.iter().enumerate() {
        let choice = Choice::Signal(u8::try_from(nth).unwrap_or(u8::MAX));
        let signal = Signal { name: name.clone(), key: None, payload: payload.clone() };
        let offered = choices.iter().any(|(known, _)| *known == choice);
        if !offered && can_signal(&model.decides, &node.state, &signal) == CanSignal::Yes {
            choices.push((choice, 1));
        }
    }
}

/// What can befall an attempt.
fn fates(model: &Model<'_>, node: &Node, flight: Flight, choices: &mut Vec<(Choice, u8)>) {
    let step = model.step(flight.key.unit);
    let barrier = model.service(flight.key).contract == Contract::Barrier;
    let action = flight.key.op == Op::Action;
    let no = if action { step.no } else { step.undo_no };
    let mut add = |fate: Fate| choices.push((Choice::Deliver(flight.key, fate), 1));
    if no.is_some() {
        add(Fate::Refused);
        if action {
            add(Fate::RefusedKept);
        }
    }
    for fate in [Fate::NotSent, Fate::Lost, Fate::Late, Fate::ReplyLost, Fate::Doubled] {
        add(fate);
    }
    if action && step.reads_body {
        add(Fate::Useless);
    }
    if action && step.later && node.book(flight.key.unit).row == Row::None {
        add(Fate::CalledBackFirst);
        add(Fate::AcceptedUnheard);
    }
    if barrier {
        add(Fate::Fenced);
    }
    // What is never sent twice need not be out for long.
    if !(action && step.once) {
        for fate in [Fate::Silent, Fate::Mute] {
            add(fate);
        }
    }
    add(Fate::Down);
}

impl Choice {
    /// The same word in every run: traces are made of them.
    pub(crate) fn label(self, model: &Model<'_>, node: &Node) -> String {
        let call = |key: Key| {
            let undo = if key.op == Op::Compensate { " compensate" } else { "" };
            format!("{}{undo}", model.words(key.unit))
        };
        match self {
            Self::TakeLock => "lock".to_owned(),
            Self::QueueForLock => "lock: others come first".to_owned(),
            Self::Send => "send".to_owned(),
            Self::Deliver(key, fate) => format!("{}: {}", call(key), coverage::fate(fate)),
            Self::Given(key, later) => {
                let flight = node.wire.iter().find(|flight| flight.key == key);
                let rule = flight.and_then(|flight| given::of_flight(model, node, *flight));
                let later = if later { ", accepted" } else { "" };
                format!("{}: as planned, {}{later}", call(key), given::name(model, rule))
            }
            Self::GivenProbe(key) => {
                let rule = given::of_probe(model, node, key);
                format!("{} probe: as planned, {}", call(key), given::name(model, rule))
            }
            Self::Late(nth) => match node.late.get(usize::from(nth)) {
                Some(kept) => format!("late: {} {}", call(kept.flight.key), kept.flight.attempt),
                None => "late".to_owned(),
            },
            Self::CallBack(key, true) => format!("{}: called back", call(key)),
            Self::CallBack(key, false) => format!("{}: called back, refused", call(key)),
            Self::CallBackTwice(key) => format!("{}: called back twice", call(key)),
            Self::Probe(key, asked) => format!("{} probe: {}", call(key), coverage::asked(asked)),
            Self::Signal(nth) => format!("signal {}", model.signals[usize::from(nth)].0),
            Self::Wake => "time".to_owned(),
            Self::Silence => "silence".to_owned(),
            Self::Deadline => "deadline".to_owned(),
            Self::Cancel => "cancel".to_owned(),
            Self::HandOver => "hand over".to_owned(),
            Self::Crash(crash) => {
                let each = node.wire.iter().enumerate().map(|(nth, flight)| {
                    let gone = match crash.of(nth) {
                        Gone::Done => "done",
                        Gone::Lost => "lost",
                        Gone::Late => "on its way",
                    };
                    format!("{} {gone}", call(flight.key))
                });
                let each: Vec<String> = each.chain(crash.asleep.then(|| "asleep".to_owned())).collect();
                if each.is_empty() { "crash".to_owned() } else { format!("crash: {}", each.join(", ")) }
            }
        }
    }
}
