//! Definitions: what is registered, and what is wrong with what is not.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A definition under its name and version. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionView {
    pub name: String,
    pub version: u32,
    /// SHA-256 of its text, as 64 hex digits.
    pub digest: String,
    pub created_at: DateTime<Utc>,
    /// Since when it takes no new starts; absent: it takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<DateTime<Utc>>,
    /// Its text; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What became of a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisterAnswer {
    pub name: String,
    pub version: u32,
    pub digest: String,
    /// `false`: the same text was there already.
    pub created: bool,
    /// What one may want to look at all the same.
    pub warnings: Vec<Diagnostic>,
}

/// What two versions of a definition differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffAnswer {
    pub name: String,
    pub from: u32,
    pub to: u32,
    /// They mean the same, however they are written.
    pub same: bool,
    pub changes: Vec<DefinitionChange>,
    /// Places in the input where a start is refused that was accepted before, or may be.
    pub starts: Vec<StartChange>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionChange {
    #[schema(example = "steps.charge.call.timeout")]
    pub at: String,
    /// As it was; absent: it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// As it is; absent: it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// It would matter to a saga that runs, and does not reach it: a saga finishes as it started.
    pub withheld: bool,
}

/// A place in the input that is narrower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StartChange {
    /// RFC 6901, into the input.
    pub pointer: String,
    pub message: String,
    /// `false`: it may be refused.
    pub certain: bool,
}

/// What is to be said of a definition. Nothing was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckAnswer {
    /// It could be registered.
    pub ok: bool,
    pub diagnostics: Vec<Diagnostic>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    /// Stable.
    #[schema(example = "E0306")]
    pub code: String,
    pub severity: Severity,
    pub message: String,
    /// Counts from 1.
    pub line: u32,
    /// In characters; counts from 1.
    pub column: u32,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Whether a finding can be lived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}
