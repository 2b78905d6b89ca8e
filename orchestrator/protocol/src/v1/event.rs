//! What the world hears of sagas: CloudEvents 1.0.
//!
//! A type's name is past tense and has a version. What a version says is not changed any more; data may grow fields.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AttentionReason, CauseKind, Op, SagaStatus};

/// Of every event of ours.
pub const SPEC_VERSION: &str = "1.0";

/// A turn in the life of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum EventType {
    /// It is there.
    #[serde(rename = "amends.saga.started.v1")]
    SagaStarted,
    /// From here on it is undone; `cause` says why.
    #[serde(rename = "amends.saga.compensating.v1")]
    SagaCompensating,
    /// It ended: the forward path is done; `output` is the definition's.
    #[serde(rename = "amends.saga.completed.v1")]
    SagaCompleted,
    /// It ended: everything that may have happened is undone.
    #[serde(rename = "amends.saga.compensated.v1")]
    SagaCompensated,
    /// A person has to look at the call in `attention`.
    #[serde(rename = "amends.saga.attention_raised.v1")]
    AttentionRaised,
    /// Nobody has to look any more.
    #[serde(rename = "amends.saga.attention_cleared.v1")]
    AttentionCleared,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SagaStarted,
        Self::SagaCompensating,
        Self::SagaCompleted,
        Self::SagaCompensated,
        Self::AttentionRaised,
        Self::AttentionCleared,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SagaStarted => "amends.saga.started.v1",
            Self::SagaCompensating => "amends.saga.compensating.v1",
            Self::SagaCompleted => "amends.saga.completed.v1",
            Self::SagaCompensated => "amends.saga.compensated.v1",
            Self::AttentionRaised => "amends.saga.attention_raised.v1",
            Self::AttentionCleared => "amends.saga.attention_cleared.v1",
        }
    }

    /// The name read back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An event, as CloudEvents 1.0 writes it in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Always `1.0`.
    pub specversion: String,
    /// The same whenever it is told: what comes again under this id came before.
    pub id: String,
    /// Who tells it, as the server's configuration says.
    pub source: String,
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The saga.
    pub subject: String,
    /// When it was decided.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    pub datacontenttype: String,
    pub data: EventData,
}

/// What an event says of its saga.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventData {
    pub saga: Uuid,
    /// The name of its definition.
    pub name: String,
    pub version: u32,
    /// Where it stands from then on; absent where the event says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SagaStatus>,
    pub labels: BTreeMap<String, Value>,
    /// Whose child it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    /// The definition's `output`, of one that completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why there is none, if it could not be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_error: Option<String>,
    /// Why it is undone, of one that turned back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseKind>,
    /// At what a person has to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<EventAttention>,
}

/// A call that a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventAttention {
    pub step: String,
    pub op: Op,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    pub reason: AttentionReason,
    pub detail: String,
}

/// What a stream says where it cannot tell everything that has happened since the place it was asked to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventGap {
    pub reason: GapReason,
    /// In words.
    pub detail: String,
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The place is older than what is kept of events.
    TooOld,
    /// Sagas were purged before they were told of here.
    Purged,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_events_are_frozen() {
        let names = [
            "amends.saga.started.v1",
            "amends.saga.compensating.v1",
            "amends.saga.completed.v1",
            "amends.saga.compensated.v1",
            "amends.saga.attention_raised.v1",
            "amends.saga.attention_cleared.v1",
        ];
        assert_eq!(EventType::ALL.map(EventType::as_str), names);
        for kind in EventType::ALL {
            assert_eq!(json!(kind), json!(kind.as_str()));
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(EventType::parse("amends.saga.started.v2"), None);
    }

    #[test]
    fn an_event_is_spelled_as_cloudevents_says() {
        let event = EventView {
            specversion: SPEC_VERSION.into(),
            id: "0198ad2e-0000-7000-8000-000000000001:9".into(),
            source: "/amends".into(),
            kind: EventType::SagaCompensating,
            subject: "0198ad2e-0000-7000-8000-000000000001".into(),
            time: DateTime::from_timestamp_micros(1_795_539_661_000_123).expect("a time"),
            datacontenttype: "application/json".into(),
            data: EventData {
                saga: Uuid::from_u128(0x0198_ad2e_0000_7000_8000_0000_0000_0001),
                name: "place-order".into(),
                version: 3,
                status: Some(SagaStatus::Compensating),
                labels: BTreeMap::from([("customer".to_owned(), json!("c-7"))]),
                parent: None,
                output: None,
                output_error: None,
                cause: Some(CauseKind::Cancelled { reason: None }),
                attention: None,
            },
        };
        let wire = serde_json::to_value(&event).expect("serialisable");
        assert_eq!(
            wire,
            json!({
                "specversion": "1.0",
                "id": "0198ad2e-0000-7000-8000-000000000001:9",
                "source": "/amends",
                "type": "amends.saga.compensating.v1",
                "subject": "0198ad2e-0000-7000-8000-000000000001",
                "time": "2026-11-24T17:01:01.000123Z",
                "datacontenttype": "application/json",
                "data": {
                    "saga": "0198ad2e-0000-7000-8000-000000000001",
                    "name": "place-order",
                    "version": 3,
                    "status": "compensating",
                    "labels": { "customer": "c-7" },
                    "cause": { "kind": "cancelled" },
                },
            })
        );
        assert_eq!(serde_json::from_value::<EventView>(wire).expect("readable"), event);
    }
}
