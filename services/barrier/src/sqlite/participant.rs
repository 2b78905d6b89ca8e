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
use chrono::{DateTime, SecondsFormat};
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Barrier, in_task, judge};
use crate::{
    Broken,
    call::{Place, read_headers},
    http::{JsonBody, Page, Query, method_not_allowed, no_route},
    reply::{Answer, ok},
};

/// The version of the participant contract this barrier keeps.
const CONTRACT: u32 = 1;

/// A service: its business routes plus `GET /ledger`, `/.well-known/amends-participant`, `/livez`, and `POST`
/// [`FORGET_PATH`]; any `GET` with `Saga-Op: probe` is answered by the barrier; everything unknown is problem+json.
pub fn participant(barrier: Barrier, business: Router<Barrier>) -> Router {
    let routes = business
        .route("/ledger", get(ledger))
        .route("/.well-known/amends-participant", get(card))
        .route(FORGET_PATH, post(forget))
        .route("/livez", get(|| async { "ok" }))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_route)
        .with_state(barrier.clone());
    // Around the whole router: a probe is answered wherever it arrives, also where there is no `GET`.
    Router::new().fallback_service(routes).layer(from_fn_with_state(barrier, reads))
}

/// `GET /.well-known/amends-participant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantCard {
    pub kind: String,
    pub contract: u32,
    pub barrier: bool,
    pub fingerprint: String,
}

async fn card(State(barrier): State<Barrier>) -> Result<Response, Broken> {
    ok(&ParticipantCard {
        kind: "sqlite".to_owned(),
        contract: CONTRACT,
        barrier: true,
        fingerprint: barrier.fingerprint.to_string(),
    })
}

/// 204 once the marks are durable. Whoever may call the service may say this, too: it stands behind the same doors.
async fn forget(
    State(barrier): State<Barrier>,
    JsonBody(request): JsonBody<ForgetRequest, FORGET_BODY_LIMIT_BYTES>,
) -> Result<StatusCode, Broken> {
    barrier.forget(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET`s that belong to a saga: probes, and steps that only read. Other requests pass.
async fn reads(State(barrier): State<Barrier>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET || !request.headers().contains_key(SAGA_OP) {
        return next.run(request).await;
    }
    match read_headers(request.headers()) {
        Err(problem) => problem.into_response(),
        Ok(headers) if headers.op == Op::Probe => probe(barrier, headers).await,
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

async fn probe(barrier: Barrier, headers: CallHeaders) -> Response {
    let key = headers.key();
    let action = Place { saga: headers.saga, step: headers.step, index: headers.index };
    in_task(
        async move { barrier.transaction(move |tx| Box::pin(async move { judge::probe(tx, &action).await })).await },
    )
    .await
    .map_or_else(IntoResponse::into_response, |reply| Answer::Definite { key, reply }.into_response())
}

/// One effect, as `GET /ledger` shows it. In the order of commits.
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

async fn ledger(State(barrier): State<Barrier>, Query(filter): Query<Filter>) -> Result<Response, Broken> {
    let page = match Page::new(filter.after, filter.limit) {
        Ok(page) => page,
        Err(problem) => return Ok(problem.into_response()),
    };
    let rows = match filter.saga {
        Some(saga) => {
            sqlx::query_as::<_, LedgerRow>(
                "-- barrier_ledger_of_saga
                select seq, saga, step, item, op, effect, epoch, attempt, at
                from barrier_ledger
                where saga = $1 and seq > $2
                order by seq
                limit $3",
            )
            .bind(saga.to_string())
            .bind(page.after())
            .bind(page.fetch())
            .fetch_all(barrier.readers())
            .await?
        }
        None => {
            sqlx::query_as::<_, LedgerRow>(
                "-- barrier_ledger_list
                select seq, saga, step, item, op, effect, epoch, attempt, at
                from barrier_ledger
                where seq > $1
                order by seq
                limit $2",
            )
            .bind(page.after())
            .bind(page.fetch())
            .fetch_all(barrier.readers())
            .await?
        }
    };
    let entries = rows.into_iter().map(|row| Ok((row.seq, row.parse()?))).collect::<Result<Vec<_>, Broken>>()?;
    page.answer(entries, &filter.saga.map_or_else(String::new, |saga| format!("saga={saga}&")))
}

#[derive(FromRow)]
struct LedgerRow {
    seq: i64,
    saga: String,
    step: String,
    item: i64,
    op: String,
    effect: String,
    epoch: i64,
    attempt: i64,
    at: i64,
}

impl LedgerRow {
    fn parse(self) -> Result<LedgerEntry, Broken> {
        let corrupt = |what: &str| Broken::Corrupt(format!("ledger entry {}: {what}", self.seq));
        let at = DateTime::from_timestamp_micros(self.at).ok_or_else(|| corrupt("at"))?;
        Ok(LedgerEntry {
            seq: self.seq,
            saga: self.saga.parse().map_err(|_| corrupt("saga"))?,
            index: if self.item < 0 { None } else { Some(self.item.try_into().map_err(|_| corrupt("item"))?) },
            at: at.to_rfc3339_opts(SecondsFormat::Micros, true),
            step: self.step,
            op: self.op,
            effect: self.effect,
            epoch: self.epoch,
            attempt: self.attempt,
        })
    }
}
