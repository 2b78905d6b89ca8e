//! `GET /metrics`

use amends_engine::Engine;
use amends_events::Webhooks;
use amends_protocol::v1::WebhookStatus;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use metrics::{counter, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::streams::Streams;

/// Prometheus' text format 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters and gauges in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "health",
    responses((status = 200, description = "Prometheus text format 0.0.4", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(
    State(engine): State<Engine>,
    Extension(streams): Extension<Streams>,
    Extension(webhooks): Extension<Webhooks>,
) -> Response {
    // Everything is counted where it happens; a recorder of its own for each answer only knows the format.
    let recorder = PrometheusBuilder::new().build_recorder();
    let written = engine.store().written();
    let load = engine.load();
    let (_, holds) = engine.identity();
    metrics::with_local_recorder(&recorder, || {
        counter!("amends_store_commits_total").absolute(written.commits);
        counter!("amends_store_appends_total").absolute(written.appends);
        counter!("amends_store_statements_total").absolute(written.statements);
        gauge!("amends_sagas_live").set(as_f64(load.live));
        gauge!("amends_sagas_live_max").set(as_f64(load.max_live));
        gauge!("amends_sagas_unreadable").set(as_f64(engine.poisoned()));
        gauge!("amends_event_streams").set(as_f64(streams.open()));
        for webhook in webhooks.seen() {
            let id = webhook.id.to_string();
            gauge!("amends_webhook_backlog", "webhook" => id.clone()).set(as_f64_of(webhook.backlog));
            gauge!("amends_webhook_blocked_events", "webhook" => id.clone()).set(as_f64_of(webhook.blocked_events));
            let told = gauge!("amends_webhook_told", "webhook" => id, "status" => webhook.status.as_str());
            told.set(f64::from(u8::from(webhook.status == WebhookStatus::Active)));
        }
        gauge!("amends_lease_held").set(f64::from(u8::from(holds)));
        if let Some(faults) = engine.faults() {
            gauge!("amends_fault_rules").set(as_f64(faults.active().map_or(0, |active| active.plan.rules.len())));
            for (kind, times) in faults.injected() {
                counter!("amends_faults_injected_total", "fault" => kind).absolute(times);
            }
        }
    });
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], recorder.handle().render()).into_response()
}

fn as_f64(number: usize) -> f64 {
    as_f64_of(number as u64)
}

fn as_f64_of(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
