//! Every error on the wire: a problem (RFC 9457), with the places it is about.
//!
//! **It must never know** which HTTP status a problem has: `api/src/error.rs` chooses that, once for all.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `Content-Type` of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, as the body of every answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Which kind of problem it is: a stable URN, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:amends:problem:unknown-definition")]
    pub kind: String,
    /// The kind in words: the same for all problems of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This one in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The request it happened to: a URN with the request's id, which the server's log carries too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Every place that is wrong, where there are places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemError>,
}

impl Problem {
    /// A problem of this type, without detail.
    pub fn new(kind: ProblemType, status: u16) -> Self {
        Self {
            kind: kind.urn(),
            title: kind.title().to_owned(),
            status,
            detail: None,
            instance: None,
            errors: Vec::new(),
        }
    }

    /// Its type, if this version knows it.
    pub fn problem_type(&self) -> Option<ProblemType> {
        ProblemType::parse(&self.kind)
    }
}

/// One place that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemError {
    /// RFC 6901, into the request's JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/input/quantity")]
    pub pointer: Option<String>,
    /// A stable code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// In a text body; counts from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// In characters; counts from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    pub message: String,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Every type of problem there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemType {
    UnknownRoute,
    MethodNotAllowed,
    InvalidPath,
    InvalidQuery,
    InvalidCursor,
    InvalidHeader,
    UnsupportedMediaType,
    BodyTooLarge,
    BodyTimeout,
    MalformedBody,
    InvalidBody,
    UnknownDefinition,
    DefinitionDisabled,
    DefinitionInUse,
    UnknownSaga,
    InvalidInput,
    InvalidLabels,
    KeyReused,
    TooLate,
    InvalidSignal,
    NotAwaited,
    SagaEnded,
    InvalidToken,
    OtherVerdict,
    CallOver,
    InvalidDefinition,
    FaultsNotAllowed,
    InvalidFaults,
    VersionTaken,
    UnknownEventSource,
    Unsigned,
    InvalidEvent,
    UnknownWebhook,
    InvalidWebhook,
    TooManyWebhooks,
    Overloaded,
    TooManyStreams,
    ShuttingDown,
    StoreUnavailable,
    UnreadableRow,
    Internal,
}

/// The type, the last word of its URN, and its title.
const TYPES: [(ProblemType, &str, &str); 41] = [
    (ProblemType::UnknownRoute, "unknown-route", "There is nothing at this path"),
    (ProblemType::MethodNotAllowed, "method-not-allowed", "This path does not have this method"),
    (ProblemType::InvalidPath, "invalid-path", "A part of the path is not what it should be"),
    (ProblemType::InvalidQuery, "invalid-query", "A query parameter is unknown or not what it should be"),
    (ProblemType::InvalidCursor, "invalid-cursor", "The cursor does not come from this list"),
    (ProblemType::InvalidHeader, "invalid-header", "A header is not what it should be"),
    (
        ProblemType::UnsupportedMediaType,
        "unsupported-media-type",
        "The body has another content type than is read here",
    ),
    (ProblemType::BodyTooLarge, "body-too-large", "The body is too large"),
    (ProblemType::BodyTimeout, "body-timeout", "The body did not come in time"),
    (ProblemType::MalformedBody, "malformed-body", "The body cannot be read"),
    (ProblemType::InvalidBody, "invalid-body", "The body does not have the fields it should have"),
    (ProblemType::UnknownDefinition, "unknown-definition", "There is no such definition"),
    (ProblemType::DefinitionDisabled, "definition-disabled", "The definition takes no new starts"),
    (ProblemType::DefinitionInUse, "definition-in-use", "Sagas that are kept were started with this version"),
    (ProblemType::UnknownSaga, "unknown-saga", "There is no such saga"),
    (ProblemType::InvalidInput, "invalid-input", "The input does not fit the definition's schema"),
    (ProblemType::InvalidLabels, "invalid-labels", "The labels are not what they should be"),
    (ProblemType::KeyReused, "key-reused", "The idempotency key was used to ask for something else"),
    (ProblemType::TooLate, "too-late", "The saga can no longer be cancelled"),
    (ProblemType::InvalidSignal, "invalid-signal", "The saga's definition has no use for this signal"),
    (ProblemType::NotAwaited, "not-awaited", "No step of the saga can take this signal any more"),
    (ProblemType::SagaEnded, "saga-ended", "The saga has ended"),
    (ProblemType::InvalidToken, "invalid-token", "The callback's token was not given out here"),
    (ProblemType::OtherVerdict, "other-verdict", "The call has ended with another verdict"),
    (ProblemType::CallOver, "call-over", "The call is over without a verdict; what was not finished must not be"),
    (ProblemType::FaultsNotAllowed, "faults-not-allowed", "This server does not inject faults"),
    (ProblemType::InvalidFaults, "invalid-faults", "The plan of faults is not valid"),
    (ProblemType::InvalidDefinition, "invalid-definition", "The definition is not valid"),
    (ProblemType::VersionTaken, "version-taken", "Another text stands under this name and version"),
    (ProblemType::UnknownEventSource, "unknown-event-source", "There is no such source of events"),
    (ProblemType::Unsigned, "unsigned", "The request is not signed as it should be"),
    (ProblemType::InvalidEvent, "invalid-event", "The event is no CloudEvent that is read here"),
    (ProblemType::UnknownWebhook, "unknown-webhook", "There is no such webhook"),
    (ProblemType::InvalidWebhook, "invalid-webhook", "The webhook is not what it should be, or not allowed here"),
    (ProblemType::TooManyWebhooks, "too-many-webhooks", "There are as many webhooks as there may be"),
    (ProblemType::Overloaded, "overloaded", "As many sagas are live as may be"),
    (ProblemType::TooManyStreams, "too-many-streams", "As many streams are open as may be"),
    (ProblemType::ShuttingDown, "shutting-down", "The server is shutting down"),
    (ProblemType::StoreUnavailable, "store-unavailable", "The store is not available"),
    (ProblemType::UnreadableRow, "unreadable-row", "A stored row cannot be read"),
    (ProblemType::Internal, "internal", "The server failed in an unforeseen way"),
];

const URN: &str = "urn:amends:problem:";

impl ProblemType {
    /// Its URN, e.g. `urn:amends:problem:unknown-definition`.
    pub fn urn(self) -> String {
        format!("{URN}{}", self.entry().1)
    }

    /// In words, the same for every problem of this type.
    pub fn title(self) -> &'static str {
        self.entry().2
    }

    /// The type of a URN; `None` for one this version does not know.
    pub fn parse(urn: &str) -> Option<Self> {
        let word = urn.strip_prefix(URN)?;
        TYPES.iter().find(|entry| entry.1 == word).map(|entry| entry.0)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TYPES.iter().map(|entry| entry.0)
    }

    fn entry(self) -> &'static (Self, &'static str, &'static str) {
        TYPES.iter().find(|entry| entry.0 == self).expect("invariant: the table has every type")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_type_has_one_urn_and_is_found_by_it() {
        let urns: HashSet<_> = ProblemType::all().map(ProblemType::urn).collect();
        assert_eq!(urns.len(), TYPES.len());
        for kind in ProblemType::all() {
            assert_eq!(ProblemType::parse(&kind.urn()), Some(kind));
        }
        assert_eq!(ProblemType::parse("urn:amends:problem:from-the-future"), None);
        assert_eq!(ProblemType::parse("about:blank"), None);
        // The last variant of the enum: one that is missing from the table moves this number.
        assert_eq!(ProblemType::Internal as usize + 1, TYPES.len());
    }

    #[test]
    fn a_problem_is_spelled_as_rfc_9457_says() {
        let mut problem = Problem::new(ProblemType::InvalidInput, 422);
        problem.errors.push(ProblemError {
            pointer: Some("/input/quantity".into()),
            message: "0 is less than 1".into(),
            ..ProblemError::default()
        });
        assert_eq!(
            serde_json::to_value(&problem).expect("serialisable"),
            serde_json::json!({
                "type": "urn:amends:problem:invalid-input",
                "title": "The input does not fit the definition's schema",
                "status": 422,
                "errors": [{ "pointer": "/input/quantity", "message": "0 is less than 1" }],
            })
        );
    }
}
