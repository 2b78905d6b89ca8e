//! `GET /v1/sagas/{id}`

use amends_engine::Engine;
use amends_protocol::v1::{PREFERENCE_APPLIED, SagaView};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::HeaderMap;

use crate::{
    error::ApiError,
    headers,
    openapi::{BadRequest, NotFound, Unavailable},
    path::InPath,
    query::NoQuery,
    saga,
};

/// A saga as it stands.
#[utoipa::path(
    get,
    path = "/v1/sagas/{id}",
    operation_id = "get_saga",
    tag = "sagas",
    params(
        ("id" = Uuid, Path, description = "The saga's id"),
        ("Prefer" = Option<String>, Header, description = "`wait=<seconds>`, at most 60: answer when the saga has ended or raised attention, or the time is over."),
    ),
    responses(
        (status = 200, description = "The saga", body = SagaView, headers(
            ("Preference-Applied" = Option<String>, description = "The wait that was granted"),
        )),
        BadRequest, NotFound, Unavailable,
    ),
)]
pub(crate) async fn get(
    State(engine): State<Engine>,
    InPath(id): InPath,
    NoQuery: NoQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wait = headers::wait(&headers);
    let view = saga::read(&engine, id, wait).await?;
    let mut response = axum::Json(view).into_response();
    if let Some(applied) = headers::applied(wait, false) {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}
