//! The client's side of HTTP/1.1 over one connection, as little of it as a load generator can do with: what it costs is
//! taken from what is measured beside it. Called by the load, the ceiling and whoever asks a process of the town.
//! Must never know what a saga is.

use std::{net::SocketAddr, ops::Range};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A larger answer is nobody's of the town.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
const HEADERS: usize = 64;

/// One connection with at most one request on it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

enum Length {
    Exact(usize),
    Chunked,
}

struct Head {
    status: u16,
    bytes: usize,
    length: Length,
}

impl Connection {
    /// # Errors
    /// Nobody listens there.
    pub(crate) async fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8 * 1024), body: vec![] })
    }

    /// Sends a whole request and reads the whole answer.
    ///
    /// # Errors
    /// The connection broke, or what came is no HTTP answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.fill().await?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        let body = match head.length {
            Length::Exact(length) => {
                while self.buffer.len() < head.bytes + length {
                    self.fill().await?;
                }
                &self.buffer[head.bytes..head.bytes + length]
            }
            Length::Chunked => {
                while !dechunked(&self.buffer[head.bytes..], &mut self.body)? {
                    self.fill().await?;
                }
                &self.body
            }
        };
        Ok(Answer { status: head.status, body })
    }

    async fn fill(&mut self) -> Result<()> {
        if self.buffer.len() > ANSWER_BYTES {
            bail!("an answer of more than {ANSWER_BYTES} bytes");
        }
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the connection was closed within an answer");
        }
        Ok(())
    }
}

/// A whole request.
pub(crate) fn request(method: &str, host: SocketAddr, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{headers}content-length: \
         {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One request over a connection of its own; the answer's status and body.
///
/// # Errors
/// As [`Connection::exchange`].
pub(crate) async fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let mut connection = Connection::open(to).await?;
    let answer = connection.exchange(&request(method, to, path, "", body)).await;
    let answer = answer.with_context(|| format!("{method} {path}"))?;
    Ok((answer.status, String::from_utf8_lossy(answer.body).into_owned()))
}

/// `None` until the whole head is there.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = parsed.parse(bytes)? else { return Ok(None) };
    let mut length = Length::Exact(0);
    for header in parsed.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Length::Exact(std::str::from_utf8(header.value)?.trim().parse()?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        }
    }
    Ok(Some(Head { status: parsed.code.context("an answer has a status")?, bytes: head_bytes, length }))
}

/// Whether all chunks are there; then `body` is what they carried.
fn dechunked(bytes: &[u8], body: &mut Vec<u8>) -> Result<bool> {
    body.clear();
    let mut at = 0;
    while let Ok(httparse::Status::Complete((used, size))) = httparse::parse_chunk_size(&bytes[at..]) {
        let data: Range<usize> = at + used..at + used + usize::try_from(size)?;
        let Some(chunk) = bytes.get(data.clone()).filter(|_| bytes.len() >= data.end + 2) else { return Ok(false) };
        if size == 0 {
            return Ok(true);
        }
        body.extend_from_slice(chunk);
        at = data.end + 2;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_answer_is_whole_only_with_its_last_chunk() {
        let (whole, mut body) = (b"4\r\nsaga\r\n1\r\ns\r\n0\r\n\r\n", vec![]);
        for cut in 0..whole.len() {
            assert!(!dechunked(&whole[..cut], &mut body).unwrap(), "{cut} bytes are not all");
        }
        assert!(dechunked(whole, &mut body).unwrap());
        assert_eq!(body, b"sagas");
    }

    #[test]
    fn a_head_tells_status_and_length() {
        let bytes = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}";
        assert!(head(&bytes[..20]).unwrap().is_none());
        let head = head(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.bytes), (409, bytes.len() - 2));
        assert!(matches!(head.length, Length::Exact(2)));
    }
}
