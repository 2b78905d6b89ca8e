//! Families: whose child a saga is, and the children of a step.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Whose child a saga is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParentView {
    pub id: Uuid,
    /// The parent's step that runs it.
    pub step: String,
    /// The item, for a step that runs a child for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
}

/// What a step runs as children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChildrenView {
    /// The name of their definition.
    pub definition: String,
    /// One, or one for each item; those that have been decided upon.
    pub sagas: Vec<ChildView>,
}

/// A child as its parent knows it. What it does by itself stands in its own view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChildView {
    pub id: Uuid,
    /// The item, for a step that runs a child for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Absent until it is decided: there is no child yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    pub status: ChildStatus,
    /// When it was decided upon.
    pub intended_at: DateTime<Utc>,
    /// When it was decided that it is undone, if it had finished its forward path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_at: Option<DateTime<Utc>>,
    /// When its parent learnt last what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<DateTime<Utc>>,
    /// Why it is undone or refused, or of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Where a child stands, as far as its parent knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChildStatus {
    /// It is to begin, runs, or is being undone.
    UnderWay,
    /// It has finished its forward path, and can still be undone.
    Succeeded,
    /// It has been told that nothing undoes it any more.
    Completed,
    /// It is undone.
    Compensated,
    /// It was refused before there was one.
    Refused,
}

impl ChildStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "under_way",
            Self::Succeeded => "succeeded",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for ChildStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
