//! A plan's rules in virtual time: they befall the attempts that they would befall in a server, and cost no fault.
//!
//! Why it exists: whoever has a plan wants to know what else may go wrong beside it, and whoever has found something wants to see
//! that this plan brings it about.
//!
//! A rule counts over a whole run, with all sagas of its family. The plan outlives the process that dies of it, so an `abort`
//! without a `count` kills once a run. A rule that would befall every attempt of a call is over when a person was asked to look, or
//! after a while, like every outage here.
//!
//! **It must never know** which faults are tried beside it.

use std::cell::RefCell;

use amends_core::{
    event::{Recorded, Started},
    faults::{Asked, Attempted, Fault, FaultPlan, Moment, Rule, Saga, at_commit, chosen},
    ids::{Op, SagaId},
    state::Phase,
};

use crate::{
    choices::healed,
    model::{Key, Model},
    node::{Flight, Node},
    story::Line,
};

/// After so many probes without a verdict the plan lets one pass.
const PROBES_MOST: u32 = 64;
/// Nothing new is seen when a process dies of one rule more often.
const DEATHS_MOST: u64 = 16;

/// A plan that is played, and how far a run has used it.
pub(crate) struct Given {
    plan: FaultPlan,
    /// There are rules about commits.
    commits: bool,
    /// Of the moment that is looked at: so often each rule has befallen an attempt, up to where more makes no difference.
    spent: RefCell<Box<[u32]>>,
    /// So often it did in all runs together; what runs share is counted once.
    fired: RefCell<Box<[u64]>>,
}

impl Given {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        let commits = plan.rules.iter().any(|rule| rule.fault.moment() != Moment::Call);
        let (spent, fired) = (vec![0; plan.rules.len()].into(), vec![0; plan.rules.len()].into());
        Self { plan, commits, spent: RefCell::new(spent), fired: RefCell::new(fired) }
    }

    pub(crate) fn spent(&self) -> Box<[u32]> {
        self.spent.borrow().clone()
    }

    pub(crate) fn look_at(&self, spent: &[u32]) {
        self.spent.borrow_mut().copy_from_slice(spent);
    }

    pub(crate) fn begin(&self) {
        self.spent.borrow_mut().fill(0);
    }

    /// How often each rule has fired since.
    pub(crate) fn take_fired(&self) -> Vec<u64> {
        let none = vec![0; self.plan.rules.len()].into();
        self.fired.replace(none).into_vec()
    }

    fn is_open(&self, number: usize) -> bool {
        most(&self.plan.rules[number]).is_none_or(|most| u64::from(self.spent.borrow()[number]) < most)
    }

    /// The rule befalls an attempt.
    fn take(&self, number: usize) -> Fault {
        let rule = &self.plan.rules[number];
        // Of what may befall as many as it likes it matters only whether it did.
        let most = u32::try_from(most(rule).unwrap_or(1)).unwrap_or(u32::MAX);
        let mut spent = self.spent.borrow_mut();
        spent[number] = spent[number].saturating_add(1).min(most);
        self.fired.borrow_mut()[number] += 1;
        rule.fault.clone()
    }
}

/// So often a rule may befall an attempt in one run.
fn most(rule: &Rule) -> Option<u64> {
    match rule.fault {
        Fault::Abort(_) => Some(rule.count.unwrap_or(1).min(DEATHS_MOST)),
        _ => rule.count,
    }
}

/// It would befall every attempt of a call.
fn lasts(rule: &Rule) -> bool {
    rule.attempts.is_none() && most(rule).is_none()
}

/// The rule under which an attempt falls that is on the wire.
pub(crate) fn of_flight(model: &Model<'_>, node: &Node, flight: Flight) -> Option<usize> {
    let given = model.given.as_ref()?;
    let asked = match flight.key.op {
        Op::Action => Asked::Action,
        Op::Compensate => Asked::Compensate,
    };
    let attempted = attempted(model, node, flight.key, (asked, flight.attempt));
    let (number, rule) = chosen(&given.plan, Moment::Call, &attempted, |number| given.is_open(number))?;
    (!lasts(rule) || !healed(model, node, flight)).then_some(number)
}

/// The rule under which a probe falls that is due.
pub(crate) fn of_probe(model: &Model<'_>, node: &Node, key: Key) -> Option<usize> {
    let given = model.given.as_ref()?;
    let (_, attempt) = *node.look.probes.iter().find(|(known, _)| *known == key)?;
    let attempted = attempted(model, node, key, (Asked::Probe, attempt));
    let (number, rule) = chosen(&given.plan, Moment::Call, &attempted, |number| given.is_open(number))?;
    let call = model.call_id(key);
    let asked = node.state.call(&call).map_or(0, |call| match call.phase {
        Phase::Probing(probing) => probing.asked,
        _ => 0,
    });
    let healed = node.state.attention.contains_key(&call) || asked > PROBES_MOST;
    (!lasts(rule) || !healed).then_some(number)
}

fn attempted<'a>(model: &'a Model<'_>, node: &'a Node, key: Key, (op, attempt): (Asked, u32)) -> Attempted<'a> {
    let step = &model.truth.steps[usize::from(key.unit.step)];
    Attempted {
        // A probe goes where the action went.
        service: model.service(key).name.as_str(),
        saga: node.state.saga.0,
        name: &node.state.started.name,
        step: step.name.as_str(),
        index: key.unit.item.map(u32::from),
        op,
        attempt,
        labels: &node.state.started.labels,
    }
}

/// Takes what the rule says, and tells it.
pub(crate) fn take(model: &Model<'_>, node: &Node, number: usize) -> Option<Fault> {
    let given = model.given.as_ref()?;
    model.tell(|| Line::note(node.now, format!("as planned: {}", given.plan.rules[number].name)));
    Some(given.take(number))
}

/// The name of a rule.
pub(crate) fn name<'a>(model: &'a Model<'_>, number: Option<usize>) -> &'a str {
    let rule = number.and_then(|number| model.given.as_ref()?.plan.rules.get(number));
    rule.map(|rule| rule.name.as_str()).unwrap_or_default()
}

/// Rules may be about commits.
pub(crate) fn is_about_commits(model: &Model<'_>) -> bool {
    model.given.as_ref().is_some_and(|given| given.commits)
}

/// Whether a process dies at one of these moments of a commit.
pub(crate) fn dies(
    model: &Model<'_>,
    moments: &[Moment],
    (id, started): (SagaId, &Started),
    node: Option<&Node>,
    events: &[Recorded],
) -> bool {
    let Some(given) = model.given.as_ref().filter(|given| given.commits) else { return false };
    let of = Saga { id, definition: model.truth, started };
    let rule = moments.iter().find_map(|moment| {
        let fits = at_commit(&given.plan, *moment, of, events, |number| given.is_open(number));
        fits.map(|(number, rule, _)| (number, rule))
    });
    let Some((number, rule)) = rule else { return false };
    if let Some(node) = node {
        model.tell(|| Line::note(node.now, format!("as planned: {}", rule.name)));
    }
    given.take(number);
    true
}
