//! The laws of locks: many sagas of random definitions that share them, in random weather. Of one lock there is one holder, in order of
//! arrival; nobody waits for ever; what has ended holds nothing. Each saga keeps the laws of one besides.

use std::{collections::BTreeMap, sync::Arc};

use amends_core::{
    Input, LockPlace,
    event::Event,
    ids::{LockName, SagaId},
    time::Time,
};
use proptest::prelude::*;

use crate::{
    plan::{self, Plan},
    run::{self, Outcome, Run},
};

const NAMES: [&str; 4] = ["account:a", "account:b", "batch:1", "zebra"];

/// One rule switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// Who comes last goes first.
    PassedBy,
    /// A process that dies takes the locks of its sagas with it.
    LostInACrash,
    /// Who has ended still stands in the way.
    NeverFreed,
    /// Every second saga takes its locks in an order of its own.
    AnyOrder,
    /// The first two in a queue have the lock.
    TwoAtOnce,
}

/// Some sagas, each with its locks, and what happens in which order.
#[derive(Clone, Debug)]
pub(crate) struct Town {
    sagas: Vec<(Plan, u8)>,
    turns: Vec<(u8, Turn)>,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The next move of its plan.
    Move,
    /// It takes or looks at its places.
    Look,
    /// The same, and its process dies before it can write that down.
    LookAndDie,
    /// The same, and what it saw is written down only the next time.
    LookAndDawdle,
}

pub(crate) fn towns() -> impl Strategy<Value = Town> {
    let turn = prop_oneof![
        8 => Just(Turn::Move),
        4 => Just(Turn::Look),
        1 => Just(Turn::LookAndDie),
        1 => Just(Turn::LookAndDawdle),
    ];
    let saga = (plan::plans(), 0_u8..16);
    (prop::collection::vec(saga, 2..6), prop::collection::vec((any::<u8>(), turn), 0..150))
        .prop_map(|(sagas, turns)| Town { sagas, turns })
}

/// What was reached, over many towns.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    pub(crate) ended: u32,
    /// They stood behind others and had the lock in the end.
    pub(crate) waited: u32,
    /// They stand behind one who waits for a person.
    pub(crate) behind: u32,
    pub(crate) died_holding: u32,
}

/// The queues as a store keeps them: rows that only come, and a saga's that has ended means nothing.
struct Queues {
    broken: Broken,
    rows: BTreeMap<LockName, Vec<(i64, usize)>>,
    /// In order of arrival, whatever the queue says.
    arrivals: Vec<(LockName, usize)>,
    places: i64,
}

struct Model {
    runs: Vec<Run>,
    moves: Vec<std::vec::IntoIter<plan::Move>>,
    queues: Queues,
    dawdling: Vec<Vec<LockPlace>>,
    /// How many of its rows have been looked at.
    seen: Vec<usize>,
    died: Vec<bool>,
}

/// Plays a town to its end and checks every law all the way.
pub(crate) fn play(town: &Town, broken: Broken, reached: &mut Reached) -> Result<(), String> {
    let mut model = Model::new(town, broken);
    for (which, turn) in &town.turns {
        let one = usize::from(*which) % model.runs.len();
        model.turn(one, *turn, reached)?;
        model.keeps_the_laws()?;
    }
    model.fine_weather(town, reached)
}

impl Queues {
    /// Its place; once taken it stays.
    fn enqueue(&mut self, lock: &LockName, saga: usize) -> i64 {
        let rows = self.rows.entry(lock.clone()).or_default();
        if let Some((place, _)) = rows.iter().find(|(_, there)| *there == saga) {
            return *place;
        }
        self.places += 1;
        let place = if self.broken == Broken::PassedBy { -self.places } else { self.places };
        rows.push((place, saga));
        rows.sort_unstable();
        self.arrivals.push((lock.clone(), saga));
        place
    }

    fn holds(&self, lock: &LockName, saga: usize, alive: &[bool]) -> bool {
        let rows = self.rows.get(lock).into_iter().flatten();
        let mut living = rows.filter(|(_, there)| alive[*there] || self.broken == Broken::NeverFreed);
        let first = if self.broken == Broken::TwoAtOnce { 2 } else { 1 };
        living.by_ref().take(first).any(|(_, there)| *there == saga)
    }
}

impl Model {
    fn new(town: &Town, broken: Broken) -> Self {
        let runs = town.sagas.iter().enumerate().map(|(number, (plan, locks))| {
            let mut locks: Vec<LockName> =
                (0..NAMES.len()).filter(|name| locks >> name & 1 == 1).map(|name| NAMES[name].into()).collect();
            if broken == Broken::AnyOrder && number % 2 == 1 {
                locks.reverse();
            }
            let saga = SagaId(uuid::Uuid::from_u128(100 + number as u128));
            Run::with_locks(plan, run::Broken::Nothing, saga, Arc::from(locks))
        });
        let count = town.sagas.len();
        Self {
            runs: runs.collect(),
            moves: town.sagas.iter().map(|(plan, _)| plan.moves.clone().into_iter()).collect(),
            queues: Queues { broken, rows: BTreeMap::new(), arrivals: vec![], places: 0 },
            dawdling: vec![vec![]; count],
            seen: vec![0; count],
            died: vec![false; count],
        }
    }

    fn alive(&self) -> Vec<bool> {
        let dead = |one: usize| self.queues.broken == Broken::LostInACrash && self.died[one];
        self.runs.iter().enumerate().map(|(one, run)| !run.state.status.is_terminal() && !dead(one)).collect()
    }

    fn turn(&mut self, one: usize, turn: Turn, reached: &mut Reached) -> Result<(), String> {
        match turn {
            Turn::Move => {
                if let Some(next) = self.moves[one].next() {
                    if matches!(next, plan::Move::Crash { .. }) {
                        self.dies(one, reached);
                    }
                    self.runs[one].make(&next)?;
                }
            }
            Turn::Look => {
                let places = self.look(one);
                self.runs[one].input(Input::LocksAnswered(places))?;
            }
            Turn::LookAndDie => {
                self.look(one);
                self.dies(one, reached);
                self.runs[one].make(&plan::Move::Crash { arrived: 0, clock_back: false })?;
            }
            Turn::LookAndDawdle => {
                let places = self.look(one);
                let before = std::mem::replace(&mut self.dawdling[one], places);
                self.runs[one].input(Input::LocksAnswered(before))?;
            }
        }
        Ok(())
    }

    fn dies(&mut self, one: usize, reached: &mut Reached) {
        reached.died_holding += u32::from(!self.runs[one].state.held().is_empty());
        self.died[one] = true;
        self.dawdling[one].clear();
    }

    /// As an engine asks: of the next one, and of those behind it as long as each is its own.
    fn look(&mut self, one: usize) -> Vec<LockPlace> {
        let (alive, state) = (self.alive(), &self.runs[one].state);
        let mut places = vec![];
        if state.status.is_terminal() || state.next_lock().is_none() {
            return places;
        }
        for lock in &state.started.locks[state.locks.taken..] {
            let arrived_at = Time(self.queues.enqueue(lock, one));
            let held = self.queues.holds(lock, one, &alive);
            places.push(LockPlace { lock: lock.clone(), arrived_at, held });
            if !held {
                break;
            }
        }
        places
    }

    fn keeps_the_laws(&mut self) -> Result<(), String> {
        for name in NAMES.map(LockName::from) {
            let holders: Vec<usize> =
                (0..self.runs.len()).filter(|one| self.runs[*one].state.held().contains(&name)).collect();
            if holders.len() > 1 {
                return Err(format!("{name} has more than one holder: {holders:?}"));
            }
        }
        for one in 0..self.runs.len() {
            let rows = self.runs[one].journal.len();
            for row in self.seen[one]..rows {
                self.row_is_lawful(one, row)?;
            }
            self.seen[one] = rows;
        }
        Ok(())
    }

    fn row_is_lawful(&self, one: usize, row: usize) -> Result<(), String> {
        let journal = &self.runs[one].journal;
        let needed = &self.runs[one].state.started.locks;
        let taken = journal[..row].iter().filter(|row| matches!(row.event, Event::LockTaken { .. })).count();
        match &journal[row].event {
            Event::LockTaken { lock, .. } => {
                let before = self.queues.arrivals.iter().take_while(|arrival| **arrival != (lock.clone(), one));
                let mut before = before.filter(|(name, _)| name == lock).map(|(_, saga)| *saga);
                if let Some(other) = before.find(|other| !self.runs[*other].state.status.is_terminal()) {
                    return Err(format!("{one} has {lock}, and {other} came before"));
                }
            }
            Event::CallIntended { call, .. } if taken < needed.len() => {
                return Err(format!("{call} of {one} begins with {taken} of {} locks", needed.len()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Everybody looks again and again, and whoever has its locks runs to its end: somebody always can.
    fn fine_weather(&mut self, town: &Town, reached: &mut Reached) -> Result<(), String> {
        let mut ended = vec![None; self.runs.len()];
        loop {
            let mut went_on = false;
            for (one, end) in ended.iter_mut().enumerate() {
                if end.is_some() {
                    continue;
                }
                let places = self.look(one);
                self.runs[one].input(Input::LocksAnswered(places))?;
                self.keeps_the_laws()?;
                if self.runs[one].state.next_lock().is_none() {
                    *end = Some(self.runs[one].runs_out(&town.sagas[one].0).map_err(|why| format!("{one}: {why}"))?);
                    self.keeps_the_laws()?;
                    went_on = true;
                    let queued = |row: &amends_core::event::Recorded| matches!(row.event, Event::LockQueued { .. });
                    let taken = |row: &amends_core::event::Recorded| matches!(row.event, Event::LockTaken { .. });
                    let journal = &self.runs[one].journal;
                    reached.waited += u32::from(journal.iter().any(queued) && journal.iter().any(taken));
                    reached.ended += 1;
                }
            }
            if !went_on {
                break;
            }
        }
        let left = ended.iter().filter(|ended| ended.is_none()).count();
        let persons = ended.contains(&Some(Outcome::WaitsForAPerson));
        if left > 0 && !persons {
            return Err(format!("{left} sagas wait for each other"));
        }
        reached.behind += u32::try_from(left).expect("a few");
        Ok(())
    }
}
