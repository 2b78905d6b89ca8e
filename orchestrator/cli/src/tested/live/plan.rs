//! The faults of a scenario as a plan, rule for fault.

use amends_core::{
    faults::{self, Asked, FaultPlan, Rule},
    scenario::{self, Fault, Scenario, Wrong},
};

pub(super) fn of(scenario: &Scenario) -> FaultPlan {
    FaultPlan { seed: 0, rules: scenario.faults.iter().map(rule).collect() }
}

fn rule(fault: &Fault) -> Rule {
    let (op, probe) = match fault.of {
        scenario::Asked::Action => (Asked::Action, false),
        scenario::Asked::Compensate => (Asked::Compensate, false),
        scenario::Asked::Probe => (Asked::Probe, true),
    };
    Rule {
        name: fault.what.as_str().to_owned(),
        service: None,
        saga: None,
        step: Some(fault.step.clone()),
        op: Some(op),
        // Probes ask after an attempt, and have no number of their own.
        attempts: fault.attempts.filter(|_| !probe),
        probability: 1.0,
        count: fault.attempts.filter(|_| probe).map(u64::from),
        fault: match fault.what {
            Wrong::Reject(status) => faults::Fault::Reject(status),
            Wrong::Fail(status) => faults::Fault::Fail(status),
            Wrong::LoseRequest => faults::Fault::LoseRequest,
            Wrong::LoseReply => faults::Fault::LoseReply,
            Wrong::LoseConnection => faults::Fault::Refuse,
            Wrong::Duplicate(copies) => faults::Fault::Duplicate(copies.saturating_sub(1)),
            Wrong::Delay(delay) => faults::Fault::Delay(delay),
        },
    }
}
