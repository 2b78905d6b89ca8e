//! Who is let in, and what is there then.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;

use super::{asked, created, database, server, tamper};
use crate::{
    Append, Filter, Store, StoreError,
    conformance::given::{end, step, words},
    postgres::{
        Options, PostgresStore,
        open::{MIGRATIONS, check_words},
    },
};

fn refusal<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Refused { reason }) => reason,
        Err(other) => panic!("not refused, but {other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_there_when_the_database_is_opened_again_and_all_at_once() {
    let server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let sagas = created(&store, 10).await;
    let heads = store.list(&Filter::default(), None, 100).await.unwrap();
    store.close().await;
    let (one, other) = (open(&url).await, open(&url).await);
    assert_eq!(one.list(&Filter::default(), None, 100).await.unwrap(), heads);
    let steps: Vec<Append> = sagas.iter().map(step).collect();
    assert_eq!(words(&other.commit(steps.clone()).await), ["ok"; 10]);
    assert_eq!(words(&one.commit(steps.iter().map(end).collect()).await), ["ok"; 10]);
    assert_eq!(one.written().commits + other.written().commits, 2 * 2, "counts since it was opened, of each lane");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_come_up_together_migrate_once() {
    let server = server();
    for round in 0..6 {
        let url = database(&server).await;
        let opening: Vec<_> = (0..4)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { PostgresStore::open(url).await })
            })
            .collect();
        for opening in opening {
            let store = opening.await.unwrap().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            created(&store, 1).await;
        }
        let migrations: i64 = asked::<i64>(&url, "select count(*) from _sqlx_migrations").await[0];
        assert_eq!(usize::try_from(migrations), Ok(MIGRATIONS.iter().count()));
        assert_eq!(asked::<i64>(&url, "select count(*) from sagas").await, [4]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_is_refused_with_the_reason_and_without_the_password() {
    let server = server();
    let port = server.port();
    tamper(&server.url(), "create database small encoding 'LATIN1' template template0 locale 'C'").await;
    tamper(&server.url(), "create role barred nologin").await;
    tamper(&server.url(), "create database newer").await;
    let newer = server.url_of("newer");
    open(&newer).await.close().await;
    tamper(
        &newer,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'from the future', true, '', 0)",
    )
    .await;
    for (url, words) in [
        ("sqlite:amends.db".to_owned(), "not one of PostgreSQL"),
        ("postgres://amends:s3cret@127.0.0.1:notaport/x".to_owned(), "not a valid URL"),
        (format!("postgres://amends:s3cret@127.0.0.1:{port}/absent"), "no such database"),
        (format!("postgres://barred:s3cret@127.0.0.1:{port}/postgres"), "does not let us in"),
        (format!("postgres://amends:s3cret@127.0.0.1:{port}/small"), "encoding is LATIN1"),
        (format!("postgres://amends:s3cret@127.0.0.1:{port}/newer"), "schema 9999"),
    ] {
        let options = Options::new(url.clone());
        assert!(!format!("{options:?}").contains("s3cret"));
        let result = PostgresStore::open(options).await;
        assert!(!format!("{result:?}").contains("s3cret"), "{result:?}");
        let reason = refusal(result);
        assert!(reason.contains(words), "{url}: {reason}");
        assert!(!reason.contains("s3cret"), "{reason}");
    }
    let reason = check_words(120_010, "12.10", "UTF8").unwrap_err();
    assert!(reason.contains("PostgreSQL 12.10; 13 or later"), "{reason}");
    check_words(130_000, "13.0", "UTF8").unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_before_long() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(connection) = silent.accept().await {
            kept.push(connection);
        }
    });
    let url = format!("postgres://amends:s3cret@127.0.0.1:{port}/x");
    let opening = PostgresStore::open(url.clone());
    let answer = tokio::time::timeout(Duration::from_secs(5), opening).await.expect("it hears before long");
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    accepting.abort();
    assert!(accepting.await.unwrap_err().is_cancelled());
    // Nobody listens there any more.
    let answer = PostgresStore::open(url).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    assert!(!format!("{answer:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_would_not_wait_for_its_disk_is_made_to() {
    let server = server();
    let url = database(&server).await;
    let name = url.rsplit('/').next().unwrap().to_owned();
    tamper(&url, format!("alter database {name} set synchronous_commit = off")).await;
    let store = Arc::new(open(&url).await);
    let shown = store.aside_setting("synchronous_commit").await;
    assert_eq!(shown, "on");
    tamper(&url, format!("alter database {name} set synchronous_commit = remote_apply")).await;
    let store = open(&url).await;
    assert_eq!(store.aside_setting("synchronous_commit").await, "remote_apply", "a stricter rule stays");
    assert_eq!(store.aside_setting("statement_timeout").await, "10s");
}

impl PostgresStore {
    /// A setting of a connection that writes.
    async fn aside_setting(&self, name: &'static str) -> String {
        let shown = crate::postgres::writer::repeatable(move |connection, _again| {
            Box::pin(
                async move { sqlx::query_scalar("select current_setting($1)").bind(name).fetch_one(connection).await },
            )
        });
        self.writers().unwrap().aside.run(shown).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_opened_to_read_is_neither_made_nor_migrated_nor_written() {
    let server = server();
    let url = database(&server).await;
    assert!(refusal(PostgresStore::open_read_only(&*url).await).contains("there are no sagas in it"));
    let tables = "select count(*) from information_schema.tables where table_schema = 'public'";
    assert_eq!(asked::<i64>(&url, tables).await, [0], "nothing was made");

    let sagas = created(&open(&url).await, 1).await;
    let reading = PostgresStore::open_read_only(&*url).await.unwrap();
    assert!(reading.head(sagas[0].saga).await.unwrap().is_some());
    assert_eq!(words(&reading.commit(vec![step(&sagas[0])]).await), ["refused"]);
    assert!(refusal(reading.purge(vec![sagas[0].saga], sagas[0].last_at()).await).contains("reading only"));

    tamper(&url, "delete from _sqlx_migrations").await;
    assert!(refusal(PostgresStore::open_read_only(&*url).await).contains("older than this program"));
    tamper(&url, "insert into _sqlx_migrations select 9999, '', now(), true, '', 0").await;
    assert!(refusal(PostgresStore::open_read_only(&*url).await).contains("newer"));
}

/// At each statement of it in turn, until an opening passes untouched. What counts is kept by no transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_dies_half_way_is_made_by_whoever_opens_next() {
    let server = server();
    let mut died = 0;
    loop {
        let url = database(&server).await;
        let deadly = died + 1;
        let die = format!(
            "create sequence met;
            create function die() returns event_trigger language plpgsql as $$
            begin
                if nextval('met') = {deadly} then
                    perform pg_terminate_backend(pg_backend_pid());
                end if;
            end $$;
            create event trigger die_half_way on ddl_command_end execute function die();"
        );
        tamper(&url, die).await;
        let first = PostgresStore::open(url.clone()).await;
        let store = match first {
            Ok(store) => store,
            Err(error) => {
                died += 1;
                PostgresStore::open(url.clone()).await.unwrap_or_else(|again| panic!("{deadly}: {error}; {again}"))
            }
        };
        let migrations: i64 = asked::<i64>(&url, "select count(*) from _sqlx_migrations where success").await[0];
        assert_eq!(usize::try_from(migrations), Ok(MIGRATIONS.iter().count()), "{deadly}");
        created(&store, 1).await;
        if died < deadly {
            break;
        }
    }
    assert!(died >= MIGRATIONS.iter().count(), "it died {died} times");
}
