//! Who is told of what happens to sagas, by a request for each event.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::EventType;

/// Asks for events to be told to a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRequest {
    /// Where; the server's configuration must allow it.
    #[schema(example = "https://hooks.example.com/amends", max_length = 2000)]
    pub url: String,
    /// What signs each request: one or two secrets of the server's configuration, by name (two while one replaces the other).
    #[schema(example = json!(["secret:orders-hook"]), min_items = 1, max_items = 2)]
    pub secrets: Vec<String>,
    /// Only of sagas of these definitions; empty means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub names: Vec<String>,
    /// Only events of these types; empty means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub types: Vec<EventType>,
    /// From where on.
    #[serde(default)]
    pub from: WebhookFrom,
}

/// With which events a webhook begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFrom {
    /// With those to come.
    #[default]
    Now,
    /// With all that are kept.
    Beginning,
}

/// Where events are told, and how that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    pub id: Uuid,
    pub url: String,
    /// By name.
    pub secrets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<EventType>,
    pub status: WebhookStatus,
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<DateTime<Utc>>,
    /// Events that were told. Told again counts again.
    pub delivered: u64,
    /// Requests that did not succeed.
    pub failed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivered_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<WebhookErrorView>,
    /// Transactions with events that it has not come to yet.
    pub backlog: u64,
    /// Sagas of which an event could not be told yet; those behind it wait, those of other sagas do not.
    pub blocked_sagas: u64,
    /// Events of theirs.
    pub blocked_events: u64,
    /// Events that can never be told here: their sagas were purged, or they were dropped.
    pub missed: u64,
}

/// How it goes with a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookStatus {
    /// It is told what happens.
    Active,
    /// Somebody paused it, or it said that it is gone (410).
    Paused,
    /// As many sagas are blocked as may be: nothing new is told until one of them gets on.
    Stalled,
    /// It was behind for longer than events are held for anybody: it is told nothing until it is resumed, and then what happens from
    /// then on.
    Expired,
}

impl WebhookStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Stalled => "stalled",
            Self::Expired => "expired",
        }
    }
}

/// The last request that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookErrorView {
    pub at: DateTime<Utc>,
    /// The event's id.
    pub event: String,
    pub reason: String,
}

/// All webhooks; there are at most a hundred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    pub items: Vec<WebhookView>,
}

/// What came of an event that somebody sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookAnswer {
    /// The saga that it started, now or before.
    pub saga: Uuid,
    /// `false`: it had started it before.
    pub created: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_spelled_as_they_are_serialised() {
        for status in [WebhookStatus::Active, WebhookStatus::Paused, WebhookStatus::Stalled, WebhookStatus::Expired] {
            assert_eq!(json!(status), json!(status.as_str()));
        }
    }
}
