//! Stores with a little of everything in them, and hands that damage them.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::{serve::Server, shell::Shell};

/// A service at which nobody listens: port 9 of this machine refuses.
const CATALOGUE: &str = "[services.nobody]\nurl = \"http://127.0.0.1:9\"\n";

fn definition(name: &str, retry: &str) -> String {
    format!(
        "saga: {name}\ninput: {{ type: object }}\nsteps:\n  look:\n    call: nobody GET /people\n    compensate: none\n    \
         reason: reads only\n    retry: {retry}\n"
    )
}

/// A server with its definitions: sagas of `look` end at once, undone; those of `slow` wait for an hour, in nobody's memory;
/// those of `busy` try again all the time.
pub(crate) fn serve(shell: &Shell, database: &str) -> Server {
    shell.file("amends.toml", CATALOGUE);
    shell.file("sagas/look.yaml", &definition("look", "{ attempts: 1 }"));
    shell.file("sagas/slow.yaml", &definition("slow", "{ attempts: 100, backoff: 1h, max_backoff: 1h }"));
    shell.file("sagas/busy.yaml", &definition("busy", "{ attempts: 10000, backoff: 1s, factor: 1, max_backoff: 1s }"));
    Server::start(shell, &["serve", "--database", database, "--sagas", "sagas"])
}

/// Starts one and waits for the end if it has one.
pub(crate) fn start(shell: &Shell, server: &Server, name: &str, more: &[&str]) {
    let wait: &[&str] = if name == "look" { &["--wait", "20s"] } else { &[] };
    let arguments = [&["start", name, "--input", "{}", "--url", &server.url], wait, more].concat();
    shell.amends(&arguments).expect(if name == "look" { 3 } else { 0 });
}

/// Three sagas: ended, ended with a key, asleep.
pub(crate) fn fill(shell: &Shell, server: &Server) {
    start(shell, server, "look", &[]);
    start(shell, server, "look", &["--key", "k"]);
    start(shell, server, "slow", &[]);
}

/// Runs statements in a SQLite file.
pub(crate) fn in_sqlite(file: &Path, statements: &str) {
    runtime().block_on(async {
        let url = format!("sqlite://{}", file.display());
        let mut connection = SqliteConnection::connect(&url).await.expect("a connection");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.expect(statements);
        connection.close().await.expect("closed");
    });
}

/// Runs statements in a PostgreSQL database.
pub(crate) fn in_postgres(url: &str, statements: &str) {
    runtime().block_on(async {
        let mut connection = PgConnection::connect(url).await.expect("a connection");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.expect(statements);
        connection.close().await.expect("closed");
    });
}

/// The file of a server that was killed, complete without its WAL.
pub(crate) fn settled(file: PathBuf) -> PathBuf {
    in_sqlite(&file, "pragma wal_checkpoint(truncate)");
    file
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
