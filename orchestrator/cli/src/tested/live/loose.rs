//! What is not compared with real services: their own word. Whatever a file says that models reply, they may say otherwise, so a value
//! that stands in `replies` fits everything where it is expected again.

use amends_core::{ids::StepName, scenario::Scenario};
use serde_json::Value;

/// The same scenario, expecting no more of services than that they answer.
pub(super) fn own_word(scenario: &Scenario, replies: &[(StepName, Value)]) -> Scenario {
    let mut words = Vec::new();
    replies.iter().for_each(|(_, reply)| gather(reply, &mut words));
    let mut scenario = scenario.clone();
    if let Some(output) = &mut scenario.expect.output {
        loosen(output, &words);
    }
    scenario.expect.bodies.values_mut().for_each(|body| loosen(body, &words));
    scenario
}

fn gather<'v>(value: &'v Value, words: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        Value::Object(map) => map.values().for_each(|value| gather(value, words)),
        Value::String(_) | Value::Number(_) => words.push(value),
        Value::Null | Value::Bool(_) => {}
    }
}

fn loosen(value: &mut Value, words: &[&Value]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| loosen(item, words)),
        Value::Object(map) => map.values_mut().for_each(|value| loosen(value, words)),
        other if words.contains(&&*other) => *other = "*".into(),
        _ => {}
    }
}
