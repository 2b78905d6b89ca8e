//! Answers of services that mean harm, or are broken: bounded in size and in time, unpacked never, and leading nowhere else.

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{
    tests::{asked, called_within, calling, next_request},
    *,
};

/// Nobody waits so long who is let go of.
const LONG: Duration = Duration::from_secs(30);

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

#[tokio::test]
async fn an_answer_of_200_mb_is_cut_at_the_limit_and_counts_as_unknown() {
    const MUCH: usize = 200 * 1024 * 1024;
    // What both sides' sockets may hold beyond what was read.
    const ON_THE_WAY: usize = 16 * 1024 * 1024;
    let block = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    for head in [format!("content-length: {MUCH}"), "transfer-encoding: chunked".to_owned()] {
        let listener = listener().await;
        let participant = calling(&listener);
        let town = async {
            let mut stream = asked(&listener).await;
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await.expect("it listens");
            let mut written = 0;
            while written < MUCH && stream.write_all(block.as_bytes()).await.is_ok() {
                written += block.len();
            }
            written
        };
        let (written, lost) = tokio::join!(town, called_within(&participant, LONG));
        let limit = "the answer is larger than 1048576 bytes";
        assert!(matches!(&lost, Err(Reply::Lost { reason }) if reason == limit), "{head}: {lost:?}");
        assert!((1024 * 1024..ON_THE_WAY).contains(&written), "{head}: {written} bytes were taken");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_not_asked_for_and_never_unpacked() {
    let listener = listener().await;
    let participant = calling(&listener);
    // The beginning of a gzip stream: whoever unpacked it would fail.
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed\xc1";
    let town = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let head = next_request(&mut stream).await;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
        stream.write_all(&[answer.as_bytes(), packed].concat()).await.expect("it listens");
        head
    };
    let (head, answer) = tokio::join!(town, called_within(&participant, LONG));
    assert!(!head.to_ascii_lowercase().contains("accept-encoding"), "{head}");
    assert_eq!(answer.expect("an answer").body().as_ref(), packed, "as it came");
}

#[tokio::test]
async fn an_answer_that_comes_a_byte_at_a_time_ends_with_the_timeout() {
    for begun in ["HTTP/1.1 200 OK\r\nx-slow: ", "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"] {
        let listener = listener().await;
        let participant = calling(&listener);
        let town = async {
            let mut stream = asked(&listener).await;
            stream.write_all(begun.as_bytes()).await.expect("it listens");
            let mut bytes = 0;
            while stream.write_all(b"a").await.is_ok() {
                bytes += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            bytes
        };
        let calls = called_within(&participant, Duration::from_millis(300));
        let (bytes, lost) = tokio::time::timeout(LONG, async { tokio::join!(town, calls) }).await.expect("it ends");
        let why = "no whole answer within the timeout";
        assert!(matches!(&lost, Err(Reply::Lost { reason }) if reason == why), "{begun:?}: {lost:?}");
        assert!(bytes > 2, "{begun:?}: only {bytes} bytes came");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = listener().await;
    let to = elsewhere.local_addr().expect("it listens");
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let listener = listener().await;
        let participant = calling(&listener);
        let town = async {
            let mut stream: TcpStream = asked(&listener).await;
            let answer = format!("HTTP/1.1 {status}\r\nlocation: http://{to}/secret\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("it listens");
            stream
        };
        let (_open, answer) = tokio::join!(town, called_within(&participant, LONG));
        let answer = answer.expect("the redirect is the answer");
        assert_eq!(answer.status().as_str(), &status[..3]);
    }
    let led = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(led.is_err(), "nobody comes where a service points to");
}
