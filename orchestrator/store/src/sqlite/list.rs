//! Lists of sagas, newest first.
//!
//! Which index a list walks is said here and not left to the planner, which knows nothing of how many sagas are where: the
//! wrong one would read a million rows of completed sagas to find three that run.

use amends_core::summary::Status;
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::{read::select_heads, rows};
use crate::{Cursor, Filter, Head, StoreError};

pub(super) async fn list(
    readers: &SqlitePool,
    filter: &Filter,
    below: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    select(filter, below, limit).build().fetch_all(readers).await?.iter().map(rows::head).collect()
}

pub(super) fn select(filter: &Filter, below: Option<Cursor>, limit: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select_heads!("list", "indexed by "));
    query.push(walk(filter));
    if let Some(name) = &filter.name {
        query.push("\n    and name = ").push_bind(name.clone());
    }
    if let Some(parent) = filter.parent {
        query.push("\n    and parent = ").push_bind(parent.0);
    }
    if !filter.statuses.is_empty() {
        query.push("\n    and status in (");
        let mut list = query.separated(", ");
        for status in &filter.statuses {
            list.push_bind(status.as_str());
        }
        query.push(")");
    }
    if let Some(attention) = filter.attention {
        query.push("\n    and attention = ").push_bind(attention);
    }
    if let Some(from) = filter.started_from {
        query.push("\n    and started_at >= ").push_bind(from.0);
    }
    if let Some(before) = filter.started_before {
        query.push("\n    and started_at < ").push_bind(before.0);
    }
    if let Some(below) = below {
        query.push("\n    and (started_at, id) < (").push_bind(below.started_at.0);
        query.push(", ").push_bind(below.saga.0).push(")");
    }
    query.push("\norder by started_at desc, id desc\nlimit ").push_bind(i64::from(limit));
    query
}

/// The index that holds the fewest rows besides those asked for, with the condition that makes it hold them.
fn walk(filter: &Filter) -> &'static str {
    let all = |belongs: fn(Status) -> bool| {
        !filter.statuses.is_empty() && filter.statuses.iter().all(|status| belongs(*status))
    };
    if filter.parent.is_some() {
        "sagas_children\nwhere parent is not null and purged_at is null"
    } else if filter.attention == Some(true) {
        // No stub has it, and none lives.
        "sagas_attention\nwhere attention = 1"
    } else if all(|status| !status.is_terminal()) {
        // Not in the order of the list: sorts all that run, which memory bounds.
        "sagas_live\nwhere ended_at is null"
    } else if all(|status| !matches!(status, Status::Running | Status::Completed)) {
        "sagas_undone\nwhere purged_at is null and status <> 'running' and status <> 'completed'"
    } else if filter.name.is_some() {
        "sagas_named\nwhere purged_at is null"
    } else {
        "sagas_started\nwhere purged_at is null"
    }
}
