//! What a participant says later of a call that it accepted.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The verdict on a call that was answered with 202.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum CallbackRequest {
    /// It happened.
    Succeeded {
        /// As the body of an answer: the step computes its `output` from it.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        body: Value,
    },
    /// A definite no: it did not happen, and will not.
    Rejected {
        /// Why; shown to people, at most 1000 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(max_length = 1000)]
        reason: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn verdicts_are_spelled_as_participants_write_them() {
        let succeeded = CallbackRequest::Succeeded { body: json!({ "tracking": "7" }) };
        assert_eq!(json!(succeeded), json!({ "outcome": "succeeded", "body": { "tracking": "7" } }));
        let rejected = CallbackRequest::Rejected { reason: Some("full".to_owned()) };
        assert_eq!(json!(rejected), json!({ "outcome": "rejected", "reason": "full" }));
        let read = |value| serde_json::from_value::<CallbackRequest>(value);
        assert_eq!(read(json!(succeeded)).expect("readable"), succeeded);
        assert_eq!(
            read(json!({ "outcome": "succeeded" })).expect("readable"),
            CallbackRequest::Succeeded { body: Value::Null }
        );
        for bad in [
            json!({ "outcome": "perhaps" }),
            json!({ "body": {} }),
            json!({ "outcome": "succeeded", "reason": "why" }),
            json!({ "outcome": "rejected", "body": {} }),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
