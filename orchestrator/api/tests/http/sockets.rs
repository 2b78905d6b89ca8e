//! Connections: what only a real socket shows.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use amends_api::{Connections, serve_with};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::kit::{SLOW_CHARGE, Server, eventually, id, order};

struct Listening {
    server: Server,
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

async fn listening(limits: Connections, drain: Duration) -> Listening {
    let server = Server::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(serve_with(listener, server.router.clone(), stop.clone(), drain, limits));
    Listening { server, address, stop, served }
}

impl Listening {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Writes on a connection of its own and reads until the server closes it.
    async fn say(&self, request: &[u8]) -> String {
        let mut socket = self.connect().await;
        // The server may answer and close before everything is written.
        let _ = socket.write_all(request).await;
        rest(&mut socket).await
    }
}

async fn rest(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
    let reset = read.expect("the server closes the connection").is_err();
    assert!(!reset || !answer.is_empty(), "a reset without an answer");
    String::from_utf8(answer).unwrap()
}

fn post(body: &str, headers: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/sagas HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

const DRAIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_saga_runs_over_a_real_socket() {
    let server = listening(Connections::default(), DRAIN).await;
    let answer = server.say(post(&order(1).to_string(), "prefer: wait=20\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(body(&answer)["status"], "completed");
}

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_let_go_of() {
    let limits = Connections { header_timeout: Duration::from_millis(300), ..Connections::default() };
    let server = listening(limits, DRAIN).await;
    for begun in ["", "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut socket = server.connect().await;
        socket.write_all(begun.as_bytes()).await.unwrap();
        let began = Instant::now();
        let answer = rest(&mut socket).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(began.elapsed() >= Duration::from_millis(250), "not at once");
        assert!(began.elapsed() < Duration::from_secs(10), "{begun:?} held the connection");
    }
    // A byte now and then buys no time.
    let mut socket = server.connect().await;
    let began = Instant::now();
    socket.write_all(b"GET /livez HTTP/1.1\r\nx: ").await.unwrap();
    while socket.write_all(b"a").await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "a trickle held the connection");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_431() {
    let server = listening(Connections::default(), DRAIN).await;
    let fits = format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n", "a".repeat(12 * 1024));
    assert!(server.say(fits.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    let large = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(20 * 1024));
    let answer = server.say(large.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = format!("GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: 1\r\n".repeat(200));
    let answer = server.say(many.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_declared_or_chunked() {
    let server = listening(Connections::default(), DRAIN).await;
    // Declared: the answer comes before a byte of the body.
    let declared = "POST /v1/sagas HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                    content-length: 1048577\r\n\r\n";
    let answer = server.say(declared.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(body(&answer)["type"], "urn:amends:problem:body-too-large");

    let mut socket = server.connect().await;
    let head = "POST /v1/sagas HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 65_536, " ".repeat(65_536));
    // One chunk above the limit, and no end: the answer does not wait for it.
    for _ in 0..=16 {
        if socket.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = rest(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_400() {
    let server = listening(Connections::default(), DRAIN).await;
    for nonsense in ["\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "GET\r\n\r\n", "GET /livez HTTP/9.9\r\n\r\n"] {
        let answer = server.say(nonsense.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(
        server.say(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn connections_above_the_cap_wait_for_their_turn() {
    let limits = Connections { max_connections: 1, ..Connections::default() };
    let server = listening(limits, DRAIN).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    first.read_exact(&mut some).await.unwrap();

    let mut second = server.connect().await;
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut some)).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    assert!(rest(&mut second).await.contains("200 OK"));
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_be_answered_and_closes_idle_connections() {
    let server = listening(Connections::default(), DRAIN).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    idle.read_exact(&mut some).await.unwrap();
    let mut held = server.connect().await;
    held.write_all(post(&order(SLOW_CHARGE).to_string(), "prefer: wait=20\r\n").as_bytes()).await.unwrap();
    eventually("the start is in flight", async || {
        !server.server.get("/v1/sagas").await.body["items"].as_array().unwrap().is_empty()
    })
    .await;

    server.stop.cancel();
    rest(&mut idle).await;
    eventually("no new connection is taken", async || TcpStream::connect(server.address).await.is_err()).await;
    assert!(!server.served.is_finished(), "a request is still in flight");
    server.server.services.release();
    let answer = rest(&mut held).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    server.served.await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_its_drain() {
    let server = listening(Connections::default(), Duration::from_millis(200)).await;
    let mut held = server.connect().await;
    held.write_all(post(&order(SLOW_CHARGE).to_string(), "prefer: wait=60\r\n").as_bytes()).await.unwrap();
    eventually("the start is in flight", async || {
        !server.server.get("/v1/sagas").await.body["items"].as_array().unwrap().is_empty()
    })
    .await;
    server.stop.cancel();
    let began = Instant::now();
    server.served.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    // The saga is durable all the same.
    let list = server.server.get("/v1/sagas").await.body;
    assert_eq!(list["items"][0]["status"], "running", "{}", id(&list["items"][0]));
}
