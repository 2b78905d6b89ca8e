//! `GET /v1/sagas/{id}/history`

use amends_core::{event::Recorded, time::Time};
use amends_engine::Engine;
use amends_protocol::v1::{HistoryEntry, Page};
use axum::{Json, extract::State};
use serde_json::{Map, Value};

use crate::{
    error::ApiError,
    openapi::{BadRequest, NotFound, Unavailable},
    path::InPath,
    query::Query,
    saga::LAST_SEQ,
    view::time,
};

/// Times within events: numbers in the journal, RFC 3339 on the wire.
const TIMES: [&str; 4] = ["due_at", "deadline_at", "until", "arrived_at"];

/// A saga's journal, in order.
///
/// `next_cursor` is the `seq` to give back as `after`.
#[utoipa::path(
    get,
    path = "/v1/sagas/{id}/history",
    operation_id = "get_saga_history",
    tag = "sagas",
    params(
        ("id" = Uuid, Path, description = "The saga's id"),
        ("after" = Option<u64>, Query, description = "Only events with a higher `seq`", minimum = 0, maximum = 9_223_372_036_854_775_806_u64),
        ("limit" = Option<u32>, Query, description = "Most items of the page; 50 by default", minimum = 1, maximum = 200),
    ),
    responses(
        (status = 200, description = "A part of the journal", body = Page<HistoryEntry>),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn history(
    State(engine): State<Engine>,
    InPath(id): InPath,
    mut query: Query,
) -> Result<Json<Page<HistoryEntry>>, ApiError> {
    let after: u64 = query.parsed("after", "the `seq` of an event")?.unwrap_or(0);
    let limit = query.limit()?;
    query.end(&["after", "limit"])?;
    if after >= LAST_SEQ {
        return Err(ApiError::InvalidQuery("`after` is beyond every `seq`".to_owned()));
    }
    let store = engine.store();
    let mut rows = store.journal(id, after + 1..LAST_SEQ, limit + 1).await?;
    if rows.is_empty() && store.head(id).await?.is_none() {
        return Err(ApiError::UnknownSaga(id));
    }
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|last| last.seq.to_string());
    let items = rows.iter().map(entry).collect();
    Ok(Json(Page { items, next_cursor }))
}

fn entry(recorded: &Recorded) -> HistoryEntry {
    let event = serde_json::to_value(&recorded.event).expect("invariant: every event can be written");
    let Value::Object(mut event) = event else { unreachable!("invariant: every event is a map with its kind") };
    readable_times(&mut event);
    HistoryEntry { seq: recorded.seq, epoch: recorded.epoch, at: time(recorded.at), event }
}

fn readable_times(event: &mut Map<String, Value>) {
    for name in TIMES {
        if let Some(micros) = event.get(name).and_then(Value::as_i64) {
            event.insert(name.to_owned(), Time(micros).to_rfc3339().into());
        }
    }
}
