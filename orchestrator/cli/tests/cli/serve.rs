//! `amends serve` as a process: what it refuses, what it prints, how it stops; and the commands against it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::shell::Shell;

const READS_ONLY: &str = "\
saga: look
input: { type: object, required: [who], properties: { who: { type: string } } }
steps:
  look:
    call: nobody GET /people/${{ input.who }}
    compensate: none
    reason: reads only
    retry: { attempts: 1 }
";
/// A service at which nobody listens: port 9 of this machine refuses.
const CATALOGUE: &str = "[services.nobody]\nurl = \"http://127.0.0.1:9\"\n";
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(shell: &Shell, arguments: &[&str]) -> Self {
        Self::start_with(shell, arguments, Stdio::null())
    }

    fn start_with(shell: &Shell, arguments: &[&str], stderr: Stdio) -> Self {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--listen", "127.0.0.1:0"]);
        let mut child = shell.command(&arguments).stderr(stderr).spawn().expect("amends starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a stdout"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("not ready: {line:?}")).to_owned();
        Self { child, stdout, url }
    }

    fn signal(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    }

    /// One signal, after which it takes no connections and is still there.
    fn is_busy_after_a_signal(&mut self) {
        self.signal();
        let until = Instant::now() + STOP_WITHIN;
        while std::net::TcpStream::connect(self.url.trim_start_matches("http://")).is_ok() {
            assert!(Instant::now() < until, "it goes on taking connections");
            pause();
        }
        assert!(self.child.try_wait().expect("a child").is_none(), "it did not wait for the request");
    }

    /// SIGTERM; what else was on stdout, and how it ended.
    pub(crate) fn stop(mut self) -> (String, Option<i32>) {
        self.signal();
        let until = Instant::now() + STOP_WITHIN;
        let status = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None if Instant::now() > until => panic!("still there after {STOP_WITHIN:?}"),
                None => pause(),
            }
        };
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("the rest");
        (rest, status.code())
    }
}

/// Between two looks at a condition.
#[expect(clippy::disallowed_methods, reason = "there is no runtime here whose worker it could block")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let mut shell = Shell::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.1:7070"] {
        let ran = shell.amends(&["serve", "--listen", address]);
        ran.expect(1).says("no authentication yet").says("`server.listen`").says("(in flag --listen)");
        assert_eq!(ran.stdout, "");
    }
    shell.env("AMENDS__SERVER__LISTEN", "0.0.0.0:7070");
    shell.amends(&["serve"]).expect(1).says("no authentication yet").says("environment AMENDS__SERVER__LISTEN");
}

#[test]
fn it_prints_one_line_serves_and_stops_in_good_order() {
    let shell = Shell::new();
    let server = Server::start(&shell, &["serve", "--database", "a.db"]);
    shell.amends(&["list", "--url", &server.url]).expect(0);
    shell.amends(&["serve", "--database", "a.db", "--listen", "127.0.0.1:0"]).expect(1).says("the store a.db");
    let taken = server.url.trim_start_matches("http://").to_owned();
    shell.amends(&["serve", "--database", "b.db", "--listen", &taken]).expect(1).says("cannot listen on");
    assert_eq!(server.stop(), (String::new(), Some(0)));
}

#[test]
fn a_second_signal_does_not_wait() {
    let shell = Shell::new();
    shell.file("amends.toml", "[limits]\ndrain = \"1h\"\n");
    let mut server = Server::start(&shell, &["serve"]);
    // A request that is never finished keeps the server from ending by itself.
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut half = std::net::TcpStream::connect(address).expect("a connection");
    let request = "POST /v1/definitions HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\n\
        Content-Length: 100\r\nExpect: 100-continue\r\n\r\n";
    std::io::Write::write_all(&mut half, request.as_bytes()).expect("sent");
    // It is in the server's hands once the server asks for its body: before that it could be left unread at a stop.
    let mut asked = [0; 12];
    half.set_read_timeout(Some(STOP_WITHIN)).expect("a timeout");
    std::io::Read::read_exact(&mut half, &mut asked).expect("an answer");
    assert_eq!(&asked, b"HTTP/1.1 100");
    server.is_busy_after_a_signal();
    assert_eq!(server.stop(), (String::new(), Some(1)));
}

#[test]
fn logs_go_to_stderr_as_text_or_json() {
    let mut shell = Shell::new();
    let read = |shell: &Shell, format: &str| {
        let log = shell.file("log", "");
        let stderr = std::fs::OpenOptions::new().append(true).open(&log).expect("a log");
        let server = Server::start_with(shell, &["serve", "--log-format", format], stderr.into());
        assert_eq!(server.stop().1, Some(0));
        std::fs::read_to_string(log).expect("a log")
    };
    assert!(read(&shell, "text").contains("listening address="));
    for line in read(&shell, "json").lines() {
        assert!(serde_json::from_str::<Value>(line).expect("JSON")["message"].is_string());
    }
    shell.env("AMENDS_LOG", "error");
    assert_eq!(read(&shell, "text"), "");
    shell.env("AMENDS_LOG", "amends=loud");
    shell.amends(&["serve", "--listen", "127.0.0.1:0"]).expect(1).says("AMENDS_LOG");
}

#[test]
fn a_folder_of_definitions_is_registered_and_a_bad_one_is_refused_with_its_place() {
    let shell = Shell::new();
    shell.file("amends.toml", CATALOGUE);
    shell.file("sagas/look.yaml", READS_ONLY);
    shell.file("sagas/look.test.yaml", "scenario: not a definition\n");
    let server = Server::start(&shell, &["serve", "--sagas", "sagas"]);
    let list = shell.amends(&["definitions", "list", "-o", "json", "--url", &server.url]);
    let list: Value = serde_json::from_str(&list.expect(0).stdout).expect("JSON");
    assert_eq!((list[0]["name"].as_str(), list.as_array().map(Vec::len)), (Some("look"), Some(1)));
    assert_eq!(server.stop().1, Some(0));

    shell.file("sagas/other.yaml", "saga: other\nsteps:\n  x:\n    call: elsewhere GET /\n");
    let ran = shell.amends(&["serve", "--sagas", "sagas", "--listen", "127.0.0.1:0"]);
    ran.expect(1).says("sagas/other.yaml:4:11").says("1 of the definitions in sagas are not valid");
    assert_eq!(ran.stdout, "");
    shell.amends(&["serve", "--sagas", "nowhere", "--listen", "127.0.0.1:0"]).expect(1).says("cannot read the folder");
}

#[test]
fn the_commands_work_against_a_server_and_exit_codes_tell_the_end() {
    let shell = Shell::new();
    shell.file("amends.toml", CATALOGUE);
    shell.file("look.yaml", READS_ONLY);
    shell.file("bad.yaml", "saga: bad\nsteps: {}\n");
    let server = Server::start(&shell, &["serve"]);
    let amends = |arguments: &[&str]| shell.amends(&[arguments, &["--url", &server.url]].concat());

    amends(&["definitions", "register", "look.yaml"]).expect(0).prints("registered");
    amends(&["definitions", "register", "look.yaml"]).expect(0).prints("was there already");
    amends(&["definitions", "register", "bad.yaml"]).expect(1).says("bad.yaml:2").says("at least one step");
    let source = amends(&["definitions", "get", "look", "--source"]);
    assert_eq!(source.expect(0).stdout, READS_ONLY);
    amends(&["definitions", "versions", "look"]).expect(0).prints("look");
    amends(&["definitions", "get", "nothing"]).expect(1).says("amends definitions list");

    amends(&["start", "look", "--input", "{}"]).expect(1).says("who");
    let input = ["--input", r#"{"who": "ada"}"#];
    // Nobody listens there: the only attempt is not sent, and the saga ends undone.
    let ran = amends(&[&["start", "look", "--key", "k", "--label", "of=test", "--wait", "20s"][..], &input].concat());
    ran.expect(3).prints("look  compensated in").prints("not sent").prints("why");
    let again = amends(&[&["start", "look", "--key", "k", "--label", "of=test", "-o", "json"][..], &input].concat());
    let view: Value = serde_json::from_str(&again.expect(0).says("nothing new was started").stdout).expect("JSON");
    let id = view["id"].as_str().expect("an id");
    assert_eq!(view["labels"]["of"], "test");

    amends(&["get", id]).expect(3).prints("look  compensated in");
    amends(&["get", id, "--watch"]).expect(3).prints(id);
    let yaml = amends(&["get", id, "-o", "yaml"]);
    yaml.expect(3).prints("status: compensated");
    amends(&["history", id]).expect(0).prints("saga_started").prints("call_not_sent").prints("saga_compensated");
    amends(&["cancel", id]).expect(1);
    amends(&["list", "--status", "compensated", "--name", "look"]).expect(0).prints(id);
    let none = amends(&["list", "--status", "running", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&none.expect(0).stdout).expect("JSON")["items"], Value::Array(vec![]));
    amends(&["get", "0198c1a2-0000-7000-8000-000000000001"]).expect(1).says("amends list");

    for _ in 0..3 {
        amends(&[&["start", "look"][..], &input].concat()).expect(0).says("follow it with");
    }
    let page = amends(&["list", "--limit", "2", "-o", "json"]);
    let page: Value = serde_json::from_str(&page.expect(0).says("there are more").stdout).expect("JSON");
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    amends(&["list", "--limit", "2", "--cursor", cursor]).expect(0);
    amends(&["list", "--cursor", "forged"]).expect(1);
    let all = amends(&["list", "--all", "--limit", "1", "-o", "json"]);
    let all: Value = serde_json::from_str(&all.expect(0).stdout).expect("JSON");
    let ids: Vec<_> = all["items"].as_array().expect("items").iter().map(|item| item["id"].to_string()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), unique.len()), (4, 4), "{ids:?}");
    assert_eq!(server.stop(), (String::new(), Some(0)));
}

#[test]
fn a_server_holds_what_it_is_given_against_its_services_documents() {
    let shell = Shell::new();
    shell.file("server.toml", &format!("{CATALOGUE}openapi = \"nobody.yaml\"\n[definitions]\nfolder = \"sagas\"\n"));
    shell.file("nobody.yaml", "openapi: 3.0.3\npaths: { \"/people/{who}\": { get: { responses: {} } } }\n");
    shell.file("sagas/look.yaml", READS_ONLY);
    let server = Server::start(&shell, &["serve", "--config", "server.toml", "--database", "a.db"]);
    let bad = shell.file("bad.yaml", &READS_ONLY.replace("/people/", "/peopel/"));
    let ran = shell.amends(&["definitions", "register", bad.to_str().expect("text"), "--url", &server.url]);
    ran.expect(1).says("error[E0701]").says("did you mean `/people/{who}`?");
    assert_eq!(server.stop().1, Some(0));
    // Those of its folder, too: then it does not start.
    shell.file("sagas/bad.yaml", &READS_ONLY.replace("nobody GET", "nobody DELETE"));
    let ran = shell.amends(&["serve", "--config", "server.toml", "--database", "b.db", "--listen", "127.0.0.1:0"]);
    ran.expect(1).says("error[E0702]").says("1 of the definitions in");
}

#[test]
fn locks_and_versions_are_shown_and_deleted_on_the_command_line() {
    let shell = Shell::new();
    shell.file("server.toml", CATALOGUE);
    let locked = "saga: locked\nlocks: [zone]\nsteps:\n  ask: { await: go, timeout: 1d }\n";
    let file = shell.file("locked.yaml", locked);
    let server = Server::start(&shell, &["serve", "--config", "server.toml", "--database", "a.db"]);
    let amends = |arguments: &[&str]| shell.amends(&[arguments, &["--url", &server.url]].concat());
    let file = file.to_str().expect("text");
    amends(&["definitions", "register", file]).expect(0);
    amends(&["locks"]).expect(0).says("no saga has a lock");
    amends(&["start", "locked"]).expect(0);
    let until = Instant::now() + STOP_WITHIN;
    while !amends(&["locks", "--prefix", "zo"]).expect(0).stdout.contains("zone") {
        assert!(Instant::now() < until, "it takes its lock");
        pause();
    }
    assert!(amends(&["locks", "--prefix", "other"]).expect(0).stdout.lines().count() <= 1);
    amends(&["definitions", "delete", "locked@1"]).expect(1).says("1 saga is of version 1 of `locked` kept");
    shell.file("locked.yaml", &locked.replace("1d", "2d"));
    amends(&["definitions", "register", file]).expect(0);
    amends(&["definitions", "delete", "locked@2"]).expect(0).prints("deleted");
    amends(&["definitions", "get", "locked", "--version", "2"]).expect(1).says("no definition `locked` in version 2");
    assert_eq!(server.stop().1, Some(0));
}
