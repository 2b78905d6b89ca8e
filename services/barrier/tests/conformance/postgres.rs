//! PostgreSQL: the suite, the controls, and what only a database with many writers can get wrong.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use amends_barrier::{Barrier, Broken, fault::Rule, postgres};
use amends_servers::{Options, Postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    pot, races,
    side::{self, all_hold},
    subject::Subject,
};

async fn server(options: Options) -> Arc<Postgres> {
    Arc::new(tokio::task::spawn_blocking(|| Postgres::start(options)).await.unwrap().unwrap())
}

async fn open(url: &str) -> Barrier {
    postgres::open(url, &pot::migrator()).await.unwrap()
}

/// In a schema of its own, which is faster made than a database.
async fn subject(server: Arc<Postgres>, off: Option<Rule>) -> Subject {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let schema = format!("pot{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create schema {schema}"))).await.unwrap();
    let url = format!("{}?options[search_path]={schema}", server.url());
    side::subject(off, || open(&url)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_holds_and_every_broken_rule_is_noticed() {
    let server = server(Options { max_connections: 200, ..Options::default() }).await;
    all_hold(move |off| subject(server.clone(), off), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_race_have_one_effect_and_none_is_lost() {
    let server = server(Options::default()).await;
    races::all(async || subject(server.clone(), None).await).await;
}

#[tokio::test]
async fn a_transaction_that_lost_to_another_is_run_again_and_not_for_ever() {
    let server = server(Options::default()).await;
    let barrier = open(&server.url()).await;
    races::taken_back(&barrier, "do $$ begin raise exception 'lost' using errcode = '40001'; end $$").await;
    races::taken_back(&barrier, "do $$ begin raise exception 'lost' using errcode = '40P01'; end $$").await;
}

#[tokio::test]
async fn a_database_is_one_store_whatever_its_schema_and_shows_it() {
    let server = server(Options::default()).await;
    let card = async |subject: Subject| subject.get("/.well-known/amends-participant").await;
    let (one, two) = (card(subject(server.clone(), None).await).await, card(subject(server.clone(), None).await).await);
    assert_eq!(one["kind"], "postgres");
    assert_eq!(one["fingerprint"], two["fingerprint"], "two schemas of one database");
    let other = server.create_database("other").unwrap();
    let other = card(side::subject(None, || open(&other)).await).await;
    assert_ne!(one["fingerprint"], other["fingerprint"], "two databases of one server");
}

#[tokio::test]
async fn a_database_that_may_forget_is_refused() {
    let server = server(Options::default()).await;
    let forgetful = format!("{}?options[synchronous_commit]=off", server.url());
    let refused = postgres::open(&forgetful, &pot::migrator()).await.unwrap_err();
    assert!(matches!(refused, Broken::Forgetful(_)), "{refused:?}");
    assert!(refused.to_string().contains("synchronous_commit = off"), "{refused}");
}
