//! `amends fsck`: a store that is well is found well, at rest and in use; each way in which it is not has its name.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    shell::Shell,
    stores::{fill, in_postgres, in_sqlite, serve, settled, start},
};

const LOOK: &str = "(select id from sagas where name = 'look' and start_key is null)";
const KEYED: &str = "(select id from sagas where start_key = 'k')";
const SLOW: &str = "(select id from sagas where name = 'slow')";
const BUSY: &str = "(select id from sagas where name = 'busy')";

/// What retention leaves.
const STUB: &str =
    "delete from journal where saga = KEYED; update sagas set purged_at = 1, owner = null where id = KEYED";

/// What is done to a store that was killed, and what is to be found.
const DAMAGES: &[(&str, &[&str])] = &[
    ("pragma ignore_check_constraints = on; update sagas set epoch = -1 where id = LOOK", &["row_unreadable"]),
    ("pragma ignore_check_constraints = on; update sagas set status = 'asleep' where id = LOOK", &["row_unreadable"]),
    ("delete from journal where saga = LOOK", &["journal_empty"]),
    ("delete from journal where saga = LOOK and seq = 1", &["journal_gap"]),
    ("delete from journal where saga = LOOK and seq = 2", &["journal_gap"]),
    (
        "insert into journal select saga, seq + 1000, epoch, at, event from journal where saga = LOOK and seq = 2",
        &["journal_gap"],
    ),
    ("update journal set event = '{' where saga = LOOK and seq = 2", &["event_unreadable"]),
    ("update journal set event = '{\"kind\": \"new\"}' where saga = LOOK and seq = 2", &["event_unreadable"]),
    (
        "update journal set event = (select event from journal where saga = LOOK and seq = 1)
        where saga = LOOK and seq = 2",
        &["event_illegal"],
    ),
    (
        "update journal set epoch = 2 where saga = BUSY and seq = 2; update sagas set epoch = 2 where id = BUSY",
        &["event_illegal"],
    ),
    (
        "insert into journal select saga, seq + 1, epoch, at, event from journal where saga = LOOK
        order by seq desc limit 1;
        update sagas set next_seq = next_seq + 1 where id = LOOK",
        &["event_after_end"],
    ),
    (
        "delete from journal where saga = LOOK and seq = (select max(seq) from journal where saga = LOOK)",
        &["ended_at", "next_seq", "status"],
    ),
    ("update journal set epoch = 2 where saga = LOOK; update sagas set epoch = 2 where id = LOOK", &["first_epoch"]),
    ("update journal set epoch = 2 where saga = LOOK", &["epoch_above_row", "first_epoch"]),
    ("update sagas set status = 'completed' where id = LOOK", &["status"]),
    ("update sagas set status = 'compensating' where id = SLOW", &["status"]),
    ("update sagas set attention = 1 where id = SLOW", &["attention"]),
    ("update sagas set wake_at = 5 where id = LOOK", &["wake_at"]),
    ("update sagas set wake_at = null where id = SLOW", &["wake_at"]),
    ("update sagas set ended_at = ended_at + 1 where id = LOOK", &["ended_at"]),
    ("update sagas set next_seq = next_seq + 1 where id = SLOW", &["next_seq"]),
    ("update sagas set started_at = started_at - 1 where id = LOOK", &["started_at"]),
    ("update sagas set updated_at = updated_at - 1 where id = LOOK", &["updated_at"]),
    (
        "insert into definitions (name, version, digest, source, created_at) select 'other', version, digest, source, created_at from definitions where name = 'look';
        update sagas set name = 'other' where id = LOOK",
        &["name"],
    ),
    (
        "insert into definitions (name, version, digest, source, created_at) select name, 7, digest, source, created_at from definitions where name = 'look';
        update sagas set version = 7 where id = LOOK",
        &["version"],
    ),
    ("update sagas set parent = id where id = LOOK", &["parent"]),
    ("update sagas set definition = '00' where id = LOOK", &["definition"]),
    ("delete from definitions where name = 'slow'", &["definition_missing"]),
    ("update definitions set source = source || ' ' where name = 'slow'", &["definition_text"]),
    ("update definitions set digest = '00' where name = 'slow'", &["definition", "definition_text"]),
    ("update sagas set owner = null where id = BUSY", &["owner"]),
    ("STUB; update sagas set status = 'running', ended_at = null where id = KEYED", &["stub_alive"]),
    ("STUB; update sagas set start_key = null, request = null where purged_at = 1", &["stub_without_key"]),
    ("update sagas set purged_at = 1, owner = null where id = KEYED", &["stub_with_journal"]),
    ("STUB; update sagas set attention = 1 where id = KEYED", &["stub_not_at_rest"]),
];

fn statements(damage: &str) -> String {
    damage
        .replace("STUB", STUB)
        .replace("LOOK", LOOK)
        .replace("KEYED", KEYED)
        .replace("SLOW", SLOW)
        .replace("BUSY", BUSY)
}

/// The names of what is found in a file.
fn found(shell: &Shell, database: &str, code: i32) -> Vec<String> {
    let ran = shell.amends(&["fsck", "--database", database, "-o", "json"]);
    let lines = ran.expect(code).stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let names: BTreeSet<String> = lines.map(|line| line["finding"].as_str().expect("a name").to_owned()).collect();
    names.into_iter().collect()
}

#[test]
fn a_store_that_is_well_is_found_well_and_every_damage_has_its_name() {
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    fill(&shell, &server);
    start(&shell, &server, "busy", &[]);
    // Killed: what is in memory is still its owner's.
    drop(server);
    let well = settled(shell.file("empty", "").with_file_name("a.db"));
    shell.amends(&["fsck", "--database", "a.db"]).expect(0).says("4 sagas, 0 findings");

    for (number, (damage, expected)) in DAMAGES.iter().enumerate() {
        let name = format!("{number}.db");
        let file = well.with_file_name(&name);
        fs::copy(&well, &file).expect("a copy");
        in_sqlite(&file, &statements(damage));
        assert_eq!(found(&shell, &name, 1), *expected, "{damage}");
    }

    let stub = well.with_file_name("stub.db");
    fs::copy(&well, &stub).expect("a copy");
    in_sqlite(&stub, &statements("STUB"));
    assert!(found(&shell, "stub.db", 0).is_empty());
}

#[test]
fn a_finding_is_one_line_that_says_where_and_how_to_look() {
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    fill(&shell, &server);
    drop(server);
    let file = settled(shell.file("empty", "").with_file_name("a.db"));
    in_sqlite(&file, &statements("update journal set event = '{\n\u{1b}' where saga = LOOK and seq = 2"));
    let ran = shell.amends(&["fsck", "--database", "a.db"]);
    ran.expect(1).says("3 sagas, 1 finding\n").prints(" seq 2  event_unreadable: ").prints("(amends history ");
    assert_eq!((ran.stdout.lines().count(), ran.stdout.contains('\u{1b}')), (1, false), "{ran:#?}");
    shell.amends(&["fsck", "--nonsense"]).expect(2);
    shell.amends(&["fsck", "--database", "nowhere.db"]).expect(1).says("the store nowhere.db");
    assert!(!file.with_file_name("nowhere.db").exists(), "fsck makes no store");
}

#[test]
fn sagas_that_were_let_go_have_no_owner_until_they_are_claimed() {
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    fill(&shell, &server);
    assert_eq!(server.stop().1, Some(0));
    let well = settled(shell.file("empty", "").with_file_name("a.db"));
    assert!(found(&shell, "a.db", 0).is_empty());
    let owned = "update sagas set owner = x'11111111111141118111111111111111'";
    for (number, (change, expected)) in [
        (format!("{owned} where id = SLOW"), &["owner"][..]),
        ("update sagas set epoch = epoch + 1 where id = SLOW".to_owned(), &["owner"]),
        // As a claim leaves it, before the adoption is in the journal.
        (format!("{owned}, epoch = epoch + 1 where id = SLOW"), &[]),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{number}.db");
        let file = well.with_file_name(&name);
        fs::copy(&well, &file).expect("a copy");
        in_sqlite(&file, &statements(&change));
        assert_eq!(found(&shell, &name, i32::from(!expected.is_empty())), expected, "{change}");
    }
}

#[test]
fn beside_a_server_that_works_nothing_is_found() {
    const STARTS: usize = 30;
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            for _ in 0..STARTS {
                start(&shell, &server, "look", &[]);
                start(&shell, &server, "slow", &[]);
            }
        });
        let mut checked = 0;
        while !starting.is_finished() || checked == 0 {
            assert!(found(&shell, "a.db", 0).is_empty());
            checked += 1;
        }
        starting.join().expect("all were started");
    });
    let sagas = format!("{} sagas, 0 findings", 2 * STARTS);
    shell.amends(&["fsck", "--database", "a.db"]).expect(0).says(&sagas);
    assert_eq!(server.stop().1, Some(0));
}

#[test]
fn a_postgresql_store_is_checked_and_exported_the_same_way() {
    let postgres = amends_servers::Postgres::start(amends_servers::Options::default()).expect("a server");
    let url = postgres.create_database("sagas").expect("a database");
    let shell = Shell::new();
    let server = serve(&shell, &url);
    fill(&shell, &server);
    assert!(found(&shell, &url, 0).is_empty());
    let export = shell.amends(&["export", "--database", &url]);
    assert_eq!(export.expect(0).says("3 sagas written").stdout.lines().count(), 1 + 2 + 3, "{export:#?}");
    assert_eq!(server.stop().1, Some(0));
    assert!(found(&shell, &url, 0).is_empty());

    for (damage, undo, expected) in [
        (
            "update sagas set wake_at = wake_at + 1 where id = SLOW",
            "update sagas set wake_at = wake_at - 1 where id = SLOW",
            "wake_at",
        ),
        (
            "update journal set event = '{' || event where saga = LOOK and seq = 2",
            "update journal set event = substr(event, 2) where saga = LOOK and seq = 2",
            "event_unreadable",
        ),
        ("delete from journal where saga = LOOK and seq = 2", "", "journal_gap"),
    ] {
        in_postgres(&url, &statements(damage));
        assert_eq!(found(&shell, &url, 1), [expected], "{damage}");
        in_postgres(&url, &statements(undo));
    }
    let export = shell.amends(&["export", "--database", &url, "--name", "look"]);
    export.expect(1).says("1 sagas written, 1 not readable").prints("\"unreadable\"");
}
