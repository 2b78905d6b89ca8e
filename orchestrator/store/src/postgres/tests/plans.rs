//! The statements that carry the load touch the rows they are about and no others, however many there are, and whenever they
//! were planned.

use amends_core::{ids::SagaId, summary::Status, time::Time};
use sqlx::{AssertSqlSafe, Execute, PgConnection, Row, SqlSafeStr, postgres::PgConnectOptions};
use uuid::Uuid;

use super::{asked, connect, created, database, server, tamper};
use crate::{
    Append, Cursor, Filter, Store,
    conformance::given::{step, words},
    postgres::{
        PostgresStore,
        adopt::{ADOPT_SAGAS, ORPHANS, OWNED},
        asleep::DUE,
        batches::{BATCHES, DROP_BATCHES, LAST_TO_DROP, LATEST, PLACES},
        inbox::{GIVE_VERDICTS, NOTES, TIDY_NOTES},
        list::select,
        locks::{INSERT_PLACE, IS_FIRST, LEAVE_QUEUES, LOCK_QUEUE, NEXT_PLACE, TIDY_LOCKS, TIDY_PLACES},
        nodes::ADD_UNKNOWN_OWNERS,
        poisoned::POISON,
        read::{COUNTS, JOURNALS, LATEST_AT, ROWS},
        retention::{ENDED, PURGE},
        scan::SCAN,
        session::{self, Purpose},
        statements::{Parts, write},
    },
};

const MANY: u32 = 20_000;

/// As many sagas more, one in a hundred undone, one in a thousand with attention, one in ten that live, and their notes.
fn more(number: u32) -> String {
    format!(
        "insert into sagas (
            id, name, version, definition, status, attention, started_at, updated_at, ended_at, asleep_until, owner, epoch,
            next_seq, last_commit
        )
        select gen_random_uuid(), 'name' || n % 400, 1, 'd',
            case when n % 10 = 0 then 'running' when n % 100 = 1 then 'compensated' else 'completed' end,
            n % 1000 = 0, n, n, case when n % 10 <> 0 then n end, case when n % 40 = 0 then n end,
            case when n % 40 <> 0 then md5((n % 50)::text)::uuid end, 1, 3, gen_random_uuid()
        from generate_series(1, {number}) as n;
        insert into journal (saga, seq, epoch, at, event)
        select id, seq, 1, 1, '{{}}' from sagas cross join generate_series(1, 2) as seq
        on conflict do nothing;
        insert into inbox (saga, id, body, at, verdict)
        select id, id, 'a', started_at, case when started_at % 10 <> 0 then 'b' end from sagas
        on conflict do nothing;
        insert into locks (lock, last_arrival)
        select n::text, n from generate_series(1, {number}) as n
        on conflict do nothing;
        insert into lock_queue (lock, saga, arrived_at)
        select (started_at % 1000)::text, id, started_at from sagas
        on conflict do nothing;
        insert into batches (writer, number, at, entries)
        select md5((n % 5)::text)::uuid, n, n, '' from generate_series(1, {number}) as n
        on conflict do nothing;
        insert into nodes (id, name, joined_at, lease_until)
        select distinct owner, 'a', 0, case when owner < '10000000-0000-0000-0000-000000000000' then 0 else {} end
        from sagas where owner is not null
        on conflict do nothing;",
        i64::MAX
    )
}

/// Statements that write, each with what its plan must have: looks into which keys.
fn writes() -> Vec<(String, Vec<&'static str>)> {
    let batches = Parts::ALL.map(|parts| {
        let mut keys = Vec::new();
        if parts.advances {
            keys.push("Index Scan using sagas_pkey");
        }
        if parts.verdicts {
            keys.push("Index Scan using inbox_pkey");
        }
        (write(parts).into_sql_str().as_str().to_owned(), keys)
    });
    let mut writes = Vec::from(batches);
    writes.push((ADOPT_SAGAS.to_owned(), vec!["Index Scan using sagas_pkey"]));
    writes.push((GIVE_VERDICTS.to_owned(), vec!["Index Scan using sagas_pkey", "Index Scan using inbox_pkey"]));
    writes.push((
        PURGE.to_owned(),
        vec!["Index Scan using sagas_pkey", "Index Scan using journal_pkey", "Index Scan using inbox_pkey"],
    ));
    writes.push((TIDY_NOTES.to_owned(), vec!["Index Scan using inbox_done", "Index Scan using inbox_pkey"]));
    writes.push((POISON.to_owned(), vec!["Index Scan using sagas_pkey"]));
    writes.push((LATEST.to_owned(), vec!["using batches_at"]));
    writes.push((LAST_TO_DROP.to_owned(), vec!["Index Scan using batches_pkey"]));
    writes.push((DROP_BATCHES.to_owned(), vec!["Index Scan using batches_pkey"]));
    writes.push((NEXT_PLACE.to_owned(), vec!["using lock_queue_order"]));
    writes.push((INSERT_PLACE.to_owned(), vec![]));
    writes.push((IS_FIRST.to_owned(), vec!["Index Scan using lock_queue_order", "Index Scan using sagas_pkey"]));
    // Once for each saga with locks: within the queues it stands in, by whichever of their keys.
    writes.push((LEAVE_QUEUES.to_owned(), vec!["Index Scan using lock_queue_", "Index Scan using sagas_pkey"]));
    writes
}

fn parameters(sql: &str) -> usize {
    (1..100).take_while(|number| sql.contains(&format!("${number}"))).count()
}

async fn prepare(connection: &mut PgConnection, name: &str, sql: &str) {
    let prepare = format!("prepare {name} as {sql}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(connection).await.unwrap();
}

async fn lines(connection: &mut PgConnection, explain: String) -> String {
    let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

async fn plan(connection: &mut PgConnection, name: &str, sql: &str) -> String {
    let nulls = match parameters(sql) {
        0 => String::new(),
        number => format!("({})", vec!["null"; number].join(", ")),
    };
    lines(connection, format!("explain execute {name}{nulls}")).await
}

fn assert_by_keys(plan: &str, sql: &str, keys: &[&str]) {
    for key in keys {
        assert!(plan.contains(key), "no {key}: {plan}\n{sql}");
    }
    assert!(!plan.contains("Seq Scan"), "{plan}\n{sql}");
    // Only what a batch is joined with itself by may be hashed, and no join reads a whole index to merge.
    assert!(!plan.contains("Merge Join"), "{plan}\n{sql}");
    for (place, _) in plan.match_indices("Index Scan using ") {
        let rest = &plan[place..];
        let condition = rest.lines().nth(1).unwrap_or_default();
        assert!(condition.contains("Index Cond"), "a whole index is read: {plan}\n{sql}");
    }
}

async fn writing(url: &str) -> PgConnection {
    session::connect(&url.parse::<PgConnectOptions>().unwrap(), Purpose::Writing).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_find_their_rows_by_a_key_whatever_the_tables_hold() {
    let server = server();
    let url = database(&server).await;
    PostgresStore::open(url.as_str()).await.unwrap().close().await;
    let writes = writes();
    // A connection of each age: plans that were made when the store was empty, small, big, and big without statistics.
    let mut connections: Vec<PgConnection> = Vec::new();
    let stages = [
        String::new(),
        "analyze".to_owned(),
        more(10) + "analyze",
        more(MANY),
        "analyze".to_owned(),
        "delete from sagas; delete from journal; delete from inbox; delete from locks; delete from lock_queue; delete from batches; analyze"
            .to_owned(),
    ];
    for stage in stages {
        tamper(&url, stage.clone()).await;
        let mut connection = writing(&url).await;
        for (place, (sql, _)) in writes.iter().enumerate() {
            prepare(&mut connection, &format!("write{place}"), sql).await;
        }
        connections.push(connection);
        for connection in &mut connections {
            for (place, (sql, keys)) in writes.iter().enumerate() {
                let plan = plan(connection, &format!("write{place}"), sql).await;
                assert_by_keys(&plan, sql, keys);
                if place < Parts::ALL.len() {
                    // Events with their sagas: two lists that are both as long as the batch.
                    assert!(plan.contains("Hash Join"), "{plan}");
                }
            }
        }
    }
    // The check can fail: by `=` and in a session like any other PostgreSQL reads the whole table while it is small.
    // Small on disk too, whether or not a vacuum has come by since the rows were deleted.
    tamper(&url, "truncate sagas, journal, inbox, locks, lock_queue, batches; ".to_owned() + &more(10) + "analyze")
        .await;
    let mut other = connect(&url).await;
    let (sql, keys) = &writes[1];
    let naive = sql.replace("sagas.id = any (array[advance.id])", "sagas.id = advance.id");
    assert_ne!(&naive, sql);
    prepare(&mut other, "naive", &naive).await;
    sqlx::raw_sql("set plan_cache_mode = force_generic_plan").execute(&mut other).await.unwrap();
    let plan = plan(&mut other, "naive", &naive).await;
    assert!(std::panic::catch_unwind(|| assert_by_keys(&plan, &naive, keys)).is_err(), "{plan}");
}

async fn plan_of_list(connection: &mut PgConnection, filter: &Filter, below: Option<Cursor>) -> String {
    let mut select = select(filter, below, 50);
    let explain = AssertSqlSafe(format!("explain {}", select.sql().as_str()));
    let arguments = select.build().take_arguments().unwrap().unwrap();
    let rows = sqlx::query_with(explain, arguments).persistent(false).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

async fn reading(url: &str) -> PgConnection {
    session::connect(&url.parse::<PgConnectOptions>().unwrap(), Purpose::Reading).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_sweeps_walk_an_index_in_their_order() {
    let server = server();
    let url = database(&server).await;
    PostgresStore::open(url.as_str()).await.unwrap().close().await;
    tamper(&url, more(MANY) + "analyze").await;
    let mut connection = reading(&url).await;
    let filter = |statuses: &[Status], name: Option<&str>, attention| Filter {
        statuses: statuses.to_vec(),
        name: name.map(str::to_owned),
        parent: None,
        attention,
        started_from: Some(Time(1)),
        started_before: Some(Time(i64::from(MANY))),
    };
    let undone = [Status::Compensated, Status::Abandoned];
    for (filter, index, in_order) in [
        (Filter::default(), "sagas_started", true),
        (filter(&[], None, None), "sagas_started", true),
        (filter(&[Status::Completed], None, Some(false)), "sagas_started", true),
        (filter(&[], Some("name3"), None), "sagas_named", true),
        (filter(&[Status::Completed], Some("name3"), None), "sagas_named", true),
        (filter(&undone, None, None), "sagas_undone", true),
        // So few that sorting them is nothing.
        (filter(&[Status::Abandoned], Some("name3"), None), "sagas_undone", false),
        (Filter { parent: Some(SagaId(Uuid::max())), ..filter(&[], None, None) }, "sagas_children", false),
        (filter(&[Status::Running], Some("name3"), Some(true)), "sagas_attention", true),
    ] {
        for below in [None, Some(Cursor { started_at: Time(9000), saga: SagaId(Uuid::max()) })] {
            let plan = plan_of_list(&mut connection, &filter, below).await;
            assert!(plan.contains(&format!("using {index}")), "{filter:?}: {plan}");
            assert!(!in_order || !plan.contains("Sort"), "{filter:?}: {plan}");
        }
    }
    let live = filter(&[Status::Running, Status::Compensating], None, None);
    let plan = plan_of_list(&mut connection, &live, None).await;
    assert!(plan.contains("Index Scan") && !plan.contains("Seq Scan"), "{plan}");
    for (name, sql, arguments, index) in [
        ("scan", SCAN, "null, 10".to_owned(), "sagas_pkey"),
        ("due", DUE, format!("100, 0, '{}', 10", Uuid::nil()), "sagas_asleep"),
        ("ended", ENDED, format!("100, 0, '{}', 10", Uuid::nil()), "sagas_started"),
        ("notes", NOTES, format!("0, '{0}', '{0}', '{0}', 10", Uuid::nil()), "inbox_open"),
        ("tidy_places", TIDY_PLACES, "100, 10".to_owned(), "lock_queue_old"),
        ("tidy_locks", TIDY_LOCKS, "100, 10".to_owned(), "locks_old"),
        ("lock_queue", LOCK_QUEUE, "'7', 0, 10".to_owned(), "lock_queue_order"),
        ("owned", OWNED, format!("'{0}', '{0}', 10", Uuid::nil()), "sagas_live"),
        ("orphans", ORPHANS, format!("'{0}', '{0}', 10", Uuid::nil()), "sagas_live"),
        ("counts", COUNTS, String::new(), "sagas_live"),
        ("latest_at", LATEST_AT, String::new(), "sagas_live"),
        ("journals", JOURNALS, format!("'{{{0}}}', 10", Uuid::nil()), "journal_pkey"),
        ("rows", ROWS, format!("'{{{0}}}', '{{1}}'", Uuid::nil()), "journal_pkey"),
        ("batches", BATCHES, format!("'{{{0}}}', '{{1}}', 10", Uuid::nil()), "batches_pkey"),
        ("places", PLACES, String::new(), "batches_pkey"),
        ("owners", ADD_UNKNOWN_OWNERS, String::new(), "sagas_live"),
    ] {
        prepare(&mut connection, name, sql).await;
        let execute = if arguments.is_empty() { name.to_owned() } else { format!("{name}({arguments})") };
        let plan = lines(&mut connection, format!("explain execute {execute}")).await;
        assert!(plan.contains(&format!("using {index}")), "{name}: {plan}");
        assert!(!plan.contains("Seq Scan on sagas") && !plan.contains("Seq Scan on inbox"), "{name}: {plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_a_saga_writes_no_index_of_its_row() {
    let server = server();
    let url = database(&server).await;
    let store = PostgresStore::open(url.as_str()).await.unwrap();
    let mut sagas: Vec<Append> = created(&store, 200).await;
    for _ in 0..10 {
        sagas = sagas.iter().map(step).collect();
        assert_eq!(words(&store.commit(sagas.clone()).await), ["ok"; 200]);
    }
    // Counted by the server once the sessions that did it are over.
    store.close().await;
    let since = std::time::Instant::now();
    loop {
        let updates = asked::<i64>(&url, "select n_tup_upd from pg_stat_user_tables where relname = 'sagas'").await[0];
        let hot = asked::<i64>(&url, "select n_tup_hot_upd from pg_stat_user_tables where relname = 'sagas'").await[0];
        if updates == 2000 {
            assert!(hot > 1800, "{hot} of {updates}");
            break;
        }
        assert!(since.elapsed().as_secs() < 30, "{updates} updates were counted");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
