//! `amends demo`: plays to its end, passes its own audit, and leaves nothing behind, also when it is interrupted.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Command,
};

use crate::shell::Shell;

/// A shell whose temporary folder is its own, so that what is left behind can be seen.
fn shell() -> (Shell, std::path::PathBuf) {
    let mut shell = Shell::new();
    let tmp = shell.file("tmp/.keep", "").parent().expect("a folder").to_owned();
    shell.env("TMPDIR", tmp.to_str().expect("text"));
    (shell, tmp)
}

fn left_behind(tmp: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(tmp).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    entries.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != ".keep").collect()
}

#[test]
fn it_plays_to_its_end_and_everything_adds_up() {
    let (shell, tmp) = shell();
    let ran = shell.amends(&["demo", "--sagas", "20"]);
    ran.expect(0)
        .prints("place-order  completed in")
        .prints("place-order  compensated in")
        .prints("transfer-money  completed in")
        .prints("transfer-money  compensated in")
        .prints("? unknown")
        .prints("the ledger of payments says: applied once")
        .prints("taken over once")
        .prints("sagas/s")
        .prints("30 sagas")
        .prints("Everything adds up");
    assert!(!ran.stdout.contains('\x1b'), "not a terminal, so no colour");
    assert_eq!(left_behind(&tmp), Vec::<String>::new());
}

#[test]
fn its_services_may_have_the_engines_that_they_have_in_real_life() {
    let ran = Shell::new().amends(&["demo", "--stores", "real", "--sagas", "20"]);
    ran.expect(0)
        .prints("PostgreSQL, database orders")
        .prints("MariaDB, database payments")
        .prints("MariaDB, database bank_b")
        .prints("Redis, all of it")
        .prints("SQLite, shipping.db")
        .prints("the ledger of payments says: applied once")
        .prints("30 sagas")
        .prints("Everything adds up");
}

#[test]
fn interrupted_it_stops_its_orchestrator_and_removes_its_folder() {
    let (shell, tmp) = shell();
    let mut child = shell.command(&["demo", "--sagas", "100000"]).spawn().expect("amends starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a stdout")).lines().map_while(Result::ok);
    let orchestrator = lines
        .by_ref()
        .find_map(|line| line.trim().strip_prefix("orchestrator")?.split_whitespace().next().map(str::to_owned))
        .expect("the orchestrator's address");
    assert!(lines.by_ref().any(|line| line.contains("100000 more")), "it gets to its burst");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    lines.for_each(drop);
    assert_eq!(child.wait().expect("a child").code(), Some(1));
    assert_eq!(left_behind(&tmp), Vec::<String>::new());
    shell.amends(&["list", "--url", &orchestrator]).expect(1).says("no server at");
}
