//! The subject on SQLite.

use std::path::Path;

use amends_barrier::{
    Broken, Call, Place, Problem, Reply, Verdict,
    clock::Clock,
    fault::{Faults, Pause, Rule},
    http::{JsonBody, PathId},
    sqlite::{self, Barrier, Completion, touched},
};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{
    AssertSqlSafe, FromRow, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
};
use uuid::Uuid;

use crate::subject::{GRACE, Subject};

const POT: &str = "
create table pot (
    id integer primary key check (id = 1),
    coins integer not null check (coins >= 0),
    cap integer not null,
    mood text not null
) strict;
insert into pot (id, coins, cap, mood) values (1, 0, 100, 'well');
";

pub(crate) async fn subject(off: Option<Rule>) -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let (pause, clock) = (Pause::default(), Clock::default());
    let program = async |pause: Pause| {
        let barrier = open(dir.path()).await.with_clock(clock.clone()).with_forget_grace(GRACE);
        router(barrier.with_faults(Faults::testing(pause, off)))
    };
    let (calls, beside) = (program(pause.clone()).await, program(pause.beside()).await);
    Subject { calls, beside, pause, clock, dir }
}

pub(crate) async fn open(dir: &Path) -> Barrier {
    let migration = Migration::new(1, "pot".into(), MigrationType::Simple, POT.into_sql_str(), false);
    sqlite::open(&dir.join("pot.db"), &Migrator::with_migrations(vec![migration])).await.unwrap()
}

pub(crate) fn router(barrier: Barrier) -> Router {
    let business = Router::new()
        .route("/coins", post(fill).delete(empty))
        .route("/pot", get(read).put(set))
        .route("/finish", post(finish))
        .route("/due", get(due))
        .route("/heard", post(heard))
        .route("/kept/{saga}", get(kept));
    sqlite::participant(barrier, business)
}

#[derive(Deserialize)]
struct Fill {
    add: i64,
}

#[derive(Serialize, Deserialize)]
struct Receipt {
    id: Uuid,
    added: i64,
}

#[derive(Deserialize, FromRow, Serialize)]
struct Pot {
    coins: i64,
    cap: i64,
    mood: String,
}

async fn fill(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, |tx, body: Fill| Box::pin(add(tx, body.add))).await
}

async fn empty(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.compensate(call, |tx, original| Box::pin(take(tx, original))).await
}

async fn add(tx: &mut SqliteConnection, add: i64) -> Result<Verdict, Broken> {
    let pot: Pot = sqlx::query_as("update pot set coins = coins + $1 where id = 1 returning coins, cap, mood")
        .bind(add)
        .fetch_one(tx)
        .await?;
    let receipt = json!(Receipt { id: Uuid::now_v7(), added: add });
    match pot.mood.as_str() {
        "broken" => Err(Broken::Corrupt("the test wants it so".into())),
        "panic" => panic!("the test wants it so"),
        "slow" => Ok(Verdict::accepted(&receipt)),
        _ if pot.coins > pot.cap => Ok(Problem::conflict("full", "the pot is full").refuse()),
        _ => Ok(Verdict::created(&receipt)),
    }
}

async fn take(tx: &mut SqliteConnection, original: Reply) -> Result<Verdict, Broken> {
    let receipt: Receipt = original.json()?;
    let pot: Pot = sqlx::query_as("select coins, cap, mood from pot where id = 1").fetch_one(&mut *tx).await?;
    if pot.coins < receipt.added {
        return Ok(Problem::conflict("spent", "the coins are gone").refuse());
    }
    let result = sqlx::query("update pot set coins = coins - $1 where id = 1").bind(receipt.added).execute(tx).await?;
    touched(&result, "take", 1)?;
    if pot.mood == "broken" {
        return Err(Broken::Corrupt("the test wants it so".into()));
    }
    Ok(Verdict::ok(&json!({ "id": Uuid::now_v7(), "took": receipt.added })))
}

async fn read(State(barrier): State<Barrier>) -> Result<Response, Broken> {
    let pot: Pot = sqlx::query_as("select coins, cap, mood from pot where id = 1").fetch_one(barrier.readers()).await?;
    amends_barrier::reply::ok(&pot)
}

async fn set(State(barrier): State<Barrier>, JsonBody(pot): JsonBody<Pot>) -> Result<Response, Broken> {
    barrier
        .unguarded(move |tx| {
            Box::pin(async move {
                let write = sqlx::query("update pot set coins = $1, cap = $2, mood = $3 where id = 1");
                let result = write.bind(pot.coins).bind(pot.cap).bind(pot.mood).execute(tx).await?;
                touched(&result, "set", 1)
            })
        })
        .await?;
    amends_barrier::reply::ok(&json!({}))
}

#[derive(Deserialize)]
struct Finish {
    saga: Uuid,
    step: String,
    good: bool,
}

async fn finish(State(barrier): State<Barrier>, JsonBody(finish): JsonBody<Finish>) -> Response {
    let place = Place { saga: finish.saga, step: finish.step, index: None };
    let completion = barrier
        .complete(place, move |tx, accepted| {
            Box::pin(async move {
                if finish.good {
                    return Ok(Verdict::created(&accepted.json()?));
                }
                take(tx, accepted).await?;
                Ok(Problem::conflict("failed", "the work failed in the end").refuse())
            })
        })
        .await;
    let word = match completion {
        Ok(Completion::Completed(_)) => "completed",
        Ok(Completion::AlreadyCompleted(_)) => "already completed",
        Ok(Completion::Compensated) => "compensated",
        Ok(Completion::NeverAccepted) => "never accepted",
        Err(broken) => return broken.into_response(),
    };
    Reply::new(http::StatusCode::OK, &json!({ "completion": word })).into_response()
}

async fn due(State(barrier): State<Barrier>) -> Result<Response, Broken> {
    let due = barrier.due_callbacks(100).await?;
    let due: Vec<_> = due
        .iter()
        .map(|due| json!({ "token": due.token.expose(), "verdict": due.verdict, "saga": due.action.saga }))
        .collect();
    amends_barrier::reply::ok(&due)
}

#[derive(Deserialize)]
struct HeardOf {
    saga: Uuid,
    step: String,
}

async fn heard(State(barrier): State<Barrier>, JsonBody(of): JsonBody<HeardOf>) -> Result<Response, Broken> {
    barrier.heard(Place { saga: of.saga, step: of.step, index: None }).await?;
    amends_barrier::reply::ok(&json!({}))
}

async fn kept(State(barrier): State<Barrier>, PathId(saga): PathId) -> Result<Response, Broken> {
    // Every table of the barrier that has sagas, also those that are still to come.
    let tables: Vec<String> = sqlx::query_scalar(
        "select name
        from sqlite_schema
        where type = 'table' and name glob 'barrier_*' and name <> 'barrier_ledger'
          and exists (select 1 from pragma_table_info(sqlite_schema.name) as field where field.name = 'saga')",
    )
    .fetch_all(barrier.readers())
    .await?;
    assert!(tables.len() >= 3, "{tables:?}");
    let mut rows = 0;
    for table in tables {
        let count = AssertSqlSafe(format!("select count(*) from {table} where saga = $1"));
        rows += sqlx::query_scalar::<_, i64>(count).bind(&saga).fetch_one(barrier.readers()).await?;
    }
    amends_barrier::reply::ok(&json!({ "rows": rows }))
}
