//! A file of an earlier program.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, migrate::Migrator, sqlite::SqliteConnectOptions};

use super::{file, open};
use crate::{
    conformance::earlier::{Earlier, Spelling},
    sqlite::open::MIGRATIONS,
};

#[tokio::test]
async fn rows_of_every_earlier_schema_are_there_in_todays_and_go_on() {
    let spelling = Spelling { id: |id| format!("x'{}'", id.simple()), no: "0" };
    for migrations in 1..=MIGRATIONS.iter().count() {
        let (folder, earlier) = (tempfile::tempdir().unwrap(), Earlier::made());
        let options = SqliteConnectOptions::new().filename(file(&folder)).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let known = MIGRATIONS.iter().take(migrations).cloned().collect();
        Migrator::with_migrations(known).run(&mut connection).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(earlier.statements(&spelling))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        eprintln!("of the schema with {migrations} migrations");
        earlier.are_there_and_go_on(Arc::new(open(&file(&folder)).await)).await;
    }
}
