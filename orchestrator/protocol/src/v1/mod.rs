//! The bodies of `/v1`. snake_case; times are RFC 3339 in UTC; what is not there is left out.
//!
//! Requests refuse fields they do not know; answers may grow new ones, and a client must live with them.

mod callback;
mod definition;
mod event;
mod family;
mod fault;
mod health;
mod lock;
mod node;
mod page;
mod saga;
mod start;
mod step;
mod webhook;

pub use callback::CallbackRequest;
pub use definition::{
    CheckAnswer, DefinitionChange, DefinitionView, Diagnostic, DiffAnswer, RegisterAnswer, Severity, StartChange,
};
pub use event::{EventAttention, EventData, EventGap, EventType, EventView, GapReason, SPEC_VERSION};
pub use family::{ChildStatus, ChildView, ChildrenView, ParentView};
pub use fault::{FaultRuleView, FaultsView};
pub use health::{Live, Ready, Version};
pub use lock::{HeldLock, LockStatus, LockView, QueuedSaga};
pub use node::NodeView;
pub use page::{HistoryEntry, Page};
pub use saga::{
    AttentionReason, AttentionView, CauseKind, CauseView, Failure, Op, SagaItem, SagaResult, SagaStatus, SagaView,
    UnreadableView,
};
pub use start::{CancelRequest, StartRequest};
pub use step::{
    AttemptOutcome, AttemptView, CallView, ItemView, ProbeVerdict, ProbeView, StepStatus, StepView, WaitOutcome,
    WaitView,
};
pub use webhook::{HookAnswer, WebhookErrorView, WebhookFrom, WebhookList, WebhookRequest, WebhookStatus, WebhookView};

use http::HeaderName;

/// In a request: `wait=<seconds>` (RFC 7240) answers when the saga has ended, raised attention, or the time is over.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// In an answer: the preference that was taken up.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// In an answer to a start: `true` if an earlier start under the same key made the saga.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// In a request: 1 to 128 letters, digits, `.`, `_`, `-`. In every answer: the same, or one made new.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest a request is held for `Prefer: wait`.
pub const LONGEST_WAIT_S: u64 = 60;
/// Most items of a page, and how many it has by default.
pub const PAGE_LIMIT_MAX: u32 = 200;
pub const PAGE_LIMIT_DEFAULT: u32 = 50;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn words_are_spelled_as_they_are_serialised() {
        for status in [SagaStatus::Running, SagaStatus::Succeeded, SagaStatus::Abandoned, SagaStatus::Compensating] {
            assert_eq!(json!(status), json!(status.as_str()));
        }
        for status in [StepStatus::CompensationSkipped, StepStatus::Pending, StepStatus::Unresolved] {
            assert_eq!(json!(status), json!(status.as_str()));
        }
        for outcome in [AttemptOutcome::NotSent, AttemptOutcome::Withdrawn, AttemptOutcome::Success] {
            assert_eq!(json!(outcome), json!(outcome.as_str()));
        }
        for outcome in [WaitOutcome::Slept, WaitOutcome::Signalled, WaitOutcome::TimedOut, WaitOutcome::CutShort] {
            assert_eq!(json!(outcome), json!(outcome.as_str()));
        }
    }

    #[test]
    fn a_cause_is_flat_on_the_wire_and_read_back() {
        let cause = CauseView {
            summary: "charge was rejected by payments: 402 insufficient funds".into(),
            kind: CauseKind::StepFailed {
                step: "charge".into(),
                index: None,
                failure: Failure::Rejected,
                reason: "402: insufficient funds".into(),
            },
        };
        let wire = serde_json::to_value(&cause).expect("serialisable");
        assert_eq!(wire["kind"], "step_failed");
        assert_eq!(wire["step"], "charge");
        assert_eq!(serde_json::from_value::<CauseView>(wire).expect("readable"), cause);
    }

    #[test]
    fn requests_refuse_what_they_do_not_know_and_answers_do_not() {
        let request = json!({ "definition": "x", "inptu": {} });
        assert!(serde_json::from_value::<StartRequest>(request).is_err());
        let answer: Result<Page<Value>, _> = serde_json::from_value(json!({ "items": [], "total": 7 }));
        assert!(answer.is_ok());
    }
}
