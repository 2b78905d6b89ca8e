//! `GET /v1/locks` and `GET /v1/locks/{name}`

use amends_core::ids::LockName;
use amends_engine::Engine;
use amends_protocol::v1::{HeldLock, Page, QueuedSaga};
use axum::{Json, extract::State};

use crate::{
    cursor,
    error::ApiError,
    openapi::{BadRequest, Unavailable},
    path::LockInPath,
    query::Query,
    view::{held, queued},
};

/// The sagas in the queue of a lock: the first of all has it, the others wait in this order. A lock that nobody wants has an
/// empty queue.
#[utoipa::path(
    get,
    path = "/v1/locks/{name}",
    operation_id = "get_lock_queue",
    tag = "locks",
    params(
        ("name" = String, Path, description = "The lock's name, as a saga's definition renders it", max_length = 256),
        ("limit" = Option<u32>, Query, description = "Most items of the page; 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", min_length = 1),
    ),
    responses((status = 200, description = "A part of the queue", body = Page<QueuedSaga>), BadRequest, Unavailable),
)]
pub(crate) async fn queue(
    State(engine): State<Engine>,
    LockInPath(lock): LockInPath,
    mut query: Query,
) -> Result<Json<Page<QueuedSaga>>, ApiError> {
    let limit = query.limit()?;
    let cursor = query.one("cursor")?;
    query.end(&["limit", "cursor"])?;
    let scope = format!("lock {lock}");
    let after = cursor.map(|cursor| cursor::to_time(&scope, &cursor)).transpose()?;
    let mut queue = engine.store().lock_queue(&lock, after, limit + 1).await?;
    let more = queue.len() > limit as usize;
    queue.truncate(limit as usize);
    let next_cursor = queue.last().filter(|_| more).map(|last| cursor::of_time(&scope, last.arrived_at));
    Ok(Json(Page { items: queue.iter().map(queued).collect(), next_cursor }))
}

/// The locks that sagas have, by name, each with the saga that has it and how many wait.
#[utoipa::path(
    get,
    path = "/v1/locks",
    operation_id = "list_locks",
    tag = "locks",
    params(
        ("prefix" = Option<String>, Query, description = "Only names that begin with it", max_length = 256),
        ("limit" = Option<u32>, Query, description = "Most items of the page; 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", min_length = 1),
    ),
    responses((status = 200, description = "A part of the locks", body = Page<HeldLock>), BadRequest, Unavailable),
)]
pub(crate) async fn list(State(engine): State<Engine>, mut query: Query) -> Result<Json<Page<HeldLock>>, ApiError> {
    let limit = query.limit()?;
    let cursor = query.one("cursor")?;
    let prefix = query.one("prefix")?.unwrap_or_default();
    query.end(&["prefix", "limit", "cursor"])?;
    let scope = format!("locks {prefix}");
    let after = cursor.map(|cursor| cursor::to_name(&scope, &cursor)).transpose()?;
    let after = after.as_deref().map(LockName::from);
    let mut locks = engine.store().locks(&prefix, after.as_ref(), limit + 1).await?;
    let more = locks.len() > limit as usize;
    locks.truncate(limit as usize);
    let next_cursor = locks.last().filter(|_| more).map(|last| cursor::of_name(&scope, last.lock.as_str()));
    Ok(Json(Page { items: locks.iter().map(held).collect(), next_cursor }))
}
