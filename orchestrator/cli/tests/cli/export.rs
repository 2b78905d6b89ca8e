//! `amends export`: what is in it, in which order, and what becomes of what cannot be read.

use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use crate::{
    shell::Shell,
    stores::{fill, in_sqlite, serve, settled, start},
};

/// The lines of an export.
fn export(shell: &Shell, more: &[&str], code: i32) -> Vec<Value> {
    let ran = shell.amends(&[&["export", "--database", "a.db"], more].concat());
    ran.expect(code).stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn sagas(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| !line["saga"].is_null()).collect()
}

#[test]
fn an_export_has_a_header_the_definitions_used_and_each_saga_with_its_journal() {
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    fill(&shell, &server);
    let lines = export(&shell, &[], 0);
    assert_eq!(lines[0]["amends_export"], 1);
    let names: Vec<_> = lines[1..3].iter().map(|line| line["definition"]["name"].as_str()).collect();
    assert!(names.contains(&Some("look")) && names.contains(&Some("slow")), "{names:?}");
    assert!(lines[1]["definition"]["source"].as_str().is_some_and(|source| source.starts_with("saga: ")));
    assert_eq!((lines.len(), sagas(&lines).len()), (6, 3));
    for line in sagas(&lines) {
        let journal = line["journal"].as_array().expect("a journal");
        let seqs: Vec<_> = journal.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
        let next = line["saga"]["next_seq"].as_u64().expect("a number");
        assert_eq!(seqs, (1..next).collect::<Vec<_>>(), "dense, and no further than the row");
        assert_eq!(journal[0]["event"]["kind"], "saga_started");
        assert_eq!(journal[0]["at"], line["saga"]["started_at"]);
        assert!(line["saga"]["started_at"].as_str().is_some_and(|at| at.ends_with('Z')));
    }

    let look = export(&shell, &["--name", "look", "--status", "compensated"], 0);
    assert_eq!((look.len(), sagas(&look).len()), (4, 2), "one definition, two sagas");
    let running = export(&shell, &["--status", "running"], 0);
    assert_eq!((sagas(&running).len(), &running[0]["filter"]["status"][0]), (1, &Value::from("running")));
    let mut times: Vec<&str> = sagas(&lines).iter().filter_map(|line| line["saga"]["started_at"].as_str()).collect();
    times.sort_unstable();
    assert_eq!(sagas(&export(&shell, &["--since", times[1]], 0)).len(), 2);
    assert_eq!(sagas(&export(&shell, &["--until", times[1]], 0)).len(), 1);
    shell.amends(&["export", "--since", times[1], "--until", times[0]]).expect(2).says("--since is not before");
    shell.amends(&["export", "--status", "asleep"]).expect(2);
    assert_eq!(server.stop().1, Some(0));
}

#[test]
fn beside_a_server_that_works_every_journal_ends_where_its_row_was() {
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| (0..30).for_each(|_| start(&shell, &server, "look", &[])));
        while !starting.is_finished() {
            for line in sagas(&export(&shell, &[], 0)) {
                let rows = line["journal"].as_array().expect("a journal").len() as u64;
                assert_eq!(line["saga"]["next_seq"].as_u64(), Some(rows + 1));
                let last = &line["journal"][line["journal"].as_array().expect("a journal").len() - 1];
                assert_eq!(last["at"], line["saga"]["updated_at"]);
            }
        }
    });
    assert_eq!(sagas(&export(&shell, &[], 0)).len(), 30);
    assert_eq!(server.stop().1, Some(0));
}

#[test]
fn what_cannot_be_read_stands_in_it_as_such_and_the_rest_is_there() {
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    fill(&shell, &server);
    drop(server);
    let file = settled(shell.file("empty", "").with_file_name("a.db"));
    let look = "(select id from sagas where name = 'look' and start_key is null)";
    for (damage, left) in [
        (format!("update sagas set next_seq = next_seq + 1 where id = {look}"), 2),
        (format!("update journal set event = '{{' where saga = {look} and seq = 2"), 2),
        ("pragma ignore_check_constraints = on; update sagas set epoch = -1 where name = 'slow'".to_owned(), 1),
    ] {
        in_sqlite(&file, &damage);
        let lines = export(&shell, &[], 1);
        assert_eq!(sagas(&lines).len(), left, "{damage}");
        let unreadable: Vec<_> = lines.iter().filter(|line| !line["unreadable"]["saga"].is_null()).collect();
        assert_eq!(unreadable.len(), 3 - left, "{damage}");
        assert!(unreadable[0]["unreadable"]["reason"].is_string());
    }
    in_sqlite(&file, "delete from definitions");
    let lines = export(&shell, &["--name", "look"], 1);
    assert!(lines.iter().any(|line| line["unreadable"]["definition"]["name"] == "look"), "{lines:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let shell = Shell::new();
    let server = serve(&shell, "a.db");
    fill(&shell, &server);
    assert_eq!(server.stop().1, Some(0));
    let file = shell.file("empty", "").with_file_name("a.db");
    // More than a pipe holds.
    in_sqlite(&file, "update definitions set source = source || '#' || hex(zeroblob(500000))");
    let mut child = shell.command(&["export", "--database", "a.db"]).spawn().expect("amends starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a stdout"));
    let mut header = String::new();
    stdout.read_line(&mut header).expect("a line");
    drop(stdout);
    let ended = child.wait_with_output().expect("amends ends");
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}
