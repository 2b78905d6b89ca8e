//! The same for programs.

use amends_explore::mermaid;
use serde_json::{Value, json};

use super::{Explored, verdict};

pub(super) fn of(all: &[Explored], diagrams: bool) -> Value {
    all.iter().map(|one| definition(one, diagrams)).collect()
}

fn definition(one: &Explored, diagrams: bool) -> Value {
    let findings: Vec<Value> = one
        .found()
        .map(|(found, story)| {
            let mut view = json!({
                "code": found.code.as_str(),
                "severity": found.severity,
                "saga": found.saga.as_deref().unwrap_or(&one.saga),
                "step": found.step,
                "message": found.message,
                "hint": found.code.hint(),
                "faults": found.faults,
                "allowed": one.is_allowed(found),
                "story": story,
                "trace": found.trace,
            });
            if diagrams {
                view["mermaid"] = mermaid(story).into();
            }
            view
        })
        .collect();
    let idle = |rule: &str| one.idle.iter().find(|idle| idle.rule == rule).map(|idle| idle.why.as_str());
    let plan: Vec<Value> =
        one.fired().map(|(rule, times)| json!({ "rule": rule, "fired": times, "idle": idle(rule) })).collect();
    json!({
        "file": one.file,
        "saga": one.saga,
        "verdict": verdict(one.verdict()),
        "incomplete": one.report.incomplete,
        "faults": one.faults,
        "complete_to": one.report.complete_to,
        "totals": one.report.totals,
        "findings": findings,
        "coverage": one.report.coverage.rows(),
        "untouched": one.report.coverage.untouched(),
        "inputs": one.inputs,
        "services_not_in_the_catalogue": one.unknown,
        "plan": plan,
    })
}
