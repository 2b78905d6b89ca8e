//! What a saga is started with: a text `now + 2s` in it becomes that time.

use serde_json::Value;

use crate::{definition::parse_duration, time::Time};

/// Before a duration.
pub(super) const NOW: &str = "now + ";

/// The input of a run that begins now.
pub fn at_times(input: &Value, now: Time) -> Value {
    match input {
        Value::String(text) => match text.strip_prefix(NOW).map(parse_duration) {
            Some(Ok(later)) => (now + later).to_rfc3339().into(),
            // Of texts in files it has been said that they are none.
            Some(Err(_)) | None => input.clone(),
        },
        Value::Array(items) => items.iter().map(|item| at_times(item, now)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), at_times(value, now))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_from_now_on_becomes_that_time_wherever_it_stands() {
        let input = json!({ "a": ["now + 2s", "now"], "b": 1 });
        assert_eq!(at_times(&input, Time(0)), json!({ "a": ["1970-01-01T00:00:02.000000Z", "now"], "b": 1 }));
    }
}
