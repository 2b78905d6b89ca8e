//! Redis: the subject, whose business is Lua, the suite, the controls, and what only a server without transactions can get wrong.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use amends_barrier::{
    Broken, Call, Place, Reply,
    clock::Clock,
    due::Completion,
    fault::{Faults, Pause, Rule},
    http::{JsonBody, PathId},
    participant,
    redis::{self, Barrier},
};
use amends_servers::{Mode, Redis};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    races,
    side::all_hold,
    subject::{GRACE, Subject, action, compensation, saga},
};

const POT: &str = include_str!("pot.lua");

async fn server(settings: &'static [&'static str]) -> Arc<Redis> {
    Arc::new(tokio::task::spawn_blocking(|| Redis::start(settings)).await.unwrap().unwrap())
}

/// Under a prefix of its own.
async fn subject(server: Arc<Redis>, off: Option<Rule>) -> Subject {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let prefix = format!("pot{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    subject_of(&server.url(), &prefix, off).await
}

async fn subject_of(url: &str, prefix: &str, off: Option<Rule>) -> Subject {
    let (pause, clock) = (Pause::default(), Clock::default());
    let program = async |pause: Pause| {
        let barrier = redis::open(url, prefix, POT).await.unwrap();
        let barrier = barrier.with_clock(clock.clone()).with_forget_grace(GRACE);
        router(barrier.with_faults(Faults::testing(pause, off)))
    };
    let (calls, beside) = (program(pause.clone()).await, program(pause.beside()).await);
    Subject { calls, beside, pause, clock, in_one_step: true, dir: None }
}

fn router(barrier: Barrier) -> Router {
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

#[derive(Deserialize, Serialize)]
struct Pot {
    coins: i64,
    cap: i64,
    mood: String,
}

async fn fill(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.action(call, "fill", |fill: Fill| Ok(json!({ "add": fill.add, "id": Uuid::now_v7() }))).await
}

async fn empty(State(barrier): State<Barrier>, call: Call) -> Response {
    barrier.compensate(call, "empty", json!({ "id": Uuid::now_v7() })).await
}

async fn read(State(barrier): State<Barrier>) -> Result<Response, Broken> {
    let reader = barrier.reader();
    let pot = ::redis::cmd("hmget").arg(reader.key("pot")).arg(&["coins", "cap", "mood"]).to_owned();
    let (coins, cap, mood): (Option<i64>, Option<i64>, Option<String>) = reader.query(&pot).await?;
    let pot = Pot { coins: coins.unwrap_or(0), cap: cap.unwrap_or(100), mood: mood.unwrap_or("well".to_owned()) };
    amends_barrier::reply::ok(&pot)
}

async fn set(State(barrier): State<Barrier>, JsonBody(pot): JsonBody<Pot>) -> Result<Reply, Broken> {
    barrier.unguarded("set", pot).await
}

#[derive(Deserialize)]
struct Finish {
    saga: Uuid,
    step: String,
    #[serde(default)]
    good: bool,
}

async fn finish(State(barrier): State<Barrier>, JsonBody(finish): JsonBody<Finish>) -> Response {
    let place = Place { saga: finish.saga, step: finish.step, index: None };
    let word = match barrier.complete(place, "finish", json!({ "good": finish.good })).await {
        Ok(Completion::Completed(_)) => "completed",
        Ok(Completion::AlreadyCompleted(_)) => "already completed",
        Ok(Completion::Compensated) => "compensated",
        Ok(Completion::NeverAccepted) => "never accepted",
        Err(broken) => return broken.into_response(),
    };
    Reply::new(StatusCode::OK, &json!({ "completion": word })).into_response()
}

async fn due(State(barrier): State<Barrier>) -> Result<Response, Broken> {
    let due = barrier.due_callbacks(100).await?;
    let due: Vec<_> = due.iter().map(|due| json!({ "token": due.token.expose(), "verdict": due.verdict })).collect();
    amends_barrier::reply::ok(&due)
}

async fn heard(State(barrier): State<Barrier>, JsonBody(of): JsonBody<Finish>) -> Result<Response, Broken> {
    barrier.heard(Place { saga: of.saga, step: of.step, index: None }).await?;
    amends_barrier::reply::ok(&json!({}))
}

/// Every field of the saga's hash is one thing that is kept of it.
async fn kept(State(barrier): State<Barrier>, PathId(saga): PathId) -> Result<Response, Broken> {
    let reader = barrier.reader();
    let rows: i64 = reader.query(::redis::cmd("hlen").arg(reader.key(&format!("saga:{saga}")))).await?;
    amends_barrier::reply::ok(&json!({ "rows": rows }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_holds_and_every_broken_rule_is_noticed() {
    let server = server(&[]).await;
    // Nothing here looks before it writes: a script is one step.
    all_hold(move |off| subject(server.clone(), off), &[Rule::InsertAsLock]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_race_have_one_effect_and_none_is_lost() {
    let server = server(&[]).await;
    races::all(async || subject(server.clone(), None).await).await;
}

#[tokio::test]
async fn what_was_answered_outlives_the_death_of_the_server_and_is_one_store() {
    let mut server = tokio::task::spawn_blocking(|| Redis::start(&[])).await.unwrap().unwrap();
    let (url, applied, undone) = (server.url(), saga(), saga());
    let before = subject_of(&url, "pot", None).await;
    let card = before.get("/.well-known/amends-participant").await;
    let first = before.send(&action(applied, 7)).await;
    before.send(&action(undone, 5)).await;
    let took = before.send(&compensation(undone)).await;
    let server = tokio::task::spawn_blocking(move || {
        server.stop(Mode::Immediate).unwrap();
        server.start_again().unwrap();
        server
    });
    let server = server.await.unwrap();
    let after = subject_of(&url, "pot", None).await;
    assert_eq!(after.send(&action(applied, 7)).await, first);
    assert_eq!(after.send(&compensation(undone)).await, took);
    assert_eq!(after.coins().await, 7);
    assert_eq!(after.get("/.well-known/amends-participant").await, card);
    assert_eq!((&card["kind"], card["fingerprint"].as_str().map(str::len)), (&"redis".into(), Some(36)));
    // The one that was there before finds it again, and the script that the server has forgotten with it.
    let again = async {
        loop {
            let heard = before.send(&action(applied, 7)).await;
            if heard.status != StatusCode::INTERNAL_SERVER_ERROR {
                return heard;
            }
        }
    };
    assert_eq!(tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap(), first);
    let other = subject_of(&server.url(), "other", None).await.get("/.well-known/amends-participant").await;
    assert_ne!(other["fingerprint"], card["fingerprint"]);
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused() {
    let cases: [(&[&str], &str); 3] = [
        (&["--appendonly", "no"], "appendonly no"),
        (&["--appendfsync", "everysec"], "appendfsync everysec"),
        (&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"], "maxmemory-policy allkeys-lru"),
    ];
    for (settings, said) in cases {
        let server = tokio::task::spawn_blocking(move || Redis::start(settings)).await.unwrap().unwrap();
        let refused = redis::open(&server.url(), "pot", POT).await.unwrap_err();
        assert!(matches!(refused, Broken::Forgetful(_)), "{refused:?}");
        assert!(refused.to_string().contains(said), "{refused}");
    }
}

/// The commands of a script are one entry of the file: a file that ends in the middle of it has none of them.
#[tokio::test]
async fn half_of_a_call_is_never_read_back() {
    let mut server = tokio::task::spawn_blocking(|| Redis::start(&[])).await.unwrap().unwrap();
    let before = subject_of(&server.url(), "pot", None).await;
    let (kept, lost) = (saga(), saga());
    before.send(&action(kept, 1)).await;
    before.send(&action(lost, 2)).await;
    server.stop(Mode::Immediate).unwrap();
    // The last byte goes with the crash. What stands before it of the last call is most of its commands.
    let file = server.append_only_file().unwrap();
    let length = std::fs::metadata(&file).unwrap().len();
    let cut = Command::new("truncate").args(["--size", &(length - 1).to_string()]).arg(&file).status().unwrap();
    assert!(cut.success());
    server.start_again().unwrap();
    let after = subject_of(&server.url(), "pot", None).await;
    assert_eq!(after.coins().await, 1);
    assert_eq!(after.kept(lost).await, 0, "neither the fence nor the row");
    assert_eq!(after.effects(lost).await, [""; 0]);
    assert_eq!(after.effects(kept).await, ["action applied"]);
}

/// Redis takes nothing back, so the first write of a call must be one that a full server refuses.
#[tokio::test]
async fn a_server_that_is_full_does_nothing_by_halves() {
    let server = server(&[]).await;
    let subject = subject(server.clone(), None).await;
    let full = |bytes| assert_eq!(server.say(&["config", "set", "maxmemory", bytes]).unwrap(), "+OK");
    let (done, new) = (saga(), saga());
    let first = subject.send(&action(done, 7)).await;
    full("1");
    for refused in [action(new, 5), compensation(done), compensation(new)] {
        let heard = subject.send(&refused).await;
        assert_eq!((heard.status, heard.ack), (StatusCode::INTERNAL_SERVER_ERROR, None), "{refused:?}");
    }
    assert_eq!(subject.send(&action(done, 7)).await, first, "what is stored can be read");
    assert_eq!((subject.coins().await, subject.kept(new).await), (7, 0));
    assert_eq!(subject.effects(done).await, ["action applied"]);
    full("0");
    assert_eq!(subject.send(&compensation(done)).await.status, StatusCode::OK);
    assert_eq!(subject.send(&compensation(new)).await.status, StatusCode::OK);
    assert_eq!(subject.coins().await, 0);
    assert_eq!(subject.effects(done).await, ["action applied", "compensate undone"]);
    assert_eq!(subject.effects(new).await, ["compensate null"]);
}
