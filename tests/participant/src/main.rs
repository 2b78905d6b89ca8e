//! A participant that does anything it is asked to: every path, every step, with a barrier, and writes down what came.
//!
//! Why it exists: the sagas of `sagas/` name many services, and a scenario is about the saga, not about their business.
//! Who calls it: the scenario tests. **It must never know** a saga: what it answers, it is told.

mod later;

use std::sync::Arc;

use amends_barrier::{
    Barrier, Broken, Call, Database, Tx, Verdict, participant,
    program::{self, Options},
    sqlite, touched,
};
use axum::{
    Extension, Json, Router,
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, get, put},
};
use clap::Parser;
use serde_json::{Map, Value, json};

use crate::later::Deciding;

/// A participant of Amends that does whatever it is asked to
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// Step → body of the answer to its action, as JSON
    #[arg(long, default_value = "{}")]
    replies: String,
    /// Step → what becomes of actions that may be called back: `{"when": "early" | "never" | {"after_ms": 5}, "verdict":
    /// {"done": BODY} | {"refused": REASON}}`, as JSON. Others are answered at once
    #[arg(long, default_value = "{}")]
    later: String,
    /// Who is called back
    #[arg(long, default_value = "http://127.0.0.1:7070")]
    orchestrator: String,
}

type Replies = Arc<Map<String, Value>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { options, replies, later, orchestrator } = Cli::parse();
    program::log_to_stderr();
    let deciding = Deciding::new(serde_json::from_str(&later)?, &orchestrator)?;
    let replies: Replies = Arc::new(serde_json::from_str(&replies)?);
    let Database::Sqlite(file) = &options.database else { return Err(options.database.foreign().into()) };
    let barrier = options.set(sqlite::open(file, &sqlx::migrate!("./migrations")).await?);
    let routes = Router::new().route("/calls", get(calls)).route("/later", put(later::set)).route("/{*path}", any(act));
    let router = participant(barrier.clone(), routes).layer(Extension(replies)).layer(Extension(deciding.clone()));
    tokio::select! {
        ended = program::run(&options, barrier.clone(), router) => Ok(ended?),
        never = deciding.keep_telling(&barrier) => match never {},
    }
}

async fn act(
    State(barrier): State<Barrier>,
    Extension(replies): Extension<Replies>,
    Extension(deciding): Extension<Deciding>,
    request: Request,
) -> Response {
    let step = request.headers().get("saga-step").and_then(|step| step.to_str().ok()).unwrap_or_default();
    let reply = replies.get(step).cloned().unwrap_or_else(|| json!({}));
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    if method == "GET" {
        return Json(reply).into_response();
    }
    let call = match Call::from_request(request, &()).await {
        Ok(call) => call,
        Err(problem) => return problem.into_response(),
    };
    let headers = call.headers();
    let row = Row {
        saga: headers.saga.to_string(),
        step: headers.step.clone(),
        item: headers.index,
        op: headers.op.as_str(),
        method,
        path,
        body: String::from_utf8_lossy(call.body()).into_owned(),
    };
    if row.op == "compensate" {
        return barrier
            .compensate(call, move |tx, _| {
                Box::pin(async move {
                    row.insert(tx).await?;
                    Ok(Verdict::ok(&json!({})))
                })
            })
            .await;
    }
    let (place, later) = (call.place(), deciding.of(&call));
    let accepts = later.is_some();
    let answer = barrier
        .action(call, move |tx, _: Value| {
            Box::pin(async move {
                row.insert(tx).await?;
                Ok(if accepts { Verdict::accepted(&json!({})) } else { Verdict::created(&reply) })
            })
        })
        .await;
    match later {
        Some(later) if answer.status() == StatusCode::ACCEPTED => match deciding.decide(&barrier, place, later).await {
            Ok(()) => answer,
            Err(broken) => broken.into_response(),
        },
        _ => answer,
    }
}

#[derive(Clone)]
struct Row {
    saga: String,
    step: String,
    item: Option<u32>,
    op: &'static str,
    method: String,
    path: String,
    body: String,
}

impl Row {
    async fn insert(self, tx: &mut Tx) -> Result<(), Broken> {
        let done = sqlx::query(
            "-- insert_call
            insert into calls (saga, step, item, op, method, path, body) values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.saga)
        .bind(self.step)
        .bind(self.item)
        .bind(self.op)
        .bind(self.method)
        .bind(self.path)
        .bind(self.body)
        .execute(tx.sqlite()?)
        .await?;
        touched(done.rows_affected(), "insert_call", 1)
    }
}

type Asked = (String, String, Option<i64>, String, String, String, String);

/// Everything it was asked and judged anew, in order.
async fn calls(State(barrier): State<Barrier>) -> Result<Response, Broken> {
    let rows: Vec<Asked> = sqlx::query_as(
        "-- calls_in_order
        select saga, step, item, op, method, path, body from calls order by seq",
    )
    .fetch_all(barrier.readers().sqlite()?)
    .await?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(saga, step, item, op, method, path, body)| {
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            json!({ "saga": saga, "step": step, "item": item, "op": op, "method": method, "path": path, "body": body })
        })
        .collect();
    Ok(Json(rows).into_response())
}
