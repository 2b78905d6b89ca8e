//! A plan as the text that [`super::parse`] reads: for plans that a program makes.

use std::fmt::Write as _;

use serde_json::Value;

use super::model::{Again, Attempts, Fault, FaultPlan, Rule};
use crate::definition::write_duration;

/// One line for each rule. Reading it gives the same plan.
pub fn write(plan: &FaultPlan) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    if plan.seed != 0 {
        let _ = writeln!(text, "seed: {}", plan.seed);
    }
    text.push_str("rules:\n");
    for rule in &plan.rules {
        let entries: Vec<String> = entries(rule).iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let _ = writeln!(text, "  - {{ {} }}", entries.join(", "));
    }
    text
}

/// Values as JSON, which is YAML.
fn entries(rule: &Rule) -> Vec<(&'static str, Value)> {
    let mut entries = vec![("name", rule.name.as_str().into())];
    entries.extend(rule.service.as_ref().map(|service| ("service", service.as_str().into())));
    entries.extend(rule.saga.as_ref().map(|saga| ("saga", saga.as_str().into())));
    entries.extend(rule.step.as_ref().map(|step| ("step", step.as_str().into())));
    entries.extend(rule.op.map(|op| ("op", op.as_str().into())));
    if !rule.labels.is_empty() {
        entries.push(("label", Value::Object(rule.labels.clone())));
    }
    entries.extend(rule.attempts.map(|attempts| match attempts {
        Attempts::First(most) => ("attempts", most.into()),
        Attempts::Only(one) => ("attempt", one.into()),
    }));
    if rule.probability < 1.0 {
        entries.push(("probability", rule.probability.into()));
    }
    entries.extend(rule.count.map(|count| ("count", count.into())));
    entries.push((rule.fault.as_str(), fault(&rule.fault)));
    entries
}

fn fault(fault: &Fault) -> Value {
    match fault {
        Fault::Delay(delay) => write_duration(*delay).into(),
        Fault::Refuse | Fault::Cut => true.into(),
        Fault::LoseRequest => "request".into(),
        Fault::LoseReply => "reply".into(),
        Fault::Reject(status) | Fault::Fail(status) | Fault::Status(status) => (*status).into(),
        Fault::Body(body) => body.clone(),
        Fault::Duplicate(times) => (*times).into(),
        Fault::Replay(Again::After(after)) => write_duration(*after).into(),
        Fault::Replay(Again::AfterCompensation) => "compensation".into(),
        Fault::Abort(point) => point.as_str().into(),
    }
}
