//! A server comes and goes as it is told, and leaves nothing behind.

use std::{
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use amends_servers::{Mode, Options, Postgres};

fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_server_starts_stops_and_starts_again_with_what_it_had() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    open_to_all(folder.path()).unwrap();
    let options = Options { folder: Some(folder.path().to_owned()), ..Options::default() };
    let mut server = Postgres::start(options).unwrap();
    let url = server.create_database("one").unwrap();
    assert_eq!(url, format!("postgres://amends@127.0.0.1:{}/one", server.port()));
    for mode in [Mode::Immediate, Mode::Fast] {
        assert!(accepts(server.port()));
        server.stop(mode).unwrap();
        assert!(!accepts(server.port()));
        server.stop(mode).unwrap();
        server.start_again().unwrap();
        assert!(server.create_database("one").unwrap_err().to_string().contains("already exists"));
        assert_eq!(
            server.log().contains("automatic recovery in progress"),
            mode == Mode::Immediate,
            "{}",
            server.log()
        );
    }
    let port = server.port();
    drop(server);
    assert!(!accepts(port));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn durability_cannot_be_switched_off() {
    let settings = vec!["fsync=off".to_owned(), "synchronous_commit=off".to_owned(), "log_min_messages=log".to_owned()];
    let server = Postgres::start(Options { settings, ..Options::default() }).unwrap();
    let shown =
        Command::new("psql").args([&server.url(), "-Atc", "show fsync", "-c", "show synchronous_commit"]).output();
    assert_eq!(String::from_utf8_lossy(&shown.unwrap().stdout), "on\non\n");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let settings = vec!["shared_buffers=nonsense".to_owned()];
    let error = Postgres::start(Options { settings, ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("PostgreSQL did not start") && error.contains("shared_buffers"), "{error}");
}

#[test]
fn a_server_does_not_outlive_a_process_that_is_killed() {
    const CHILD: &str = "AMENDS_SERVERS_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(CHILD) {
        let options = Options { folder: Some(folder.into()), ..Options::default() };
        let server = Postgres::start(options).unwrap();
        std::fs::write(PathBuf::from(std::env::var_os(CHILD).unwrap()).join("port"), server.port().to_string())
            .unwrap();
        loop {
            std::thread::park();
        }
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    open_to_all(folder.path()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_server_does_not_outlive_a_process_that_is_killed"]);
    let mut child = child.env(CHILD, folder.path()).stdout(Stdio::null()).spawn().unwrap();
    let port = || std::fs::read_to_string(folder.path().join("port")).ok()?.parse().ok();
    until(|| port().is_some_and(accepts));
    child.kill().unwrap();
    child.wait().unwrap();
    until(|| !accepts(port().unwrap()) && std::fs::read_dir(folder.path()).unwrap().count() == 1);
}

fn open_to_all(folder: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755))
}

fn until(there: impl Fn() -> bool) {
    let since = Instant::now();
    while !there() {
        assert!(since.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
