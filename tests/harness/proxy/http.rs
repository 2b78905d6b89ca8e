//! Just enough HTTP/1.1 on raw bytes: a request whose end is known, and one exchange with a participant. Bytes are kept
//! as they came, because the tests cut in the middle of them.

use std::{io, net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::words::now;

/// A participant that says nothing for so long has hung: the test should fail, not wait.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);
/// Heads beyond this are not what these tests send.
const HEAD_LIMIT_BYTES: usize = 64 * 1024;
const HEADERS_LIMIT: usize = 64;

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Microseconds since 1970 at its first byte.
    pub(super) arrived_at: i64,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Request line and headers, without the blank line that ends them.
    head: Vec<u8>,
}

impl Request {
    /// What a participant gets. It is asked to close, so that the end of its answer is the end of the stream.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), b"connection: close\r\n\r\n", &self.body].concat()
    }
}

/// One answer as it came, ready to be passed on.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Without the `connection` header, which is a matter between two neighbours.
    pub(super) bytes: Vec<u8>,
    /// Its end can be told without closing the connection.
    pub(super) framed: bool,
}

impl Response {
    /// An answer that no participant gave.
    pub(super) fn made_up(status: u16, body: &str) -> Self {
        Self::with_headers(status, "", body)
    }

    /// The same with a word on when to come again.
    pub(super) fn not_now(status: u16, retry_after: &str) -> Self {
        Self::with_headers(status, &format!("retry-after: {retry_after}\r\n"), "")
    }

    /// The same with why it is no outcome.
    pub(super) fn refused(status: u16, word: &str) -> Self {
        Self::with_headers(status, &format!("saga-refused: {word}\r\n"), "{}")
    }

    /// The same with the ack of a definite answer.
    pub(super) fn acked(status: u16, key: &str) -> Self {
        Self::with_headers(status, &format!("saga-ack: {key}\r\n"), r#"{"detail":"injected"}"#)
    }

    fn with_headers(status: u16, more: &str, body: &str) -> Self {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} Injected\r\n{more}content-type: application/json\r\ncontent-length: {length}");
        let bytes = [head.as_bytes(), b"\r\n\r\n", body.as_bytes()].concat();
        Self { status, headers: HeaderMap::new(), bytes, framed: true }
    }
}

/// The next request of a connection; `None` when it ends before one begins. Bytes beyond it stay in `buffer`.
pub(super) async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    if buffer.is_empty() && stream.read_buf(buffer).await? == 0 {
        return Ok(None);
    }
    let arrived_at = now();
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > HEAD_LIMIT_BYTES || stream.read_buf(buffer).await? == 0 {
            return Err(malformed("a request head that does not end"));
        }
    };
    let mut slots = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut parsed = httparse::Request::new(&mut slots);
    parsed.parse(&buffer[..head_end]).map_err(|error| malformed(&error.to_string()))?;
    let headers = header_map(parsed.headers)?;
    if headers.contains_key(http::header::TRANSFER_ENCODING) {
        return Err(malformed("this proxy reads requests by content-length only"));
    }
    let method = parsed.method.unwrap_or_default().to_owned();
    let path = parsed.path.unwrap_or_default().to_owned();
    let length = content_length(&headers)?.unwrap_or(0);
    let whole = head_end + length;
    while buffer.len() < whole {
        if stream.read_buf(buffer).await? == 0 {
            return Err(malformed("a request body that is cut off"));
        }
    }
    let rest = buffer.split_off(whole);
    let body = buffer.split_off(head_end);
    let mut head = std::mem::replace(buffer, rest);
    head.truncate(head_end - 2);
    Ok(Some(Request { arrived_at, method, path, headers, body, head }))
}

/// Sends a request on a connection of its own and reads the whole answer.
pub(super) async fn exchange(upstream: SocketAddr, request: &Request) -> io::Result<Response> {
    let exchange = async {
        let mut stream = TcpStream::connect(upstream).await?;
        stream.write_all(&request.bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        parse_response(&bytes)
    };
    timeout(UPSTREAM_TIMEOUT, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sends only the first bytes of a request and closes.
pub(super) async fn send_part(upstream: SocketAddr, request: &Request, bytes: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(upstream).await?;
    let whole = request.bytes();
    stream.write_all(&whole[..bytes.min(whole.len())]).await?;
    stream.shutdown().await
}

fn parse_response(bytes: &[u8]) -> io::Result<Response> {
    let mut slots = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut parsed = httparse::Response::new(&mut slots);
    let httparse::Status::Complete(head_end) = parsed.parse(bytes).map_err(|error| malformed(&error.to_string()))?
    else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let status = parsed.code.unwrap_or_default();
    let headers = header_map(parsed.headers)?;
    let body = &bytes[head_end..];
    let length = content_length(&headers)?;
    if length.is_some_and(|length| length != body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut passed_on = format!("HTTP/1.1 {status} {}\r\n", parsed.reason.unwrap_or_default()).into_bytes();
    for header in parsed.headers.iter().filter(|header| !header.name.eq_ignore_ascii_case("connection")) {
        passed_on.extend_from_slice(header.name.as_bytes());
        passed_on.extend_from_slice(b": ");
        passed_on.extend_from_slice(header.value);
        passed_on.extend_from_slice(b"\r\n");
    }
    passed_on.extend_from_slice(b"\r\n");
    passed_on.extend_from_slice(body);
    Ok(Response { status, headers, bytes: passed_on, framed: length.is_some() || matches!(status, 204 | 304) })
}

fn header_map(parsed: &[httparse::Header<'_>]) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in parsed {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|error| malformed(&error.to_string()))?;
        let value = HeaderValue::from_bytes(header.value).map_err(|error| malformed(&error.to_string()))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn content_length(headers: &HeaderMap) -> io::Result<Option<usize>> {
    let Some(value) = headers.get(http::header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| malformed("a content-length that is no number"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
