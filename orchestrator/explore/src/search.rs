//! Walks the tree of all schedules: first those without a fault, then with one, then with two.
//!
//! A run is a schedule from the start to its end, told apart from every other by at least one choice. Runs share what they
//! have in common: a fork costs a copy and not a run. One that meets a moment that was there before, with as many faults left, goes
//! on as that one did, and is counted as joined.

use std::collections::{BTreeMap, HashMap};

use amends_core::{definition::Definition, summary::Status};
use serde::Serialize;

use crate::{
    budget::LONGEST,
    coverage::Coverage,
    family::{Family, Models, Turn, Turns, apply, end, start, turns},
    findings::{Code, Finding, Raised, Severity},
    fingerprint,
    model::Unfit,
    setup::Setup,
    trace::{Trace, journal_of},
    watch::violation,
};

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub runs: u64,
    pub findings: usize,
    /// Runs with at most so many faults are tried.
    pub faults: u8,
}

/// Numbers of an exploration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Schedules that were followed to their end.
    pub runs: u64,
    /// Schedules that met a moment from which everything had been tried.
    pub joined: u64,
    /// Things that happened, in all runs together; what runs share is counted once.
    pub moments: u64,
    pub completed: u64,
    pub compensated: u64,
    /// Ended with a person being asked.
    pub attention: u64,
}

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Clean,
    /// The saga, or a service, is not up to a failure.
    Findings,
    /// Amends is not.
    Violation,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub coverage: Coverage,
    pub totals: Totals,
    /// Everything with at most this many faults was tried. `None`: not even that without any.
    pub complete_to: Option<u8>,
    /// It was stopped before it had tried all that was asked for.
    pub incomplete: bool,
    /// Of the plan that was played: how often each rule befell an attempt, in all runs together; what they share is counted once.
    pub fired: Vec<u64>,
}

impl Report {
    /// Notes do not count.
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.severity).min() {
            Some(Severity::Violation) => Verdict::Violation,
            Some(Severity::Error | Severity::Warning) => Verdict::Findings,
            Some(Severity::Note) | None => Verdict::Clean,
        }
    }
}

/// Explores every input of the setup. `go_on` is asked now and then: no is the end, and the report incomplete.
///
/// # Errors
/// It cannot be started with one of the inputs.
pub fn explore(
    definition: &Definition,
    setup: &Setup,
    go_on: &mut dyn FnMut(Progress) -> bool,
) -> Result<Report, Unfit> {
    let mut report = Report { complete_to: Some(setup.faults), ..Report::default() };
    let mut found: BTreeMap<About, Finding> = BTreeMap::new();
    for input in &setup.inputs {
        let models = Models::new(definition, &setup.known, setup, input, false)?;
        let far = definition.worst_case(&|service| Some(setup.service(service).timeout), &setup.known).stretched;
        let far = far.and_then(|far| i64::try_from(far.as_micros()).ok()).map(|far| far.saturating_mul(4));
        let mut search = Search {
            models,
            setup,
            far,
            seen: HashMap::default(),
            kept: None,
            found: &mut found,
            totals: Totals::default(),
        };
        let mut fired = vec![0; setup.plan.as_ref().map_or(0, |plan| plan.rules.len())];
        // Fewest faults first, so that what is found is shown by as few as it takes.
        for faults in 0..=setup.faults {
            let before = search.totals;
            search.seen.clear();
            search.totals = Totals::default();
            let coverage = search.models.coverage();
            search.models.forget_coverage();
            search.kept = None;
            let whole = search.walk(faults, &report.totals, go_on);
            // What few faults did is done again with more.
            fired.iter_mut().zip(search.models.take_fired()).for_each(|(most, now)| *most = now.max(*most));
            if !whole {
                report.incomplete = true;
                report.complete_to = report.complete_to.and_then(|to| Some(to.min(faults.checked_sub(1)?)));
                // What was tried before is a part of what was begun, or all there is to tell.
                if search.totals.runs < before.runs {
                    (search.totals, search.kept) = (before, Some(coverage));
                }
                break;
            }
        }
        let totals = search.totals;
        let tried = search.kept.take().unwrap_or_else(|| search.models.coverage());
        report.coverage.add(&tried);
        report.fired.resize(fired.len(), 0);
        report.fired.iter_mut().zip(fired).for_each(|(all, more)| *all += more);
        report.totals.add(&totals);
    }
    report.findings = found.into_values().collect();
    report.findings.sort_by(|a, b| (a.severity, a.code, &a.saga, &a.step).cmp(&(b.severity, b.code, &b.saga, &b.step)));
    Ok(report)
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.joined += other.joined;
        self.moments += other.moments;
        self.completed += other.completed;
        self.compensated += other.compensated;
        self.attention += other.attention;
    }
}

/// What a finding is about: the same of the same step is one.
type About = (Code, Option<String>, Option<String>);

struct Search<'s, 'd> {
    models: Models<'d>,
    setup: &'s Setup,
    far: Option<i64>,
    /// Moments that were there, and how many faults were left.
    seen: HashMap<u128, u8, Identity>,
    /// What was tried before, if that was more.
    kept: Option<Coverage>,
    found: &'s mut BTreeMap<About, Finding>,
    totals: Totals,
}

/// One moment on the way, with what may happen next.
struct Frame {
    /// `None`: its last choice has taken it.
    family: Option<Family>,
    turns: Turns,
    next: usize,
}

impl Search<'_, '_> {
    /// Every schedule with at most so many faults. `false`: it was stopped.
    fn walk(&mut self, faults: u8, before: &Totals, go_on: &mut dyn FnMut(Progress) -> bool) -> bool {
        const LOOK_EVERY: u64 = 8192;
        let mut path: Vec<Turn> = Vec::new();
        let first = start(&self.models, faults);
        self.judged(&path, faults, faults);
        let mut frames = vec![self.frame(first)];
        while let Some(frame) = frames.last_mut() {
            if self.totals.moments % LOOK_EVERY == LOOK_EVERY - 1 {
                let progress = Progress { runs: before.runs + self.totals.runs, findings: self.found.len(), faults };
                if !go_on(progress) {
                    return false;
                }
            }
            let Some((turn, cost)) = frame.turns.get(frame.next) else {
                frames.pop();
                path.pop();
                continue;
            };
            frame.next += 1;
            let mut family = if frame.next == frame.turns.len() { frame.family.take() } else { frame.family.clone() }
                .expect("invariant: only the last choice takes the moment");
            if cost > 0 || turn.is_given() {
                self.models.note(&family, turn);
            }
            family.root.budget -= cost;
            path.push(turn);
            apply(&self.models, &mut family, turn);
            self.totals.moments += 1;
            let left = family.root.budget;
            self.judged(&path, faults, left);
            if path.len() > LONGEST {
                violation(self.models.root(), Code::Liveness, None, "it goes on without end");
                self.judged(&path, faults, left);
                path.pop();
                continue;
            }
            if self.was_here(&family) {
                self.totals.joined += 1;
                path.pop();
                continue;
            }
            let frame = self.frame(family);
            if frame.turns.len() > 0 {
                frames.push(frame);
                continue;
            }
            self.end(frame.family.as_ref(), &path, faults);
            path.pop();
            if self.setup.max_runs.is_some_and(|most| before.runs + self.totals.runs >= most) {
                return frames.iter().all(|frame| frame.next == frame.turns.len());
            }
        }
        true
    }

    fn frame(&self, family: Family) -> Frame {
        let turns = turns(&self.models, &family);
        Frame { family: Some(family), turns, next: 0 }
    }

    fn was_here(&mut self, family: &Family) -> bool {
        if !self.setup.join || family.has_ended() {
            return false;
        }
        let left = family.root.budget;
        match self.seen.entry(fingerprint::of_family(&self.models, family, self.far)) {
            std::collections::hash_map::Entry::Occupied(mut before) if *before.get() < left => {
                before.insert(left);
                false
            }
            std::collections::hash_map::Entry::Occupied(_) => true,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(left);
                false
            }
        }
    }

    fn end(&mut self, family: Option<&Family>, path: &[Turn], faults: u8) {
        let Some(family) = family else { return };
        let left = family.root.budget;
        self.totals.runs += 1;
        match family.root.state.status {
            Status::Completed => self.totals.completed += 1,
            Status::Compensated => self.totals.compensated += 1,
            _ => self.totals.attention += 1,
        }
        end(&self.models, family, faults - left);
        // Keeping every journal would cost more than the runs.
        const FOLD_EVERY: u64 = 1024;
        if self.totals.runs % FOLD_EVERY == 1 {
            let raised = journal_of(&self.models, self.setup, path);
            self.take_in(raised, path, faults, left);
        }
        self.judged(path, faults, left);
    }

    /// Takes in what the judge has noticed just now.
    fn judged(&mut self, path: &[Turn], faults: u8, left: u8) {
        if self.models.all().iter().any(|model| !model.raised.borrow().is_empty()) {
            self.take_in(self.models.take_raised(), path, faults, left);
        }
    }

    fn take_in(&mut self, raised: Vec<(Option<String>, Raised)>, path: &[Turn], faults: u8, left: u8) {
        let faults = faults - left;
        for (saga, Raised { code, severity, step, message }) in raised {
            let about = (code, saga.clone(), step.clone());
            let known = self.found.get(&about);
            let better = known.is_none_or(|known| {
                (severity, faults, path.len()) < (known.severity, known.faults, known.trace.choices.len())
            });
            if better {
                let trace = Trace::of(&self.models, self.setup, path, code);
                let finding = Finding { code, severity, saga, step, message, faults, trace };
                self.found.insert(about, finding);
            }
        }
    }
}

/// A fingerprint is a hash already.
#[derive(Clone, Default)]
struct Identity;

impl std::hash::BuildHasher for Identity {
    type Hasher = Low;

    fn build_hasher(&self) -> Low {
        Low(0)
    }
}

struct Low(u64);

impl std::hash::Hasher for Low {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u128(&mut self, word: u128) {
        self.0 = word as u64;
    }
}
