//! Commands that ask a server, without one; and what needs none.

use std::net::TcpListener;

use crate::shell::Shell;

/// A port at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn without_a_server_every_command_says_how_to_get_one() {
    let shell = Shell::new();
    let definition = shell.file("x.yaml", "saga: x\n");
    let token = shell.file("token", "call.proof\n");
    let id = "0198c1a2-0000-7000-8000-000000000001";
    let url = nobody();
    for command in [
        vec!["start", "place-order"],
        vec!["get", id],
        vec!["get", id, "--watch"],
        vec!["list"],
        vec!["history", id],
        vec!["cancel", id],
        vec!["signal", id, "approved"],
        vec!["callback", "--token", token.to_str().expect("text")],
        vec!["faults", "show"],
        vec!["faults", "clear"],
        vec!["definitions", "list"],
        vec!["definitions", "get", "x"],
        vec!["definitions", "versions", "x"],
        vec!["definitions", "disable", "x"],
        vec!["definitions", "enable", "x@1"],
        vec!["definitions", "register", definition.to_str().expect("text")],
    ] {
        let ran = shell.amends(&[command, vec!["--url", &url]].concat());
        ran.expect(1).says(&format!("no server at {url}; start one with `amends serve`"));
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn the_server_may_be_named_by_a_variable() {
    let mut shell = Shell::new();
    let url = nobody();
    shell.env("AMENDS_URL", &url);
    shell.amends(&["list"]).expect(1).says(&url);
}

#[test]
fn an_input_that_is_no_json_is_wrong_usage_and_nothing_is_sent() {
    let shell = Shell::new();
    shell.file("broken.json", "{\n \"a\": }");
    let start =
        |input: &str, stdin: &str| shell.amends_reading(&["start", "x", "--input", input, "--url", &nobody()], stdin);
    start("{customer: ada}", "").expect(2).says("--input is no JSON: ").says("line 1 column 2").says("write e.g.");
    start("@broken.json", "").expect(2).says("broken.json is no JSON").says("line 2");
    start("@nowhere.json", "").expect(1).says("cannot read the input from nowhere.json");
    start("-", "nonsense").expect(2).says("stdin is no JSON");
    start("-", "{}").expect(1).says("no server at");
    let id = "0198c1a2-0000-7000-8000-000000000001";
    let signal = shell.amends(&["signal", id, "approved", "--data", "{by: ada}", "--url", &nobody()]);
    signal.expect(2).says("--data is no JSON: ").says("write e.g. --data");
}

#[test]
fn a_token_is_read_from_a_file_or_stdin_and_never_shown() {
    let shell = Shell::new();
    shell.file("token", "two words: hunter2");
    let url = nobody();
    let ran = shell.amends(&["callback", "--token", "token", "--url", &url]);
    ran.expect(1).says("token: this is no token of a callback");
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hunter2"));
    let ran = shell.amends_reading(&["callback", "--token", "-", "--reject", "full", "--url", &url], "call.proof\n");
    ran.expect(1).says("no server at");
    assert!(!ran.stderr.contains("call.proof"));
    shell.amends(&["callback", "--token", "token", "--data", "{}", "--reject", "full"]).expect(2);
    shell.amends(&["callback", "--data", "{}"]).expect(2);
}

#[test]
fn wrong_words_are_wrong_usage() {
    let shell = Shell::new();
    for arguments in [
        vec!["start"],
        vec!["start", "x", "--wait", "10"],
        vec!["start", "x", "--label", "novalue"],
        vec!["get", "not-an-id"],
        vec!["list", "--status", "finished"],
        vec!["list", "--limit", "0"],
        vec!["list", "--cursor", "c", "--all"],
        vec!["list", "--started-from", "yesterday"],
        vec!["list", "--url", "localhost:7070"],
        vec!["list", "-o", "xml"],
        vec!["demo", "--sagas", "0"],
        vec!["completions", "dos"],
    ] {
        shell.amends(&arguments).expect(2);
    }
    shell.amends(&["start", "x", "--wait", "10"]).says("a bare number has no unit");
    shell.amends(&["list", "--url", "localhost:7070"]).says("write http://host:port");
}

#[test]
fn every_shell_gets_its_completions() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        shell.amends(&["completions", name]).expect(0).prints("amends").prints("definitions");
    }
}

#[test]
fn the_schema_of_definitions_is_json() {
    let ran = Shell::new().amends(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ran.expect(0).stdout).expect("JSON");
    assert!(schema["properties"]["steps"].is_object(), "{schema}");
}

#[test]
fn help_and_version_are_results() {
    let shell = Shell::new();
    shell.amends(&["--version"]).expect(0).prints(env!("CARGO_PKG_VERSION"));
    shell.amends(&["--help"]).expect(0).prints("Exit codes: 0 done");
    for command in ["serve", "check", "start", "get", "list", "history", "cancel", "definitions", "config", "demo"] {
        shell.amends(&[command, "--help"]).expect(0).prints("Usage: amends");
    }
}
