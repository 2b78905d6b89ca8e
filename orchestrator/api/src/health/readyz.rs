//! `GET /readyz`

use std::{sync::Arc, time::Duration};

use amends_engine::{Engine, Faults};
use amends_protocol::v1::Ready;
use amends_store::StoreError;
use axum::{Json, extract::State};

use crate::{error::ApiError, openapi::Unavailable};

/// A store that takes longer is as good as away.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the server takes starts.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "health",
    responses((status = 200, description = "It takes starts", body = Ready), Unavailable),
)]
pub(crate) async fn readyz(State(engine): State<Engine>) -> Result<Json<Ready>, ApiError> {
    if !engine.accepting() {
        return Err(ApiError::ShuttingDown);
    }
    let ping = tokio::time::timeout(PING_TIMEOUT, engine.store().ping()).await;
    ping.unwrap_or_else(|_| {
        let reason = format!("no answer to a ping within {} s", PING_TIMEOUT.as_secs());
        Err(StoreError::Unavailable { reason, source: None })
    })?;
    let load = engine.load();
    let rules = |faults: &Arc<Faults>| faults.active().map_or(0, |active| active.plan.rules.len() as u64);
    Ok(Json(Ready {
        ready: true,
        live_sagas: load.live as u64,
        max_live_sagas: load.max_live as u64,
        unreadable_sagas: Some(engine.poisoned() as u64).filter(|sagas| *sagas > 0),
        fault_rules: engine.faults().map(rules),
    }))
}
