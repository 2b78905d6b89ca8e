//! A database of an earlier program.

use std::sync::Arc;

use sqlx::migrate::Migrator;

use super::{connect, database, server, tamper};
use crate::{
    conformance::earlier::{Earlier, Spelling},
    postgres::{PostgresStore, open::MIGRATIONS},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_every_earlier_schema_are_there_in_todays_and_go_on() {
    let server = server();
    let spelling = Spelling { id: |id| format!("'{id}'"), no: "false" };
    for migrations in 1..=MIGRATIONS.iter().count() {
        let (url, earlier) = (database(&server).await, Earlier::made());
        let known = MIGRATIONS.iter().take(migrations).cloned().collect();
        Migrator::with_migrations(known).run(&mut connect(&url).await).await.unwrap();
        tamper(&url, earlier.statements(&spelling)).await;
        eprintln!("of the schema with {migrations} migrations");
        earlier.are_there_and_go_on(Arc::new(PostgresStore::open(url).await.unwrap())).await;
    }
}
