//! How long the forward path can take and how many calls it can make, from the text alone.
//!
//! Who asks: `amends check`, to print it, and the lint on deadlines.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
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
    /// Sagas that it runs as children, whose cost is not counted in.
    pub children: Vec<Arc<str>>,
}

/// The most that one step before the pivot costs.
pub(super) struct Cost {
    pub(super) duration: Option<Duration>,
    pub(super) stretched: Option<Duration>,
    pub(super) requests: Option<u64>,
}

impl Definition {
    /// The most that a saga of this definition can cost.
    pub fn worst_case(&self, timeout: &ServiceTimeout<'_>) -> WorstCase {
        let before = |step: &&Step| step.side == Side::Before;
        let costs: BTreeMap<StepIx, Cost> = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| before(step))
            .map(|(ix, step)| (ix, of_step(step, timeout)))
            .collect();
        let (forward, way) = self.longest(&costs, |cost| cost.duration);
        let (stretched, _) = self.longest(&costs, |cost| cost.stretched);
        let requests = costs.values().map(|cost| cost.requests).sum();
        let there: usize = self.steps.iter().filter(before).map(calls_of).sum();
        let undone: usize =
            self.steps.iter().filter(before).filter(|step| matches!(step.undo(), Undo::Call(_))).map(calls_of).sum();
        let forward_calls = self.steps.iter().map(calls_of).sum();
        // Undone is what failed at the pivot: its own call has been made, those behind it have not.
        let has_pivot = self.steps.iter().any(|step| step.side == Side::Pivot);
        let back = there + usize::from(has_pivot) + undone;
        let mut not_counted: Vec<ServiceName> =
            self.steps.iter().filter(before).filter_map(|step| unknown_timeout(step, timeout)).collect();
        not_counted.sort();
        not_counted.dedup();
        let mut children: Vec<Arc<str>> = self.children().map(|(_, child)| child.name.clone()).collect();
        children.sort();
        children.dedup();
        WorstCase {
            forward,
            stretched,
            way,
            requests,
            calls: back.max(forward_calls),
            not_counted,
            has_pivot,
            locks: !self.locks.is_empty(),
            children,
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
fn of_step(step: &Step, timeout: &ServiceTimeout<'_>) -> Cost {
    let one = of_one(step, timeout);
    let Some(each) = step.each() else { return one };
    let items = calls_of(step);
    let rounds = u32::try_from(items).unwrap_or(u32::MAX).div_ceil(each.concurrency.max(1));
    let all = |duration: Option<Duration>| duration.map(|duration| duration.saturating_mul(rounds));
    Cost {
        duration: all(one.duration),
        stretched: all(one.stretched),
        requests: one.requests.map(|requests| requests.saturating_mul(items as u64)),
    }
}

/// What it costs with one item.
pub(super) fn of_one(step: &Step, timeout: &ServiceTimeout<'_>) -> Cost {
    let waits = |duration| Cost { duration, stretched: duration, requests: Some(0) };
    match &step.kind {
        Kind::Call(call) => with_verdict(of_call(call, timeout), call.verdict_within),
        // What it costs its own definition says: it is not counted in.
        Kind::Saga(_) => waits(Some(Duration::ZERO)),
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

/// The most calls a step makes, each counted once.
fn calls_of(step: &Step) -> usize {
    step.call().map_or(0, |call| if call.each.is_some() { limits::ITEMS } else { 1 })
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
