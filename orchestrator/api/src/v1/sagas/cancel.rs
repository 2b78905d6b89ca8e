//! `POST /v1/sagas/{id}/cancel`

use amends_engine::{CancelError, Cancelled, Engine};
use amends_protocol::v1::{CancelRequest, CauseKind, SagaStatus, SagaView};
use axum::extract::State;
use http::StatusCode;

use crate::{
    body::JsonOrNothing,
    error::ApiError,
    openapi::{BadRequest, BodyTooLarge, Conflict, NotFound, NotJson, Unavailable, Unprocessable},
    path::InPath,
    query::NoQuery,
    saga,
};

/// It is kept in the journal and shown to people.
const REASON_CHARS: usize = 1000;

/// Ask for a saga to be undone.
///
/// Durable once answered, and may be repeated. Any node may be asked: the saga's owner, wherever it is, judges the cancel;
/// if it has not within some seconds, the answer is 202 all the same and the cancel will be judged. 409 when it is too late: the saga has ended, or the call of its pivot may
/// have been made.
#[utoipa::path(
    post,
    path = "/v1/sagas/{id}/cancel",
    operation_id = "cancel_saga",
    tag = "sagas",
    params(("id" = Uuid, Path, description = "The saga's id")),
    request_body(content = Option<CancelRequest>, description = "May be left out"),
    responses(
        (status = 202, description = "The saga is being undone, or is undone because of an earlier cancel; or the cancel is written down for its owner", body = SagaView),
        BadRequest, NotFound, Conflict, BodyTooLarge, NotJson, Unprocessable, Unavailable,
    ),
)]
pub(crate) async fn cancel(
    State(engine): State<Engine>,
    InPath(id): InPath,
    NoQuery: NoQuery,
    JsonOrNothing(request): JsonOrNothing<CancelRequest>,
) -> Result<(StatusCode, axum::Json<SagaView>), ApiError> {
    if request.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS) {
        let message = format!("a reason has at most {REASON_CHARS} characters");
        return Err(ApiError::InvalidBody { pointer: "/reason".to_owned(), message });
    }
    let view = match engine.cancel(id, request.reason).await {
        Ok(Cancelled::Undoing | Cancelled::Asked) => saga::read(&engine, id, None).await?,
        Err(CancelError::UnknownSaga) => return Err(ApiError::UnknownSaga(id)),
        Err(late @ CancelError::TooLate { .. }) => {
            let view = saga::read(&engine, id, None).await?;
            // A repeat of a cancel gets its answer, however far the saga has come since.
            if !undone_by_cancel(&view) {
                return Err(late.into());
            }
            view
        }
        Err(error) => return Err(error.into()),
    };
    Ok((StatusCode::ACCEPTED, axum::Json(view)))
}

fn undone_by_cancel(view: &SagaView) -> bool {
    let cancelled = view.cause.as_ref().is_some_and(|cause| matches!(cause.kind, CauseKind::Cancelled { .. }));
    view.status == SagaStatus::Compensated && cancelled
}
