//! The faults of a scenario as a plan, rule for fault.

use amends_core::{
    faults::{self, Asked, Attempts, FaultPlan, Rule},
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
        labels: serde_json::Map::new(),
        // Probes ask after an attempt, and have no number of their own.
        attempts: fault.attempts.filter(|_| !probe).map(Attempts::First),
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

#[cfg(test)]
mod tests {
    use amends_core::{definition::Definition, scenario::parse};

    use super::*;

    #[test]
    fn each_fault_is_a_rule_in_its_place() {
        let saga = "saga: s\nsteps:\n  a: { call: x POST /a, idempotent: false, probe: x GET /a, compensate: { call: x POST /u } }\n";
        let faults = "[{ step: a, lose: connection }, { step: a, lose: reply }, { step: a, op: compensate, fail: 503, attempts: all }, \
                      { step: a, op: probe, reject: 404, attempts: 2 }, { step: a, duplicate: 3, attempts: 4 }]";
        let file = format!("scenarios: [{{ name: n, faults: {faults}, expect: {{ status: completed }} }}]\n");
        let file = parse(&file, &Definition::parse(saga, None).expect("a definition")).expect("scenarios");
        let plan = of(&file.scenarios[0]);
        let rules: Vec<_> = plan.rules.iter().map(|rule| (rule.op, rule.attempts, rule.count, &rule.fault)).collect();
        assert_eq!(
            rules,
            [
                (Some(Asked::Action), None, None, &faults::Fault::Refuse),
                (Some(Asked::Action), Some(Attempts::First(1)), None, &faults::Fault::LoseReply),
                (Some(Asked::Compensate), None, None, &faults::Fault::Fail(503)),
                (Some(Asked::Probe), None, Some(2), &faults::Fault::Reject(404)),
                (Some(Asked::Action), Some(Attempts::First(4)), None, &faults::Fault::Duplicate(2)),
            ]
        );
    }
}
