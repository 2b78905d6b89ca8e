//! What every participant serves beside its business: who it is, what it did, answers to probes, and `forget`.

use amends_protocol::{
    forget::{FORGET_BODY_LIMIT_BYTES, FORGET_PATH, ForgetRequest},
    participant::{CallHeaders, Op, SAGA_ACK, SAGA_OP},
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Broken,
    call::{Place, read_headers},
    guard::Guard,
    http::{JsonBody, Page, Query, method_not_allowed, no_route},
    reply::{Answer, ok},
};

/// The version of the participant contract this barrier keeps.
const CONTRACT: u32 = 1;

/// A service: its business routes plus `GET /ledger`, `/.well-known/amends-participant`, `/livez`, and `POST`
/// [`FORGET_PATH`]; any `GET` with `Saga-Op: probe` is answered by the barrier; everything unknown is problem+json.
pub fn participant<S>(store: S, business: Router<S>) -> Router
where
    S: Into<Guard> + Clone + Send + Sync + 'static,
{
    let guard: Guard = store.clone().into();
    let ours = Router::new()
        .route("/ledger", get(ledger))
        .route("/.well-known/amends-participant", get(card))
        .route(FORGET_PATH, post(forget))
        .route("/livez", get(|| async { "ok" }))
        .with_state(guard.clone());
    let routes =
        business.with_state::<()>(store).merge(ours).method_not_allowed_fallback(method_not_allowed).fallback(no_route);
    // Around the whole router: a probe is answered wherever it arrives, also where there is no `GET`.
    Router::new().fallback_service(routes).layer(from_fn_with_state(guard, reads))
}

/// `GET /.well-known/amends-participant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantCard {
    pub kind: String,
    pub contract: u32,
    pub barrier: bool,
    pub fingerprint: String,
}

async fn card(State(guard): State<Guard>) -> Result<Response, Broken> {
    let (kind, fingerprint) = guard.store();
    ok(&ParticipantCard {
        kind: kind.to_owned(),
        contract: CONTRACT,
        barrier: true,
        fingerprint: fingerprint.to_owned(),
    })
}

/// 204 once the marks are durable. Whoever may call the service may say this, too: it stands behind the same doors.
async fn forget(
    State(guard): State<Guard>,
    JsonBody(request): JsonBody<ForgetRequest, FORGET_BODY_LIMIT_BYTES>,
) -> Result<StatusCode, Broken> {
    guard.forget(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET`s that belong to a saga: probes, and steps that only read. Other requests pass.
async fn reads(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET || !request.headers().contains_key(SAGA_OP) {
        return next.run(request).await;
    }
    match read_headers(request.headers()) {
        Err(problem) => problem.into_response(),
        Ok(headers) if headers.op == Op::Probe => probe(guard, headers).await,
        Ok(headers) => acked(&headers.key(), next.run(request).await),
    }
}

/// A read changes nothing, so it needs no row and no fence: asked twice it is answered twice. Its definite answers carry
/// the ack all the same, because the orchestrator takes what carries none for somebody else's.
fn acked(key: &str, mut answer: Response) -> Response {
    let status = answer.status();
    let definite = status.is_success() || (status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429));
    if definite && let Ok(ack) = HeaderValue::from_str(key) {
        answer.headers_mut().insert(SAGA_ACK, ack);
    }
    answer
}

async fn probe(guard: Guard, headers: CallHeaders) -> Response {
    let key = headers.key();
    let action = Place { saga: headers.saga, step: headers.step, index: headers.index };
    let reply = guard.probe(action).await;
    reply.map_or_else(IntoResponse::into_response, |reply| Answer::Definite { key, reply }.into_response())
}

/// One effect, as `GET /ledger` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub seq: i64,
    pub saga: Uuid,
    pub step: String,
    pub index: Option<u32>,
    pub op: String,
    /// `applied`, `undone` or `null`.
    pub effect: String,
    pub epoch: i64,
    pub attempt: i64,
    /// RFC 3339, microseconds.
    pub at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    saga: Option<Uuid>,
    after: Option<i64>,
    limit: Option<u32>,
}

async fn ledger(State(guard): State<Guard>, Query(filter): Query<Filter>) -> Result<Response, Broken> {
    let page = match Page::new(filter.after, filter.limit) {
        Ok(page) => page,
        Err(problem) => return Ok(problem.into_response()),
    };
    let entries = guard.ledger(filter.saga, page).await?;
    let entries = entries.into_iter().map(|entry| (entry.seq, entry)).collect();
    page.answer(entries, &filter.saga.map_or_else(String::new, |saga| format!("saga={saga}&")))
}
