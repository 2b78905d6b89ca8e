//! `/v1/faults`: what goes wrong on purpose. Only in a server that was started for it; everywhere else each of these is refused.

use amends_core::faults;
use amends_engine::{Active, Engine, Faults};
use amends_protocol::v1::{FaultRuleView, FaultsView};
use axum::{Json, extract::State};

use crate::{
    body::Yaml,
    error::ApiError,
    openapi::{BadRequest, BodyTooLarge, Forbidden, NotYaml, Unprocessable},
    query::NoQuery,
};

/// The plan of faults that is set in this process, and how often each rule fired.
#[utoipa::path(
    get,
    path = "/v1/faults",
    operation_id = "get_faults",
    tag = "faults",
    responses((status = 200, description = "The plan, if there is one", body = FaultsView), BadRequest, Forbidden),
)]
pub(crate) async fn get(State(engine): State<Engine>, NoQuery: NoQuery) -> Result<Json<FaultsView>, ApiError> {
    Ok(Json(view(allowed(&engine)?.active().as_deref())))
}

/// Set a plan of faults, in place of the one before.
///
/// In this process and as long as it lives; each node has its own.
#[utoipa::path(
    put,
    path = "/v1/faults",
    operation_id = "set_faults",
    tag = "faults",
    request_body(content = String, description = "The plan's YAML, at most 256 KiB", content_type = "application/yaml"),
    responses(
        (status = 200, description = "It is set, and nothing has fired yet", body = FaultsView),
        BadRequest, Forbidden, BodyTooLarge, NotYaml, Unprocessable,
    ),
)]
pub(crate) async fn set(
    State(engine): State<Engine>,
    NoQuery: NoQuery,
    body: Result<Yaml, ApiError>,
) -> Result<Json<FaultsView>, ApiError> {
    // Whether it may be said at all comes before how it is said.
    let faults = allowed(&engine)?;
    let Yaml(source) = body?;
    let plan = faults::parse(&source).map_err(ApiError::InvalidFaults)?;
    Ok(Json(view(Some(&faults.set(&source, plan)))))
}

/// Clear the plan of faults, and forget the copies that were to come later.
///
/// The answer is what there was, with how often each rule fired.
#[utoipa::path(
    delete,
    path = "/v1/faults",
    operation_id = "clear_faults",
    tag = "faults",
    responses((status = 200, description = "Nothing goes wrong on purpose any more", body = FaultsView), BadRequest, Forbidden),
)]
pub(crate) async fn clear(State(engine): State<Engine>, NoQuery: NoQuery) -> Result<Json<FaultsView>, ApiError> {
    Ok(Json(view(allowed(&engine)?.clear().as_deref())))
}

fn allowed(engine: &Engine) -> Result<&Faults, ApiError> {
    engine.faults().map(|faults| &**faults).ok_or(ApiError::FaultsNotAllowed)
}

fn view(active: Option<&Active>) -> FaultsView {
    let Some(active) = active else { return FaultsView::default() };
    let rules = active.fired().map(|(rule, fired)| FaultRuleView {
        name: rule.name.clone(),
        fault: rule.fault.as_str().to_owned(),
        fired,
        count: rule.count,
    });
    FaultsView { plan: Some(active.source.to_string()), rules: rules.collect() }
}
