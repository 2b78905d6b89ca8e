//! A participant in memory that keeps the contract, but for one flaw: a pot of coins for each order.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use amends_protocol::{
    forget::{FORGET_BODY_LIMIT_BYTES, ForgetRequest},
    participant::{CallHeaders, Op},
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

/// One promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    RefusesTheAction,
    NoAck,
    MakesANewReply,
    ReplaysNotTheNextEpoch,
    IgnoresTheBody,
    AcksAnotherBody,
    AppliesCopies,
    UndoesAgain,
    ChecksThenActs,
    CompensationDoesNotWait,
    NothingToUndoIs404,
    NoTombstone,
    ReplaysWhatWasUndone,
    IgnoresEpochs,
    NullCompensationsRaiseNoFence,
    ForgetsRejections,
    RejectsForEver,
    UndoesRejections,
    ProbesWithoutAck,
    NewFingerprintEachTime,
    ForgetsNothingInParticular,
    NoGrace,
    NeverAccepts,
    TellsOnce,
    FinishesWhatWasUndone,
}

#[derive(Clone)]
struct Pots {
    flaw: Option<Flaw>,
    orchestrator: Option<SocketAddr>,
    store: Arc<Mutex<Store>>,
}

#[derive(Default)]
struct Store {
    rows: HashMap<String, Row>,
    epochs: HashMap<Uuid, u64>,
    coins: HashMap<String, i64>,
    caps: HashMap<String, i64>,
    /// Actions that are under way, with [`Flaw::CompensationDoesNotWait`].
    under_way: HashSet<String>,
    replies: u64,
    /// Copies of each action so far.
    arrived: HashMap<String, u32>,
}

#[derive(Clone)]
struct Row {
    state: Stands,
    digest: String,
    status: u16,
    body: String,
    at: (u64, u32),
    added: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Done,
    Rejected,
    Accepted,
    Tombstone,
}

pub(crate) fn participant(flaw: Option<Flaw>, orchestrator: Option<SocketAddr>) -> Router {
    let pots = Pots { flaw, orchestrator, store: Arc::default() };
    Router::new()
        .route("/coins", post(act).get(probe))
        .route("/coins/{order}", delete(undo).get(read))
        .route("/caps/{order}", put(cap))
        .route("/.well-known/amends-participant", get(card))
        .route("/.well-known/amends-participant/forget", post(forget))
        .layer(DefaultBodyLimit::max(1024 * 1024))
        .with_state(pots)
}

impl Pots {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// With its ack, if it is definite.
    fn answer(&self, call: &CallHeaders, status: u16, body: String) -> Response {
        let status = StatusCode::from_u16(status).expect("a status");
        if self.has(Flaw::NoAck) || (self.has(Flaw::ProbesWithoutAck) && call.op == Op::Probe) {
            return (status, body).into_response();
        }
        (status, [("saga-ack", call.key())], body).into_response()
    }

    /// Until what this flaw is about has overtaken the action; without it for so long that whoever is on its way is there.
    async fn raced(&self, call: &CallHeaders) -> MutexGuard<'_, Store> {
        let compensation = CallHeaders { op: Op::Compensate, ..call.clone() }.key();
        let until = tokio::time::Instant::now() + Duration::from_millis(150);
        loop {
            let store = self.store.lock().await;
            let copies = store.arrived.get(&call.key()).is_some_and(|copies| *copies > 1);
            let overtaken =
                if self.has(Flaw::ChecksThenActs) { copies } else { store.rows.contains_key(&compensation) };
            if overtaken || tokio::time::Instant::now() > until {
                return store;
            }
            drop(store);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Epoch and digest: what to answer at the door, if it goes no further.
    fn door(&self, store: &mut Store, call: &CallHeaders, digest: &str) -> Option<Response> {
        let highest = store.epochs.entry(call.saga).or_default();
        if call.epoch < *highest && !self.has(Flaw::IgnoresEpochs) {
            return Some((StatusCode::CONFLICT, [("saga-refused", "stale-epoch")], "").into_response());
        }
        let null = call.op == Op::Compensate && !store.rows.contains_key(&action_key(call));
        if !(null && self.has(Flaw::NullCompensationsRaiseNoFence)) {
            *highest = call.epoch;
        }
        let other = store.rows.get(&call.key()).is_some_and(|row| !row.digest.is_empty() && row.digest != digest);
        if other && !self.has(Flaw::IgnoresTheBody) {
            let refused = [("saga-refused", "other-body".to_owned())];
            let mut answer = (StatusCode::UNPROCESSABLE_ENTITY, refused, "").into_response();
            if self.has(Flaw::AcksAnotherBody) {
                answer.headers_mut().insert("saga-ack", call.key().parse().expect("a header"));
            }
            return Some(answer);
        }
        None
    }
}

impl Store {
    fn reply(&mut self) -> String {
        self.replies += 1;
        json!({ "receipt": self.replies }).to_string()
    }

    /// The business change, or a no.
    fn add(&mut self, body: &Value) -> Result<i64, ()> {
        let order = body["order"].as_str().unwrap_or_default().to_owned();
        let add = body["add"].as_i64().unwrap_or_default();
        let cap = self.caps.get(&order).copied().unwrap_or(100);
        let coins = self.coins.entry(order).or_default();
        if *coins + add > cap {
            return Err(());
        }
        *coins += add;
        Ok(add)
    }
}

fn action_key(call: &CallHeaders) -> String {
    CallHeaders { op: Op::Action, ..call.clone() }.key()
}

fn called(headers: &HeaderMap, method: &Method, uri: &Uri, body: &[u8]) -> (CallHeaders, String) {
    let call = CallHeaders::read(headers).expect("a call");
    (call, format!("{method} {uri} {}", String::from_utf8_lossy(body)))
}

async fn act(State(pots): State<Pots>, headers: HeaderMap, method: Method, uri: Uri, body: Bytes) -> Response {
    let (call, digest) = called(&headers, &method, &uri, &body);
    let json: Value = serde_json::from_slice(&body).expect("JSON");
    let key = call.key();
    let mut store = pots.store.lock().await;
    while store.under_way.contains(&key) {
        drop(store);
        tokio::time::sleep(Duration::from_millis(5)).await;
        store = pots.store.lock().await;
    }
    *store.arrived.entry(key.clone()).or_default() += 1;
    if let Some(refused) = pots.door(&mut store, &call, &digest) {
        return refused;
    }
    if pots.has(Flaw::RefusesTheAction) {
        return pots.answer(&call, 404, String::new());
    }
    if let Some(row) = store.rows.get(&key).cloned() {
        let later = (call.epoch, call.attempt) > row.at;
        match row.state {
            Stands::Tombstone => {
                return if pots.has(Flaw::ReplaysWhatWasUndone) && row.added > 0 {
                    pots.answer(&call, row.status, row.body)
                } else {
                    pots.answer(&call, 409, "{\"type\":\"already-compensated\"}".to_owned())
                };
            }
            Stands::Rejected if (later && !pots.has(Flaw::RejectsForEver)) || pots.has(Flaw::ForgetsRejections) => {}
            _ => {
                let added = if pots.has(Flaw::AppliesCopies) && row.state == Stands::Done {
                    store.add(&json).unwrap_or_default()
                } else {
                    0
                };
                let anew =
                    pots.has(Flaw::MakesANewReply) || (pots.has(Flaw::ReplaysNotTheNextEpoch) && call.epoch > row.at.0);
                let body = if anew && row.state == Stands::Done { store.reply() } else { row.body };
                if let Some(row) = store.rows.get_mut(&key) {
                    row.added += added;
                }
                return pots.answer(&call, row.status, body);
            }
        }
    }
    judge(&pots, store, &call, digest, &json).await
}

async fn judge(
    pots: &Pots,
    mut store: MutexGuard<'_, Store>,
    call: &CallHeaders,
    digest: String,
    json: &Value,
) -> Response {
    let key = call.key();
    if pots.has(Flaw::ChecksThenActs) || pots.has(Flaw::CompensationDoesNotWait) {
        if pots.has(Flaw::CompensationDoesNotWait) {
            store.under_way.insert(key.clone());
        }
        drop(store);
        store = pots.raced(call).await;
        store.under_way.remove(&key);
    }
    let at = (call.epoch, call.attempt);
    if let Some(token) = call.callback.clone().filter(|_| !pots.has(Flaw::NeverAccepts)) {
        let row = Row { state: Stands::Accepted, digest, status: 202, body: "{}".to_owned(), at, added: 0 };
        store.rows.insert(key.clone(), row);
        tokio::spawn(finish(pots.clone(), key, json.clone(), token.expose().to_owned()));
        return pots.answer(call, 202, "{}".to_owned());
    }
    let (state, status, body, added) = match store.add(json) {
        Ok(added) => (Stands::Done, 201, store.reply(), added),
        Err(()) => (Stands::Rejected, 409, json!({ "type": "full", "nth": store.replies }).to_string(), 0),
    };
    store.replies += 1;
    store.rows.insert(key, Row { state, digest, status, body: body.clone(), at, added });
    pots.answer(call, status, body)
}

async fn undo(
    State(pots): State<Pots>,
    Path(order): Path<String>,
    headers: HeaderMap,
    method: Method,
    uri: Uri,
) -> Response {
    let (call, digest) = called(&headers, &method, &uri, b"");
    let mut store = pots.store.lock().await;
    if let Some(refused) = pots.door(&mut store, &call, &digest) {
        return refused;
    }
    let action = store.rows.get(&action_key(&call)).cloned();
    let added = action.as_ref().map_or(0, |row| row.added);
    if let Some(row) = store.rows.get(&call.key()).cloned() {
        if pots.has(Flaw::UndoesAgain) {
            *store.coins.entry(order).or_default() -= added;
        }
        return pots.answer(&call, row.status, row.body);
    }
    match &action {
        None if pots.has(Flaw::NothingToUndoIs404) => return pots.answer(&call, 404, String::new()),
        Some(row) if row.state == Stands::Rejected && pots.has(Flaw::UndoesRejections) => {
            *store.coins.entry(order).or_default() -= 101;
        }
        _ => *store.coins.entry(order).or_default() -= added,
    }
    let kept = action.unwrap_or(Row {
        state: Stands::Tombstone,
        digest: String::new(),
        status: 409,
        body: String::new(),
        at: (0, 0),
        added: 0,
    });
    if !(pots.has(Flaw::NoTombstone) && kept.digest.is_empty()) {
        store.rows.insert(action_key(&call), Row { state: Stands::Tombstone, ..kept });
    }
    let body = store.reply();
    let at = (call.epoch, call.attempt);
    let row = Row { state: Stands::Done, digest, status: 200, body: body.clone(), at, added: 0 };
    store.rows.insert(call.key(), row);
    pots.answer(&call, 200, body)
}

/// Later, and told until it is heard.
async fn finish(pots: Pots, key: String, json: Value, token: String) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut store = pots.store.lock().await;
    let Some(row) = store.rows.get(&key).cloned() else { return };
    if row.state != Stands::Accepted && !pots.has(Flaw::FinishesWhatWasUndone) {
        return;
    }
    let added = store.add(&json).unwrap_or_default();
    let body = store.reply();
    let state = if row.state == Stands::Accepted { Stands::Done } else { row.state };
    store.rows.insert(key, Row { state, status: 201, body: body.clone(), added, ..row });
    drop(store);
    let Some(at) = pots.orchestrator else { return };
    let verdict = format!("{{\"outcome\":\"succeeded\",\"body\":{body}}}");
    loop {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("http://{at}/v1/callbacks");
        let told = client.post(url).header("saga-callback", &token).body(verdict.clone()).send().await;
        if pots.has(Flaw::TellsOnce) || told.is_ok_and(|told| told.status().is_success()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn probe(State(pots): State<Pots>, headers: HeaderMap) -> Response {
    let call = CallHeaders::read(&headers).expect("a call");
    let store = pots.store.lock().await;
    match store.rows.get(&call.key()).filter(|row| matches!(row.state, Stands::Done | Stands::Accepted)) {
        Some(row) => pots.answer(&call, row.status, row.body.clone()),
        None => pots.answer(&call, 404, String::new()),
    }
}

async fn read(State(pots): State<Pots>, Path(order): Path<String>) -> String {
    json!({ "coins": pots.store.lock().await.coins.get(&order).copied().unwrap_or_default() }).to_string()
}

async fn cap(State(pots): State<Pots>, Path(order): Path<String>, body: Bytes) -> StatusCode {
    let json: Value = serde_json::from_slice(&body).expect("JSON");
    pots.store.lock().await.caps.insert(order, json["cap"].as_i64().expect("a number"));
    StatusCode::NO_CONTENT
}

async fn card(State(pots): State<Pots>) -> String {
    let fingerprint = if pots.has(Flaw::NewFingerprintEachTime) { Uuid::new_v4() } else { Uuid::nil() };
    json!({ "kind": "memory", "contract": 1, "barrier": true, "fingerprint": fingerprint }).to_string()
}

async fn forget(State(pots): State<Pots>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get("content-type").is_some_and(|kind| kind != "application/json") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    if body.len() > FORGET_BODY_LIMIT_BYTES {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    match serde_json::from_slice::<ForgetRequest>(&body) {
        Err(error) if error.is_data() && !pots.has(Flaw::ForgetsNothingInParticular) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Err(error) if !error.is_data() => StatusCode::BAD_REQUEST,
        Err(_) => StatusCode::NO_CONTENT,
        Ok(request) => {
            if pots.has(Flaw::NoGrace) {
                let mut store = pots.store.lock().await;
                store.rows.retain(|key, _| !request.sagas.iter().any(|saga| key.starts_with(&saga.to_string())));
            }
            StatusCode::NO_CONTENT
        }
    }
}
