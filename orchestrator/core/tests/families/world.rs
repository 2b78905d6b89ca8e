//! The world of a family: its sagas with their durable journals, the notes between them, and owners of whom some are half-dead.

use std::{collections::BTreeMap, sync::Arc};

use amends_core::{
    Answer, Begin, Command, Errand, Input, Reply, Report, Settlement, Terms, begin, child_begins, child_may_begin,
    decide, decide_in_place,
    definition::Definition,
    event::Recorded,
    fold,
    ids::{CallId, Op, SagaId},
    outstanding,
    state::State,
    time::Time,
    why_undone,
};
use serde_json::json;
use uuid::Uuid;

use crate::{Broken, laws::why_not_over, tree::Tree};

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// One saga: what is durable of it, and what was done in the memory of its owner.
pub(crate) struct Member {
    pub(crate) definition: Arc<Definition>,
    pub(crate) journal: Vec<Recorded>,
    pub(crate) state: State,
    done: Vec<Errand>,
}

enum Said {
    Report(CallId, Report),
    Settled(Settlement),
}

struct Note {
    to: SagaId,
    said: Said,
    heard: bool,
}

/// What somebody set out to do before he died, or thought that he had: it may still happen.
struct Straggler {
    child: SagaId,
    definition: Arc<Definition>,
    with: Begin,
}

/// What was done or undone, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) saga: SagaId,
    pub(crate) call: CallId,
}

pub(crate) struct World {
    tree: Tree,
    dice: Dice,
    broken: Broken,
    now: Time,
    pub(crate) sagas: BTreeMap<SagaId, Member>,
    notes: BTreeMap<Uuid, Note>,
    stragglers: Vec<Straggler>,
    pub(crate) effects: Vec<Effect>,
    root: SagaId,
    fair: bool,
}

impl World {
    pub(crate) fn new(tree: Tree, seed: u64, broken: Broken) -> Self {
        let root = SagaId(Uuid::from_u128(7));
        let definition = tree.definitions["root"].clone();
        let now = Time(1_000_000_000);
        let journal = begin(&definition, root, Begin::root(1, json!({})), now);
        let state = fold(root, &journal).expect("a start folds");
        let member = Member { definition, journal, state, done: vec![] };
        Self {
            tree,
            dice: Dice::new(seed),
            broken,
            now,
            sagas: [(root, member)].into(),
            notes: BTreeMap::new(),
            stragglers: vec![],
            effects: vec![],
            root,
            fair: false,
        }
    }

    pub(crate) fn root(&self) -> &State {
        &self.sagas[&self.root].state
    }

    /// So many things happen, good and bad.
    pub(crate) fn weather(&mut self, things: usize) {
        for _ in 0..things {
            self.now = Time(self.now.0 + 1_000);
            let saga = self.anybody();
            match self.dice.below(12) {
                0 => self.crash(saga),
                1 if self.dice.one_in(6) => self.input(saga, Input::CancelRequested { reason: None }),
                2 => self.straggle(),
                3..=5 => self.hear(),
                _ => self.work(saga),
            }
        }
    }

    /// From here on all goes well, and everything must come to an end.
    pub(crate) fn clears(&mut self) -> Result<(), String> {
        self.fair = true;
        for round in 0..1_500 {
            self.now = Time(self.now.0 + 60_000_000);
            if self.sagas.values().all(|member| member.state.status.is_terminal()) && self.stragglers.is_empty() {
                return Ok(());
            }
            self.straggle();
            for saga in self.sagas.keys().copied().collect::<Vec<_>>() {
                self.work(saga);
                self.hear();
            }
            // One that waits for a person waits for ever, and all that wait for it.
            if round > 500 && self.sagas.values().any(|member| !member.state.attention.is_empty()) {
                return self.waits_for_a_person();
            }
        }
        Err(why_not_over(self))
    }

    /// Only behind a pivot, and only because a child was cancelled or refused there.
    fn waits_for_a_person(&self) -> Result<(), String> {
        let asked = self.sagas.values().filter(|member| !member.state.attention.is_empty());
        for member in asked {
            if !member.definition.has_pivot() {
                return Err(format!("{} has no pivot and asks for a person", member.state.started.name));
            }
        }
        Ok(())
    }

    fn anybody(&mut self) -> SagaId {
        let nth = self.dice.below(self.sagas.len() as u64) as usize;
        *self.sagas.keys().nth(nth).expect("there is the root")
    }

    fn input(&mut self, saga: SagaId, input: Input) {
        let now = self.now;
        let member = self.sagas.get_mut(&saga).expect("it is there");
        let events = decide(&member.definition, &member.state, input, now);
        member.journal.extend(events);
        member.state = fold(saga, &member.journal).expect("what is decided folds");
    }

    /// Its owner dies. A new one takes over; what the old one was about to do may still happen.
    fn crash(&mut self, saga: SagaId) {
        let member = self.sagas.get_mut(&saga).expect("it is there");
        member.done.clear();
        let epoch = member.state.epoch + 1;
        self.input(saga, Input::Adopted { epoch });
    }

    fn straggle(&mut self) {
        if self.stragglers.is_empty() {
            return;
        }
        let nth = self.dice.below(self.stragglers.len() as u64) as usize;
        let Straggler { child, definition, with } = self.stragglers.swap_remove(nth);
        self.make(child, definition, with);
    }

    /// `false`: it was there.
    fn make(&mut self, child: SagaId, definition: Arc<Definition>, with: Begin) -> bool {
        if self.sagas.contains_key(&child) {
            return false;
        }
        let mut journal = begin(&definition, child, with, self.now);
        let mut state = fold(child, &journal).expect("a start folds");
        // Asleep at first, and then on the path of every sleeper.
        journal.extend(decide_in_place(&definition, &mut state, Input::Released, self.now).events);
        assert!(state.status.is_terminal() || state.summary().wake_at.is_some_and(|at| at <= self.now), "due at once");
        journal.extend(decide_in_place(&definition, &mut state, Input::Adopted { epoch: 2 }, self.now).events);
        self.sagas.insert(child, Member { definition, journal, state, done: vec![] });
        true
    }

    /// A note reaches whom it is for; that it did may be lost, and then it comes again.
    fn hear(&mut self) {
        // What was heard may come again.
        let again = !self.fair && self.dice.one_in(7);
        let open: Vec<Uuid> = self.notes.iter().filter(|(_, note)| again || !note.heard).map(|(id, _)| *id).collect();
        if open.is_empty() {
            return;
        }
        let id = open[self.dice.below(open.len() as u64) as usize];
        let lost = !self.fair && self.dice.one_in(4);
        let note = self.notes.get_mut(&id).expect("it is there");
        note.heard |= !lost;
        let input = match &note.said {
            Said::Report(call, report) => Input::ChildReported { call: call.clone(), report: report.clone() },
            Said::Settled(settlement) => Input::Settled(*settlement),
        };
        let to = note.to;
        if self.sagas.contains_key(&to) {
            self.input(to, input);
        }
    }

    fn work(&mut self, saga: SagaId) {
        let member = &self.sagas[&saga];
        let owed: Vec<Command> = outstanding(&member.definition, &member.state)
            .into_iter()
            .filter(|command| !matches!(command, Command::Family(errand) if member.done.contains(errand)))
            .collect();
        if owed.is_empty() {
            return;
        }
        match owed[self.dice.below(owed.len() as u64) as usize].clone() {
            Command::Call { call, attempt, due_at } if due_at <= self.now => self.call(saga, call, attempt),
            Command::Family(errand) => self.run(saga, errand),
            Command::Wake { .. } => self.input(saga, Input::TimePassed),
            _ => {}
        }
    }

    fn call(&mut self, saga: SagaId, call: CallId, attempt: u32) {
        let answer = |status| Reply::Answered(Answer { status, acked: true, ..Answer::default() });
        let effect = Effect { saga, call: call.clone() };
        let reply = match self.dice.below(if self.fair { 1 } else { 8 }) {
            0..=4 => {
                self.effects.push(effect);
                answer(200)
            }
            5 if call.op == Op::Action && self.dice.one_in(2) => answer(409),
            6 => {
                self.effects.push(effect);
                Reply::Lost { reason: "lost".to_owned() }
            }
            _ => Reply::NotSent { reason: "refused".to_owned() },
        };
        let terms = Terms { barrier: true, ..Terms::default() };
        self.input(saga, Input::Answered { call, attempt, reply, terms });
    }

    fn begins(&self, saga: SagaId, call: &CallId) -> (SagaId, Arc<Definition>, Begin) {
        let member = &self.sagas[&saga];
        let child = member.state.child(call).expect("it runs a child");
        let with = child_begins(&member.definition, &member.state, call, 1).expect("it runs a child");
        (child.saga, self.tree.definitions[&child.name].clone(), with)
    }

    fn run(&mut self, saga: SagaId, errand: Errand) {
        // Whoever dies after it has done it, does it once more.
        let dies = !self.fair && self.dice.one_in(6);
        let learnt = match &errand {
            Errand::Pin { call } => {
                let member = &self.sagas[&saga];
                let child = &self.tree.definitions[&member.state.child(call).expect("a child").name];
                let may = child_may_begin(&member.definition, &member.state, call, (child, 1), self.now);
                may.unwrap_or_else(|why| panic!("{why}"));
                if !self.fair && self.dice.one_in(15) {
                    Some(Input::ChildRefused { call: call.clone(), reason: "disabled".to_owned() })
                } else {
                    Some(Input::ChildPinned { call: call.clone(), version: 1, definition: child.digest.clone() })
                }
            }
            Errand::Begin { call } => {
                let (child, definition, with) = self.begins(saga, call);
                if !self.fair && self.dice.one_in(3) {
                    // On its way for long; meanwhile the owner is taken for dead.
                    self.stragglers.push(Straggler { child, definition, with });
                    return self.crash(saga);
                }
                self.make(child, definition, with);
                None
            }
            Errand::Undo { call } => {
                let (child, definition, with) = self.begins(saga, call);
                let there = self.sagas.contains_key(&child);
                match self.broken {
                    Broken::NoTombstone if !there => {
                        let report = Report::Compensated { reason: "it is not there".to_owned() };
                        Some(Input::ChildReported { call: call.clone(), report })
                    }
                    Broken::ForgottenToUndo => {
                        let report = Report::Compensated { reason: "it will be".to_owned() };
                        Some(Input::ChildReported { call: call.clone(), report })
                    }
                    _ => {
                        if !self.make(child, definition, with) {
                            self.tell(saga, &errand, Said::Settled(Settlement::Undo));
                        }
                        None
                    }
                }
            }
            Errand::Settle { call } => {
                self.tell(saga, &errand, Said::Settled(Settlement::Complete));
                Some(Input::ChildTold { call: call.clone() })
            }
            Errand::ReportSuccess => {
                let state = &self.sagas[&saga].state;
                let (call, output) = (state.started.parent.as_ref().expect("a child").call(), state.output.clone());
                self.tell(saga, &errand, Said::Report(call, Report::Succeeded { output }));
                match self.broken {
                    Broken::SettledTooEarly => Some(Input::Settled(Settlement::Complete)),
                    Broken::UndoneOutOfTurn if self.dice.one_in(3) => Some(Input::Settled(Settlement::Undo)),
                    _ => None,
                }
            }
            Errand::ReportUndone => {
                let state = &self.sagas[&saga].state;
                let (call, reason) = (state.started.parent.as_ref().expect("a child").call(), why_undone(state));
                self.tell(saga, &errand, Said::Report(call, Report::Compensated { reason }));
                Some(Input::Reported)
            }
        };
        if dies {
            return self.crash(saga);
        }
        self.sagas.get_mut(&saga).expect("it is there").done.push(errand);
        if let Some(input) = learnt {
            self.input(saga, input);
        }
    }

    /// The same note again is no other.
    fn tell(&mut self, saga: SagaId, errand: &Errand, said: Said) {
        let (to, id) = errand.letter(&self.sagas[&saga].state).expect("it is told by a note");
        if self.broken == Broken::NotesLost && self.dice.one_in(2) {
            return;
        }
        self.notes.entry(id).or_insert(Note { to, said, heard: false });
    }
}
