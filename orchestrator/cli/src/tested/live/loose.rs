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

#[cfg(test)]
mod tests {
    use amends_core::{definition::Definition, scenario::parse};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_models_reply_fits_everything_and_the_rest_is_compared() {
        let saga = "saga: s\nsteps:\n  a: { call: x POST /a, compensate: { call: x POST /u } }\n";
        let file = "replies: { a: { id: R-1, more: [7, true] } }\nscenarios:\n  - name: n\n    expect:\n      \
                    status: completed\n      output: { id: R-1, other: R-2, list: [{ n: 7 }, 8, true] }\n      \
                    bodies: { a: { of: R-1, by: ada } }\n";
        let definition = Definition::parse(saga, None).expect("a definition");
        let file = parse(file, &definition).expect("scenarios");
        let expect = own_word(&file.scenarios[0], &file.replies).expect;
        assert_eq!(expect.output, Some(json!({ "id": "*", "other": "R-2", "list": [{ "n": "*" }, 8, true] })));
        assert_eq!(expect.bodies["a"], json!({ "of": "*", "by": "ada" }));
    }
}
