//! The program itself: what it prints, how it dies on demand, how it stops. One service stands for all four, whose
//! `main` is the same.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use amends_barrier::testing::Attempt;
use serde_json::json;
use uuid::Uuid;

/// Far more than a start or a stop takes.
const PATIENCE: Duration = Duration::from_secs(20);
const SIGABRT: i32 = 6;

struct Program {
    child: Child,
    address: String,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn start(database: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_amends-orders"))
            .arg("--database")
            .arg(database)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").expect(&line).trim_end().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        Self { child, address, stdout }
    }

    /// The whole answer, empty if the connection ended without one.
    fn send(&self, attempt: &Attempt) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n", attempt.method, attempt.path);
        for (name, value) in attempt.request().headers() {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", attempt.body.len()));
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&attempt.body).unwrap();
        let mut answer = String::new();
        match connection.read_to_string(&mut answer) {
            Ok(_) => answer,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => String::new(),
            Err(error) => panic!("{error}"),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "there is no runtime here whose worker it could block")]
    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

fn open(saga: Uuid) -> Attempt {
    Attempt::action(saga, "open", "/orders", &json!({ "id": saga, "customer": "ada" }))
}

#[test]
fn a_program_that_dies_between_commit_and_reply_gives_the_stored_reply_after_its_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (database, first, second) = (dir.path().join("orders.db"), Uuid::now_v7(), Uuid::now_v7());
    let mut program = Program::start(&database, &["--abort-after-commit", "open:action:2"]);
    assert!(program.send(&open(first)).starts_with("HTTP/1.1 201"), "the first commit lives");
    assert_eq!(program.send(&open(second)), "", "no reply to the second");
    assert_eq!(program.wait().signal(), Some(SIGABRT), "the fault fired");

    let program = Program::start(&database, &[]);
    let answer = program.send(&open(second).attempt(2));
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.to_lowercase().contains(&format!("saga-ack: {second}:open:action")), "{answer}");
    let mut ledger = open(second);
    ledger.method = http::Method::GET;
    ledger.path = format!("/ledger?saga={second}");
    let answer = program.send(&ledger);
    assert_eq!(answer.matches("\"applied\"").count(), 1, "one effect: {answer}");
}

#[test]
fn a_program_stops_gracefully_on_sigterm_having_printed_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(&dir.path().join("orders.db"), &["--listen", "127.0.0.1:0"]);
    // An idle keep-alive connection does not hold it up.
    let idle = TcpStream::connect(&program.address).unwrap();
    let kill = Command::new("kill").arg(program.child.id().to_string()).status().unwrap();
    assert!(kill.success());
    assert_eq!(program.wait().code(), Some(0));
    let mut rest = String::new();
    program.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    drop(idle);
}

#[test]
fn a_program_lets_go_by_itself_of_what_was_forgotten_before_its_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (database, saga) = (dir.path().join("orders.db"), Uuid::now_v7());
    let program = Program::start(&database, &[]);
    assert!(program.send(&open(saga)).starts_with("HTTP/1.1 201"));
    let mut forget = open(saga).body(json!({ "sagas": [saga] }).to_string());
    forget.path = "/.well-known/amends-participant/forget".into();
    let answer = program.send(&forget);
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let answer = program.send(&open(saga).probe());
    assert!(answer.starts_with("HTTP/1.1 201"), "the default grace is not over: {answer}");
    drop(program);

    let program = Program::start(&database, &["--forget-grace", "0s"]);
    let until = Instant::now() + PATIENCE;
    while !program.send(&open(saga).probe()).starts_with("HTTP/1.1 404") {
        assert!(Instant::now() < until, "the program does not let go");
    }
}

#[test]
fn a_grace_without_a_unit_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_amends-orders"))
        .args(["--database", "unused.db", "--forget-grace", "7"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("write 7d"));
}

#[test]
fn a_wrong_fault_flag_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_amends-orders"))
        .args(["--database", "unused.db", "--abort-after-commit", "open:undo"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("neither action nor compensate"));
}
