//! Lists of sagas, newest first.
//!
//! PostgreSQL knows how many sagas are where and chooses the index by that; the condition that lets it use a partial one is
//! said here.

use amends_core::summary::Status;
use sqlx::{Execute, Postgres, QueryBuilder};

use super::{
    read::select_heads,
    readers::{Asked, Readers},
    rows,
};
use crate::{Cursor, Filter, Head, StoreError};

pub(super) async fn list(
    readers: &Readers,
    filter: &Filter,
    below: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    readers.rows(|| asked(filter, below, limit)).await?.iter().map(rows::head).collect()
}

fn asked(filter: &Filter, below: Option<Cursor>, limit: u32) -> Asked {
    let mut builder = select(filter, below, limit);
    let text = builder.sql();
    let arguments = builder.build().take_arguments();
    let arguments = arguments.expect("invariant: texts, numbers and ids can be sent").unwrap_or_default();
    // Its texts are as many as there are filters, and each is planned anew for its parameters anyway.
    sqlx::query_with(text, arguments).persistent(false)
}

pub(super) fn select(filter: &Filter, below: Option<Cursor>, limit: u32) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(select_heads!("list", "where "));
    query.push(walk(filter));
    if let Some(name) = &filter.name {
        query.push("\n    and name = ").push_bind(name.clone());
    }
    if let Some(parent) = filter.parent {
        query.push("\n    and parent = ").push_bind(parent.0);
    }
    if !filter.statuses.is_empty() {
        let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
        query.push("\n    and status = any (").push_bind(statuses).push(")");
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

/// The condition of the index that holds the fewest rows besides those asked for.
fn walk(filter: &Filter) -> &'static str {
    let all = |belongs: fn(Status) -> bool| {
        !filter.statuses.is_empty() && filter.statuses.iter().all(|status| belongs(*status))
    };
    if filter.parent.is_some() {
        "parent is not null and purged_at is null"
    } else if filter.attention == Some(true) {
        // No stub has it.
        "attention"
    } else if all(|status| !status.is_terminal()) {
        // None of them is a stub.
        "ended_at is null and purged_at is null"
    } else if all(|status| !matches!(status, Status::Running | Status::Completed)) {
        "purged_at is null and status in ('compensating', 'compensated', 'abandoned', 'succeeded')"
    } else {
        "purged_at is null"
    }
}
