//! MariaDB: the suite, the controls, and what only a database with many writers can get wrong.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use amends_barrier::{Barrier, Broken, fault::Rule, mysql};
use amends_servers::Mariadb;
use sqlx::{Connection, Executor, MySqlConnection};

use crate::{
    pot, races,
    side::{self, all_hold},
    subject::{Subject, action, saga},
};

async fn server() -> Arc<Mariadb> {
    Arc::new(tokio::task::spawn_blocking(Mariadb::start).await.unwrap().unwrap())
}

async fn open(url: &str) -> Barrier {
    mysql::open(url, &pot::migrator()).await.unwrap()
}

async fn subject(server: Arc<Mariadb>, off: Option<Rule>) -> Subject {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let name = format!("pot{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let url = tokio::task::spawn_blocking(move || server.create_database(&name)).await.unwrap().unwrap();
    side::subject(off, || open(&url)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_holds_and_every_broken_rule_is_noticed() {
    let server = server().await;
    all_hold(move |off| subject(server.clone(), off), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_race_have_one_effect_and_none_is_lost() {
    let server = server().await;
    races::all(async || subject(server.clone(), None).await).await;
}

#[tokio::test]
async fn a_transaction_that_lost_to_another_is_run_again_and_not_for_ever() {
    let server = server().await;
    let barrier = open(&server.create_database("pot").unwrap()).await;
    races::taken_back(&barrier, "signal sqlstate '40001'").await;
}

#[tokio::test]
async fn what_differs_by_case_or_by_a_blank_at_its_end_differs() {
    let server = server().await;
    let (subject, saga) = (subject(server.clone(), None).await, saga());
    for step in ["fill", "Fill", "FILL"] {
        let mut fill = action(saga, 7);
        fill.headers.step = step.into();
        assert_eq!(subject.send(&fill).await.status, 201, "{step}");
    }
    assert_eq!(subject.coins().await, 21, "three steps, three effects");
}

#[tokio::test]
async fn a_database_shows_one_fingerprint_and_another_another() {
    let server = server().await;
    let card = async |subject: Subject| subject.get("/.well-known/amends-participant").await;
    let (one, two) = (subject(server.clone(), None).await, subject(server.clone(), None).await);
    let (one, two) = (card(one).await, card(two).await);
    assert_eq!(one["kind"], "mysql");
    assert_ne!(one["fingerprint"], two["fingerprint"]);
}

#[tokio::test]
async fn a_database_that_may_forget_is_refused() {
    let server = server().await;
    let url = server.create_database("pot").unwrap();
    let mut root = MySqlConnection::connect(&server.url_of("mysql")).await.unwrap();
    root.execute("set global innodb_flush_log_at_trx_commit = 2").await.unwrap();
    let refused = mysql::open(&url, &pot::migrator()).await.unwrap_err();
    assert!(matches!(refused, Broken::Forgetful(_)), "{refused:?}");
    assert!(refused.to_string().contains("innodb_flush_log_at_trx_commit = 2"), "{refused}");
}
