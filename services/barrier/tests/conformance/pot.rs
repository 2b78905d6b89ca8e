//! The service under test on a database with transactions: one router, and statements for each kind.

use amends_barrier::{
    Barrier, Broken, Call, Place, Problem, Reply, Tx, Verdict,
    due::Completion,
    http::{JsonBody, PathId},
    participant,
    sql::Readers,
    touched,
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
    AssertSqlSafe, FromRow, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};
use uuid::Uuid;

/// The one table, on any of them.
const POT: &str = "
create table pot (
    id integer primary key check (id = 1),
    coins bigint not null check (coins >= 0),
    cap bigint not null,
    mood varchar(10) not null
);
insert into pot (id, coins, cap, mood) values (1, 0, 100, 'well');
";

/// The service's own migrations, which know nothing of the barrier's.
pub(crate) fn migrator() -> Migrator {
    let migration = Migration::new(1, "pot".into(), MigrationType::Simple, POT.into_sql_str(), false);
    Migrator::with_migrations(vec![migration])
}

pub(crate) fn router(barrier: Barrier) -> Router {
    let business = Router::new()
        .route("/coins", post(fill).delete(empty))
        .route("/pot", get(read).put(set))
        .route("/finish", post(finish))
        .route("/due", get(due))
        .route("/heard", post(heard))
        .route("/kept/{saga}", get(kept));
    participant(barrier, business)
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

#[derive(Clone, Deserialize, FromRow, Serialize)]
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

async fn add(tx: &mut Tx, add: i64) -> Result<Verdict, Broken> {
    put(tx, add).await?;
    let pot = look(tx).await?;
    let receipt = json!(Receipt { id: Uuid::now_v7(), added: add });
    match pot.mood.as_str() {
        "broken" => Err(Broken::Corrupt("the test wants it so".into())),
        "panic" => panic!("the test wants it so"),
        "slow" => Ok(Verdict::accepted(&receipt)),
        _ if pot.coins > pot.cap => Ok(Problem::conflict("full", "the pot is full").refuse()),
        _ => Ok(Verdict::created(&receipt)),
    }
}

async fn take(tx: &mut Tx, original: Reply) -> Result<Verdict, Broken> {
    let receipt: Receipt = original.json()?;
    let pot = look(tx).await?;
    if pot.coins < receipt.added {
        return Ok(Problem::conflict("spent", "the coins are gone").refuse());
    }
    put(tx, -receipt.added).await?;
    if pot.mood == "broken" {
        return Err(Broken::Corrupt("the test wants it so".into()));
    }
    Ok(Verdict::ok(&json!({ "id": Uuid::now_v7(), "took": receipt.added })))
}

async fn put(tx: &mut Tx, coins: i64) -> Result<(), Broken> {
    const PUT: &str = "update pot set coins = coins + $1 where id = 1";
    let found = match tx {
        Tx::Sqlite(tx) => sqlx::query(PUT).bind(coins).execute(&mut **tx).await?.rows_affected(),
        Tx::Postgres(tx) => sqlx::query(PUT).bind(coins).execute(&mut **tx).await?.rows_affected(),
        Tx::Mysql(tx) => {
            let put = sqlx::query("update pot set coins = coins + ? where id = 1");
            put.bind(coins).execute(&mut **tx).await?.rows_affected()
        }
        other => return Err(other.foreign()),
    };
    touched(found, "put", 1)
}

/// Nobody else changes it until the end of this transaction.
async fn look(tx: &mut Tx) -> Result<Pot, Broken> {
    const LOOK: &str = "select coins, cap, mood from pot where id = 1";
    const LOOK_LOCKED: &str = "select coins, cap, mood from pot where id = 1 for update";
    Ok(match tx {
        Tx::Sqlite(tx) => sqlx::query_as(LOOK).fetch_one(&mut **tx).await?,
        Tx::Postgres(tx) => sqlx::query_as(LOOK_LOCKED).fetch_one(&mut **tx).await?,
        Tx::Mysql(tx) => sqlx::query_as(LOOK_LOCKED).fetch_one(&mut **tx).await?,
        other => return Err(other.foreign()),
    })
}

async fn read(State(barrier): State<Barrier>) -> Result<Response, Broken> {
    const READ: &str = "select coins, cap, mood from pot where id = 1";
    let pot: Pot = match barrier.readers() {
        Readers::Sqlite(pool) => sqlx::query_as(READ).fetch_one(pool).await?,
        Readers::Postgres(pool) => sqlx::query_as(READ).fetch_one(pool).await?,
        Readers::Mysql(pool) => sqlx::query_as(READ).fetch_one(pool).await?,
        other => return Err(other.foreign()),
    };
    amends_barrier::reply::ok(&pot)
}

async fn set(State(barrier): State<Barrier>, JsonBody(pot): JsonBody<Pot>) -> Result<Response, Broken> {
    barrier.unguarded(move |tx| Box::pin(become_pot(tx, pot))).await?;
    amends_barrier::reply::ok(&json!({}))
}

async fn become_pot(tx: &mut Tx, pot: Pot) -> Result<(), Broken> {
    const SET: &str = "update pot set coins = $1, cap = $2, mood = $3 where id = 1";
    let found = match tx {
        Tx::Sqlite(tx) => {
            let set = sqlx::query(SET).bind(pot.coins).bind(pot.cap).bind(pot.mood);
            set.execute(&mut **tx).await?.rows_affected()
        }
        Tx::Postgres(tx) => {
            let set = sqlx::query(SET).bind(pot.coins).bind(pot.cap).bind(pot.mood);
            set.execute(&mut **tx).await?.rows_affected()
        }
        Tx::Mysql(tx) => {
            let set = sqlx::query("update pot set coins = ?, cap = ?, mood = ? where id = 1");
            let set = set.bind(pot.coins).bind(pot.cap).bind(pot.mood);
            set.execute(&mut **tx).await?.rows_affected()
        }
        other => return Err(other.foreign()),
    };
    touched(found, "set", 1)
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

/// Every table of the barrier that has sagas, also those that are still to come; the ledger apart.
async fn kept(State(barrier): State<Barrier>, PathId(saga): PathId) -> Result<Response, Broken> {
    let tables: Vec<String> = match barrier.readers() {
        Readers::Sqlite(pool) => {
            let query = "select name
                from sqlite_schema
                where type = 'table' and name glob 'barrier_*' and name <> 'barrier_ledger'
                  and exists (select 1 from pragma_table_info(sqlite_schema.name) as field where field.name = 'saga')";
            sqlx::query_scalar(query).fetch_all(pool).await?
        }
        Readers::Postgres(pool) => {
            let query = "select table_name::text
                from information_schema.columns
                where table_schema = current_schema() and column_name = 'saga' and table_name like 'barrier\\_%'
                  and table_name <> 'barrier_ledger'";
            sqlx::query_scalar(query).fetch_all(pool).await?
        }
        Readers::Mysql(pool) => {
            let query = "select table_name
                from information_schema.columns
                where table_schema = database() and column_name = 'saga' and table_name like 'barrier\\_%'
                  and table_name <> 'barrier_ledger'";
            sqlx::query_scalar(query).fetch_all(pool).await?
        }
        other => return Err(other.foreign()),
    };
    assert!(tables.len() >= 3, "{tables:?}");
    let mut rows = 0;
    for table in tables {
        let count = |place| AssertSqlSafe(format!("select count(*) from {table} where saga = {place}"));
        rows += match barrier.readers() {
            Readers::Sqlite(pool) => sqlx::query_scalar::<_, i64>(count("$1")).bind(&saga).fetch_one(pool).await?,
            Readers::Postgres(pool) => sqlx::query_scalar::<_, i64>(count("$1")).bind(&saga).fetch_one(pool).await?,
            Readers::Mysql(pool) => sqlx::query_scalar::<_, i64>(count("?")).bind(&saga).fetch_one(pool).await?,
            other => return Err(other.foreign()),
        };
    }
    amends_barrier::reply::ok(&json!({ "rows": rows }))
}
