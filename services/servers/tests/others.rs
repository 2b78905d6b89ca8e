//! MariaDB and Redis come and go as they are told, with what they had, and leave nothing behind.

use std::net::TcpStream;

use amends_servers::{Mariadb, Mode, Redis};

fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_mariadb_server_starts_stops_and_starts_again_with_what_it_had() {
    let mut server = Mariadb::start().unwrap();
    let url = server.create_database("one").unwrap();
    assert_eq!(url, format!("mysql://amends@127.0.0.1:{}/one", server.port()));
    for mode in [Mode::Immediate, Mode::Fast] {
        assert!(accepts(server.port()));
        server.stop(mode).unwrap();
        assert!(!accepts(server.port()));
        server.stop(mode).unwrap();
        server.start_again().unwrap();
        assert!(server.create_database("one").unwrap_err().to_string().contains("database exists"));
    }
    let port = server.port();
    drop(server);
    assert!(!accepts(port));
}

#[test]
fn a_redis_server_keeps_what_it_answered_and_its_users_over_a_death() {
    let mut server = Redis::start(&[]).unwrap();
    assert_eq!(server.say(&["set", "one", "1"]).unwrap(), "+OK");
    assert_eq!(server.say(&["acl", "setuser", "ada", "on", ">secret", "~*", "+@all"]).unwrap(), "+OK");
    assert_eq!(server.say(&["acl", "save"]).unwrap(), "+OK");
    for mode in [Mode::Immediate, Mode::Fast] {
        server.stop(mode).unwrap();
        assert!(!accepts(server.port()));
        server.start_again().unwrap();
        assert_eq!(server.say(&["get", "one"]).unwrap(), "$1\r\n1");
        assert!(server.say(&["acl", "users"]).unwrap().contains("ada"));
    }
    let port = server.port();
    drop(server);
    assert!(!accepts(port));
}

#[test]
fn a_redis_server_that_cannot_start_says_why() {
    let error = Redis::start(&["--maxmemory", "nonsense"]).unwrap_err().to_string();
    assert!(error.contains("Redis did not start") && error.contains("maxmemory"), "{error}");
}
