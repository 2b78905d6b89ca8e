//! How the barrier on SQLite lets go: in batches, by a timer, and what its door refuses.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use amends_barrier::{Barrier, clock::Clock, testing};
use amends_protocol::forget::{FORGET_BODY_LIMIT_BYTES, FORGET_PATH, FORGET_SAGAS_MAX};
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::{
    pot, sqlite,
    subject::{GRACE, action, ask, saga},
};

const PATIENCE: Duration = Duration::from_secs(20);
const BATCH: u64 = 500;

/// So many ended sagas with so many calls each, marked long ago.
async fn fill(barrier: &Barrier, sagas: u32, calls: u32) {
    let statements = [
        "insert into barrier_fence (saga, epoch) select 'saga ' || value, 1 from generate_series(1, $1) where $2 > 0",
        "insert into barrier_ended (saga, at) select 'saga ' || value, value from generate_series(1, $1) where $2 > 0",
        "insert into barrier_call (saga, step, item, op, state, digest, epoch, attempt, status, body, at)
        select 'saga ' || one.value, 'fill', two.value, 'action', 'done', zeroblob(32), 1, 1, 201, zeroblob(200), 1
        from generate_series(1, $1) as one, generate_series(1, $2) as two",
    ];
    // The bundled SQLite has no generate_series of its own.
    let series = "(with recursive series (value) as (select 1 union all select value + 1 from series where value < ";
    let statements = statements.map(|statement| {
        let statement = statement.replace("generate_series(1, $1)", &format!("{series}$1) select value from series)"));
        statement.replace("generate_series(1, $2)", &format!("{series}$2) select value from series)"))
    });
    barrier
        .unguarded(move |tx| {
            Box::pin(async move {
                for statement in statements {
                    sqlx::query(sqlx::AssertSqlSafe(statement)).bind(sagas).bind(calls).execute(tx.sqlite()?).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
}

async fn marks(barrier: &Barrier) -> u64 {
    let count = sqlx::query_scalar::<_, i64>("select count(*) from barrier_ended")
        .fetch_one(barrier.readers().sqlite().unwrap());
    count.await.unwrap().unsigned_abs()
}

#[tokio::test]
async fn at_most_500_sagas_and_5000_calls_go_in_one_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = sqlite::open(dir.path()).await;
    fill(&barrier, 1_001, 2).await;
    for batch in [BATCH, BATCH, 1, 0] {
        assert_eq!(barrier.let_go().await.unwrap(), batch);
    }
    fill(&barrier, 30, 1_000).await;
    let begun = Instant::now();
    for batch in [5; 6] {
        assert_eq!(barrier.let_go().await.unwrap(), batch);
    }
    println!("5000 calls go in {:?}", begun.elapsed() / 6);
    assert_eq!((barrier.let_go().await.unwrap(), marks(&barrier).await), (0, 0));
}

#[tokio::test]
async fn a_forget_takes_more_with_it_than_it_can_name_and_leaves_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = sqlite::open(dir.path()).await;
    fill(&barrier, 1_700, 1).await;
    let named = FORGET_SAGAS_MAX as u64;
    let router = pot::router(barrier.clone());
    assert_eq!(testing::forget(&router, &[saga()]).await.status, StatusCode::NO_CONTENT);
    let left = marks(&barrier).await;
    assert_eq!(left, 200);
    assert!(1_700 - left > named, "or a backlog would grow");
}

#[tokio::test]
async fn the_timer_alone_lets_go_of_what_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    let barrier = sqlite::open(dir.path()).await.with_clock(clock.clone()).with_forget_grace(GRACE);
    let router = pot::router(barrier.clone());
    let fill = action(saga(), 7);
    fill.send(&router).await;
    testing::forget(&router, &[fill.headers.saga]).await;
    clock.advance(GRACE);
    assert_eq!(marks(&barrier).await, 1);
    let gone = async {
        while marks(&barrier).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    let timer: Infallible = tokio::select! {
        () = gone => return,
        never = barrier.keep_letting_go(Duration::from_millis(1)) => never,
        () = tokio::time::sleep(PATIENCE) => panic!("nothing went"),
    };
    match timer {}
}

#[tokio::test]
async fn a_bad_forget_is_a_problem_and_marks_nothing() {
    let subject = sqlite::subject(None).await;
    let known = saga();
    subject.send(&action(known, 7)).await;
    let rows = subject.kept(known).await;
    let many = |count: usize| json!({ "sagas": vec![known; count] }).to_string();
    let padded = |bytes: usize| format!("{{\"sagas\":[\"{known}\"]{}}}", " ".repeat(bytes - 50));
    assert_eq!(padded(1_000).len(), 1_000);
    let cases = [
        ("POST", "application/json", String::new(), StatusCode::BAD_REQUEST, "no-json"),
        ("POST", "application/json", "{\"sagas\":[".to_owned(), StatusCode::BAD_REQUEST, "no-json"),
        ("POST", "application/json", padded(FORGET_BODY_LIMIT_BYTES + 1), StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        ("POST", "text/plain", many(1), StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
        ("POST", "application/json", "{}".to_owned(), StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        ("POST", "application/json", many(0), StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        ("POST", "application/json", many(FORGET_SAGAS_MAX + 1), StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        (
            "POST",
            "application/json",
            json!({ "sagas": [known, "x"] }).to_string(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
        ),
        ("GET", "application/json", many(1), StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
        ("PUT", "application/json", many(1), StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
        ("DELETE", "application/json", many(1), StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
    ];
    let send = async |method: &str, media_type: &str, body: String| {
        let request = Request::builder().method(method).uri(FORGET_PATH).header("content-type", media_type);
        ask(&subject.calls, request.body(Body::from(body)).unwrap()).await
    };
    for (method, media_type, body, status, problem) in cases {
        let case = format!("{method} {media_type} {}", body.chars().take(60).collect::<String>());
        let heard = send(method, media_type, body).await;
        assert_eq!((heard.status, heard.problem().as_deref()), (status, Some(problem)), "{case}");
        assert_eq!(heard.headers["content-type"], "application/problem+json", "{case}");
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(heard.headers["allow"], "POST", "{case}");
        }
    }
    assert_eq!(subject.kept(known).await, rows);
    for good in [padded(FORGET_BODY_LIMIT_BYTES), many(FORGET_SAGAS_MAX)] {
        assert_eq!(send("POST", "application/json", good).await.status, StatusCode::NO_CONTENT);
        assert_eq!(subject.kept(known).await, rows + 1);
    }
    let largest = json!({ "sagas": (0..FORGET_SAGAS_MAX).map(|_| Uuid::now_v7()).collect::<Vec<_>>() }).to_string();
    assert_eq!(send("POST", "application/json", largest).await.status, StatusCode::NO_CONTENT);
}
