//! `/v1/webhooks`

use amends_engine::Engine;
use amends_events::Webhooks;
use amends_protocol::v1::{WebhookList, WebhookRequest, WebhookView};
use axum::{
    Extension, Json as Answer,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    body::Json,
    error::ApiError,
    openapi::{BadRequest, BodyTooLarge, Conflict, NotFound, NotJson, Unavailable, Unprocessable},
    path::WebhookInPath,
    query::NoQuery,
};

pub(crate) fn routes() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(get, delete))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// Have events told to a URL.
///
/// Each event is a POST with a CloudEvent (structured mode, JSON), signed as Standard Webhooks wants it. It counts as told with any 2xx; it
/// is told again, later and later, until then. Events of one saga are told in order, one after another; one that cannot be told blocks those
/// behind it, and no other saga's. Every event comes at least once, under a `webhook-id` that stays the same. 410 pauses the webhook.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "add_webhook",
    tag = "webhooks",
    request_body = WebhookRequest,
    responses(
        (status = 201, description = "It is told from now on", body = WebhookView, headers(("Location" = String, description = "Where it is found"))),
        BadRequest, Conflict, BodyTooLarge, NotJson, Unprocessable, Unavailable,
    ),
)]
pub(crate) async fn add(
    Extension(webhooks): Extension<Webhooks>,
    NoQuery: NoQuery,
    Json(request): Json<WebhookRequest>,
) -> Result<Response, ApiError> {
    let webhook = webhooks.add(request).await?;
    let location = format!("/v1/webhooks/{}", webhook.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Answer(webhook)).into_response())
}

/// All webhooks, and how it goes with each.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "list_webhooks",
    tag = "webhooks",
    responses((status = 200, description = "All of them", body = WebhookList), BadRequest, Unavailable),
)]
pub(crate) async fn list(
    Extension(webhooks): Extension<Webhooks>,
    NoQuery: NoQuery,
) -> Result<Answer<WebhookList>, ApiError> {
    Ok(Answer(WebhookList { items: webhooks.list().await? }))
}

/// One webhook, and how it goes with it.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}",
    operation_id = "get_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = WebhookView), BadRequest, NotFound, Unavailable),
)]
pub(crate) async fn get(
    Extension(webhooks): Extension<Webhooks>,
    NoQuery: NoQuery,
    WebhookInPath(id): WebhookInPath,
) -> Result<Answer<WebhookView>, ApiError> {
    Ok(Answer(webhooks.get(id).await?))
}

/// Delete a webhook: it is told nothing any more.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{id}",
    operation_id = "delete_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 204, description = "It is gone"), BadRequest, NotFound, Unavailable),
)]
pub(crate) async fn delete(
    Extension(webhooks): Extension<Webhooks>,
    NoQuery: NoQuery,
    WebhookInPath(id): WebhookInPath,
) -> Result<StatusCode, ApiError> {
    webhooks.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pause a webhook: it is told nothing until it is resumed, and then what it has missed, if that is still held.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/pause",
    operation_id = "pause_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 200, description = "It is paused", body = WebhookView), BadRequest, NotFound, Unavailable),
)]
pub(crate) async fn pause(
    Extension(webhooks): Extension<Webhooks>,
    NoQuery: NoQuery,
    WebhookInPath(id): WebhookInPath,
) -> Result<Answer<WebhookView>, ApiError> {
    Ok(Answer(webhooks.pause(id).await?))
}

/// Go on telling a webhook. One that had expired is told what happens from now on.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/resume",
    operation_id = "resume_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 200, description = "It is told", body = WebhookView), BadRequest, NotFound, Unavailable),
)]
pub(crate) async fn resume(
    Extension(webhooks): Extension<Webhooks>,
    NoQuery: NoQuery,
    WebhookInPath(id): WebhookInPath,
) -> Result<Answer<WebhookView>, ApiError> {
    Ok(Answer(webhooks.resume(id).await?))
}
