//! `GET /v1/sagas`

use amends_core::{ids::SagaId, summary::Status};
use amends_engine::Engine;
use amends_protocol::v1::{Page, SagaItem, SagaStatus};
use amends_store::{Cursor, Filter, Head};
use axum::{Json, extract::State};
use uuid::Uuid;

use crate::{
    cursor,
    error::ApiError,
    openapi::{BadRequest, Unavailable},
    query::Query,
    view,
};

/// Sagas, newest first.
///
/// A page is stable under what happens meanwhile: a saga is never in two pages, and none that was there when the first
/// page was read is left out.
#[utoipa::path(
    get,
    path = "/v1/sagas",
    operation_id = "list_sagas",
    tag = "sagas",
    params(
        ("status" = Option<Vec<SagaStatus>>, Query, description = "Any of these; repeated, or with commas between them"),
        ("name" = Option<String>, Query, description = "The name of their definition", max_length = 64, pattern = "^[A-Za-z][A-Za-z0-9_.-]*$"),
        ("parent" = Option<Uuid>, Query, description = "The children of this saga"),
        ("attention" = Option<bool>, Query, description = "Whether a person has to look"),
        ("started_from" = Option<DateTime<Utc>>, Query, description = "Inclusive"),
        ("started_before" = Option<DateTime<Utc>>, Query, description = "Exclusive"),
        ("limit" = Option<u32>, Query, description = "Most items of the page; 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, under the same filter", min_length = 1),
    ),
    responses(
        (status = 200, description = "A part of the list", body = Page<SagaItem>),
        BadRequest, Unavailable,
    ),
)]
pub(crate) async fn list(State(engine): State<Engine>, mut query: Query) -> Result<Json<Page<SagaItem>>, ApiError> {
    let filter = filter(&mut query)?;
    let limit = query.limit()?;
    let cursor = query.one("cursor")?;
    query.end(&["status", "name", "parent", "attention", "started_from", "started_before", "limit", "cursor"])?;
    let scope = scope(&filter);
    let below = cursor.map(|cursor| cursor::to_saga(&scope, &cursor)).transpose()?;

    let mut heads = engine.store().list(&filter, below, limit + 1).await?;
    let more = heads.len() > limit as usize;
    heads.truncate(limit as usize);
    let next_cursor = heads
        .last()
        .filter(|_| more)
        .map(|last| cursor::of_saga(&scope, Cursor { started_at: last.started_at, saga: last.saga }));
    Ok(Json(Page { items: heads.iter().map(item).collect(), next_cursor }))
}

fn filter(query: &mut Query) -> Result<Filter, ApiError> {
    let words = query.all("status");
    let mut statuses = words
        .iter()
        .flat_map(|words| words.split(','))
        .map(|word| {
            let expected = "running, compensating, completed, compensated, abandoned, succeeded";
            Status::parse(word).ok_or_else(|| ApiError::InvalidQuery(format!("`status` is one of {expected}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    statuses.sort_unstable();
    statuses.dedup();
    Ok(Filter {
        statuses,
        name: query.one("name")?,
        parent: query.parsed::<Uuid>("parent", "the id of a saga")?.map(SagaId),
        attention: query.parsed("attention", "`true` or `false`")?,
        started_from: query.time("started_from")?,
        started_before: query.time("started_before")?,
    })
}

/// The filter as a text: what a cursor is bound to.
fn scope(filter: &Filter) -> String {
    let statuses: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
    let times = [filter.started_from, filter.started_before].map(|time| time.map(|time| time.0));
    let name = filter.name.as_deref();
    let parent = filter.parent.map(|parent| format!(" {parent}")).unwrap_or_default();
    format!("sagas {} {:?} {times:?} {name:?}{parent}", statuses.join(","), filter.attention)
}

fn item(head: &Head) -> SagaItem {
    SagaItem {
        id: head.saga.0,
        name: head.name.to_string(),
        version: head.version,
        parent: head.parent.map(|parent| parent.0),
        status: view::status(head.summary.status),
        attention: head.summary.attention,
        started_at: view::time(head.started_at),
        updated_at: view::time(head.updated_at),
        ended_at: head.summary.ended_at.map(view::time),
    }
}
