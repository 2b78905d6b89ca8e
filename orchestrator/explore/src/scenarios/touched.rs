//! What could befall the steps of a saga, and what of it scenarios try.

use std::collections::BTreeMap;

use amends_core::{
    definition::{Definition, Kind, Side, Step, Undo, Wait},
    ids::{Op, ServiceName},
    scenario::Asked,
};
use serde::Serialize;

/// Something befell a step of a saga.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Touch {
    /// The definition's name.
    pub saga: String,
    pub step: String,
    /// `action`, `compensate`, `probe`, or `await` for what befalls one that waits.
    pub op: &'static str,
    /// As it is written in a scenario.
    pub fault: &'static str,
}

impl Touch {
    pub fn of(saga: &str, step: &str, op: &'static str, fault: &'static str) -> Self {
        Self { saga: saga.to_owned(), step: step.to_owned(), op, fault }
    }
}

/// Something that could befall a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub step: String,
    pub op: &'static str,
    pub fault: &'static str,
    /// So many scenarios bring it about.
    pub scenarios: u32,
}

/// What befell whom, over all scenarios.
#[derive(Clone, Debug, Default)]
pub struct Touched(BTreeMap<Touch, u32>);

impl Touched {
    /// What befell whom in one scenario.
    pub fn add(&mut self, touched: &[Touch]) {
        let mut once: Vec<&Touch> = touched.iter().collect();
        once.sort_unstable();
        once.dedup();
        for touch in once {
            *self.0.entry(touch.clone()).or_default() += 1;
        }
    }

    /// All that could befall a saga, and how many scenarios bring it about.
    pub fn of(&self, definition: &Definition) -> Vec<Cell> {
        let scenarios = |cell: &Cell| {
            self.0.get(&Touch::of(&definition.name, &cell.step, cell.op, cell.fault)).copied().unwrap_or_default()
        };
        cells(definition).into_iter().map(|cell| Cell { scenarios: scenarios(&cell), ..cell }).collect()
    }
}

/// A definite no.
const NO: [&str; 1] = ["reject"];
const IN_BETWEEN: [&str; 4] = ["fail", "lose: request", "lose: reply", "delay"];
/// A copy of a question changes nothing.
const COPIES: [&str; 1] = ["duplicate"];
const NOBODY_LISTENS: [&str; 1] = ["lose: connection"];
const CALLED_BACK: [&str; 2] = ["callback: later", "callback: early"];
const NOT_CALLED_BACK: [&str; 2] = ["callback: reject", "no callback"];

/// All that could befall a saga and let it come to an end, in the order of its steps: a no to what cannot fail any more, or to a
/// compensation, waits for a person, and there is none in scenarios. A step that runs a child has what its child has, and nothing else.
pub fn cells(definition: &Definition) -> Vec<Cell> {
    let mut cells = Vec::new();
    for step in &definition.steps {
        let can_fail = step.side != Side::After;
        let mut add = |op: &'static str, faults: &[&'static str]| {
            let of = |fault: &&'static str| Cell { step: step.name.to_string(), op, fault, scenarios: 0 };
            cells.extend(faults.iter().map(of));
        };
        match &step.kind {
            Kind::Call(call) => {
                let action = Asked::Action.as_str();
                if can_fail {
                    add(action, &NO);
                }
                add(action, &IN_BETWEEN);
                add(action, &COPIES);
                if can_fail && is_first_to_call(definition, step) {
                    add(action, &NOBODY_LISTENS);
                }
                if call.verdict_within.is_some() {
                    add(action, &CALLED_BACK);
                    add(action, if can_fail { &NOT_CALLED_BACK } else { &[] });
                }
                if matches!(call.undo, Undo::Call(_)) {
                    add(Asked::Compensate.as_str(), &IN_BETWEEN);
                    add(Asked::Compensate.as_str(), &COPIES);
                }
                if call.probe.is_some() {
                    add(Asked::Probe.as_str(), &NO);
                    add(Asked::Probe.as_str(), &IN_BETWEEN);
                }
            }
            Kind::Wait(Wait::Signal(_)) if can_fail => add("await", &["no signal", "cancel"]),
            Kind::Wait(Wait::Sleep(_) | Wait::Until(_)) if can_fail => add("await", &["cancel"]),
            Kind::Wait(_) => {}
            Kind::Saga(_) => {}
        }
    }
    cells
}

/// As a scenario must be: where nobody listens at a service, nobody may have to call it before.
fn is_first_to_call(definition: &Definition, step: &Step) -> bool {
    let service = |step: &Step| -> Option<ServiceName> { step.call_of(Op::Action).map(|call| call.service.clone()) };
    !step.ancestors.iter().any(|before| service(&definition.steps[*before]) == service(step))
}
