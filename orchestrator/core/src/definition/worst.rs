//! How long the forward path can take and how many calls it can make, from the text alone.
//!
//! Who asks: `amends check`, to print it, and the lint on deadlines.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    children::Known,
    limits,
    model::{CallStep, Definition, Kind, Retry, Side, Step, StepIx, Undo, Wait},
};
use crate::ids::{ServiceName, StepName};

/// The longest time for one attempt at a service's, where the definition says nothing. `None`: not known here.
pub type ServiceTimeout<'a> = dyn Fn(&ServiceName) -> Option<Duration> + 'a;

/// The most that a saga can cost. `None` stands for *unlimited*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorstCase {
    /// Until the pivot is called; without a pivot until the end. Attempts, and the waits between them.
    pub forward: Option<Duration>,
    /// The same if every answer asks to wait as long as it may.
    pub stretched: Option<Duration>,
    /// The steps on the longest way.
    pub way: Vec<StepName>,
    /// Requests that can be made on the forward path until then, on all ways.
    pub requests: Option<u64>,
    /// Actions and compensations together, each counted once: on the way there, or on the way there and back.
    pub calls: usize,
    /// Timeouts that stand in the catalogue, and are not counted in.
    pub not_counted: Vec<ServiceName>,
    /// From the pivot on a step is retried until it is done.
    pub has_pivot: bool,
    /// It first waits for its locks, without a limit.
    pub locks: bool,
    /// Sagas that it or its children run as children, and whose cost is not counted in: their definitions are not known here.
    pub children: Vec<Arc<str>>,
    /// Calls that are made at most by the end of a forward path that fails nowhere, and by undoing all of it.
    there: usize,
    undone: usize,
}

/// What it is counted with.
struct Here<'a> {
    timeout: &'a ServiceTimeout<'a>,
    known: &'a Known,
    /// Of each child once; `None` while it is counted: a circle ends there.
    counted: RefCell<BTreeMap<Arc<str>, Option<WorstCase>>>,
}

impl Here<'_> {
    /// What a child costs, if its definition is known.
    fn child(&self, name: &Arc<str>) -> Option<WorstCase> {
        if let Some(counted) = self.counted.borrow().get(name) {
            return counted.clone();
        }
        let definition = self.known.get(name)?;
        self.counted.borrow_mut().insert(name.clone(), None);
        let counted = definition.counted(self);
        self.counted.borrow_mut().insert(name.clone(), Some(counted.clone()));
        Some(counted)
    }
}

/// The most that one step before the pivot costs.
pub(super) struct Cost {
    pub(super) duration: Option<Duration>,
    pub(super) stretched: Option<Duration>,
    pub(super) requests: Option<u64>,
}

impl Definition {
    /// The most that a saga of this definition can cost, its children with it as far as their definitions are known.
    pub fn worst_case(&self, timeout: &ServiceTimeout<'_>, known: &Known) -> WorstCase {
        self.counted(&Here { timeout, known, counted: BTreeMap::from([(self.name.clone(), None)]).into() })
    }

    fn counted(&self, here: &Here<'_>) -> WorstCase {
        let before = |step: &&Step| step.side == Side::Before;
        let costs: BTreeMap<StepIx, Cost> = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| before(step))
            .map(|(ix, step)| (ix, of_step(step, here)))
            .collect();
        let (forward, way) = self.longest(&costs, |cost| cost.duration);
        let (stretched, _) = self.longest(&costs, |cost| cost.stretched);
        let requests = costs.values().map(|cost| cost.requests).sum();
        let calls = |step: &Step| Calls::of(step, here);
        let undone: usize = self.steps.iter().filter(before).map(|step| calls(step).undone).sum();
        let there = self.steps.iter().map(|step| calls(step).there).sum();
        // Undone is what failed at the pivot: its own call has been made, those behind it have not.
        let back: usize = self
            .steps
            .iter()
            .map(|step| match step.side {
                Side::Before => calls(step).there + calls(step).undone,
                Side::Pivot => calls(step).failed,
                Side::After => 0,
            })
            .sum();
        let of_children = || self.children().filter_map(|(_, child)| here.child(&child.name));
        let own = self.steps.iter().filter(before).filter_map(|step| unknown_timeout(step, here.timeout));
        let of_theirs = self.children().filter(|(step, _)| step.side == Side::Before);
        let of_theirs = of_theirs.filter_map(|(_, child)| here.child(&child.name)).flat_map(|child| child.not_counted);
        let mut not_counted: Vec<ServiceName> = own.chain(of_theirs).collect();
        not_counted.sort();
        not_counted.dedup();
        let unknown = self.children().map(|(_, child)| &child.name).filter(|name| here.child(name).is_none());
        let mut children: Vec<Arc<str>> =
            unknown.cloned().chain(of_children().flat_map(|child| child.children)).collect();
        children.sort();
        children.dedup();
        WorstCase {
            forward,
            stretched,
            way,
            requests,
            calls: back.max(there),
            not_counted,
            has_pivot: self.has_pivot(),
            locks: !self.locks.is_empty(),
            children,
            there,
            undone,
        }
    }

    /// The longest way through the steps that have a cost; unlimited is longer than all.
    fn longest(
        &self,
        costs: &BTreeMap<StepIx, Cost>,
        of: impl Fn(&Cost) -> Option<Duration>,
    ) -> (Option<Duration>, Vec<StepName>) {
        let mut order: Vec<StepIx> = costs.keys().copied().collect();
        order.sort_by_key(|ix| self.steps[*ix].ancestors.len());
        let mut ends: BTreeMap<StepIx, (Option<Duration>, Option<StepIx>)> = BTreeMap::new();
        for ix in order {
            let needs = self.steps[ix].needs.iter().filter_map(|need| Some((ends.get(need)?.0, Some(*need))));
            let (until, from) = needs.max_by_key(|(until, _)| rank(*until)).unwrap_or((Some(Duration::ZERO), None));
            let end = until.zip(of(&costs[&ix])).map(|(until, cost)| until.saturating_add(cost));
            ends.insert(ix, (end, from));
        }
        let Some((mut at, (end, _))) =
            ends.iter().max_by_key(|(_, (until, _))| rank(*until)).map(|(ix, end)| (*ix, *end))
        else {
            return (Some(Duration::ZERO), vec![]);
        };
        let mut way = vec![self.steps[at].name.clone()];
        while let Some(from) = ends[&at].1 {
            way.push(self.steps[from].name.clone());
            at = from;
        }
        way.reverse();
        (end, way)
    }
}

/// Unlimited is the most.
fn rank(duration: Option<Duration>) -> (bool, Duration) {
    (duration.is_none(), duration.unwrap_or_default())
}

/// What a step costs with all its items, of which there may be as many as are allowed.
fn of_step(step: &Step, here: &Here<'_>) -> Cost {
    let one = match &step.kind {
        Kind::Saga(child) => {
            here.child(&child.name).map_or(NOTHING, |worst| of_child(&worst, here.known.get(&child.name)))
        }
        Kind::Call(_) | Kind::Wait(_) => of_one(step, here.timeout),
    };
    let Some(each) = step.each() else { return one };
    let items = items_of(step);
    let rounds = u32::try_from(items).unwrap_or(u32::MAX).div_ceil(each.concurrency.max(1));
    let all = |duration: Option<Duration>| duration.map(|duration| duration.saturating_mul(rounds));
    Cost {
        duration: all(one.duration),
        stretched: all(one.stretched),
        requests: one.requests.map(|requests| requests.saturating_mul(items as u64)),
    }
}

const NOTHING: Cost = Cost { duration: Some(Duration::ZERO), stretched: Some(Duration::ZERO), requests: Some(0) };

/// Its deadline ends its way, if that can be longer.
fn of_child(worst: &WorstCase, definition: Option<&Arc<Definition>>) -> Cost {
    let deadline = definition.and_then(|definition| definition.deadline);
    let within = |way: Option<Duration>| way.into_iter().chain(deadline).min();
    Cost { duration: within(worst.forward), stretched: within(worst.stretched), requests: worst.requests }
}

/// What it costs with one item, a child not counted in.
pub(super) fn of_one(step: &Step, timeout: &ServiceTimeout<'_>) -> Cost {
    let waits = |duration| Cost { duration, stretched: duration, requests: Some(0) };
    match &step.kind {
        Kind::Call(call) => with_verdict(of_call(call, timeout), call.verdict_within),
        Kind::Saga(_) => NOTHING,
        Kind::Wait(Wait::Sleep(duration)) => waits(Some(*duration)),
        Kind::Wait(Wait::Signal(signal)) => waits(Some(signal.timeout)),
        // Only a start says which time.
        Kind::Wait(Wait::Until(_)) => waits(None),
    }
}

fn of_call(step: &CallStep, timeout: &ServiceTimeout<'_>) -> Cost {
    let action = &step.action;
    let Some(attempts) = action.retry.attempts else {
        return Cost { duration: None, stretched: None, requests: None };
    };
    let each = action.timeout.or_else(|| timeout(&action.service)).unwrap_or_default();
    let all = each.saturating_mul(attempts);
    let longest = action.retry.max_backoff.saturating_mul(attempts.saturating_sub(1));
    let asked = asked_after(step, attempts, each);
    Cost {
        duration: Some(all.saturating_add(waits(&action.retry, attempts)).saturating_add(asked.0)),
        stretched: Some(all.saturating_add(longest).saturating_add(asked.1)),
        requests: Some(u64::from(attempts).saturating_add(asked.2)),
    }
}

/// The last attempt may be the one that is accepted.
fn with_verdict(cost: Cost, within: Option<Duration>) -> Cost {
    let within = within.unwrap_or_default();
    let and = |duration: Option<Duration>| duration.map(|duration| duration.saturating_add(within));
    Cost { duration: and(cost.duration), stretched: and(cost.stretched), ..cost }
}

/// What may not be sent twice is asked after, following each attempt: as often as there may be attempts, and once when it has
/// settled. Without a probe the first attempt that may have happened is the last. Time, stretched time, probes.
fn asked_after(step: &CallStep, attempts: u32, each: Duration) -> (Duration, Duration, u64) {
    let Some(probe) = step.probe.as_ref().filter(|_| !step.idempotent) else {
        return (Duration::ZERO, Duration::ZERO, 0);
    };
    let retry = &step.action.retry;
    let probes = attempts.saturating_add(1);
    let once = probe.call.timeout.unwrap_or(each).saturating_mul(probes).saturating_add(probe.settle(each));
    let time = once.saturating_add(waits(retry, probes)).saturating_mul(attempts);
    let stretched = once.saturating_add(retry.max_backoff.saturating_mul(probes)).saturating_mul(attempts);
    (time, stretched, u64::from(attempts).saturating_mul(probes.into()))
}

/// The most calls that a step makes, each counted once.
struct Calls {
    there: usize,
    undone: usize,
    /// When it is what fails: a call has been made, a child has undone itself.
    failed: usize,
}

impl Calls {
    fn of(step: &Step, here: &Here<'_>) -> Self {
        let one = match &step.kind {
            Kind::Call(_) => Self { there: 1, undone: usize::from(matches!(step.undo(), Undo::Call(_))), failed: 1 },
            Kind::Saga(child) => match here.child(&child.name) {
                Some(child) => Self { there: child.there, undone: child.undone, failed: child.calls },
                None => Self { there: 0, undone: 0, failed: 0 },
            },
            Kind::Wait(_) => Self { there: 0, undone: 0, failed: 0 },
        };
        let times = |calls: usize| calls.saturating_mul(items_of(step));
        Self { there: times(one.there), undone: times(one.undone), failed: times(one.failed) }
    }
}

/// As many as there may be.
fn items_of(step: &Step) -> usize {
    if step.each().is_some() { limits::ITEMS } else { 1 }
}

fn unknown_timeout(step: &Step, timeout: &ServiceTimeout<'_>) -> Option<ServiceName> {
    let action = &step.call()?.action;
    let service = &action.service;
    (action.timeout.is_none() && timeout(service).is_none()).then(|| service.clone())
}

/// All waits between so many attempts, without jitter, which only shortens them.
fn waits(retry: &Retry, attempts: u32) -> Duration {
    let (mut total, mut wait, most) = (0.0, retry.backoff.as_secs_f64(), retry.max_backoff.as_secs_f64());
    for _ in 1..attempts {
        total += wait.min(most);
        wait = (wait * retry.factor).min(most);
    }
    Duration::try_from_secs_f64(total).unwrap_or(Duration::MAX)
}
