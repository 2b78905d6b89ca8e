//! The client of a load: the raw one, or the one that the orchestrator has (hyper) for the ceiling of its calls. Called by the
//! closed and the open loop. Must never know what a saga is.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::spawn_local};

use super::Kind;
use crate::wire::{Answer, Connection};

/// One connection with at most one request on it.
pub(super) enum Line {
    Raw(Connection),
    Ordinary(Ordinary),
}

/// hyper's own connection, in a task of its own as its users have it.
pub(super) struct Ordinary {
    sender: SendRequest<Full<Bytes>>,
    /// The text of a request and what it says, once it has been read.
    read: Vec<(Vec<u8>, Request<Full<Bytes>>)>,
    body: Bytes,
}

impl Line {
    /// # Errors
    /// Nobody listens there.
    pub(super) async fn open(kind: Kind, to: SocketAddr) -> Result<Self> {
        if kind != Kind::Ceiling {
            return Ok(Self::Raw(Connection::open(to).await?));
        }
        let stream = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // How it ends is told to whoever waits for an answer.
        spawn_local(async { drop(connection.await) });
        Ok(Self::Ordinary(Ordinary { sender, read: vec![], body: Bytes::new() }))
    }

    /// Sends a whole request and reads the whole answer.
    ///
    /// # Errors
    /// The connection broke, or what came is no HTTP answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        match self {
            Self::Raw(connection) => connection.exchange(request).await,
            Self::Ordinary(ordinary) => ordinary.exchange(request).await,
        }
    }
}

impl Ordinary {
    async fn exchange(&mut self, text: &[u8]) -> Result<Answer<'_>> {
        // The same few texts a million times; a user has values, and puts them into headers as a clone does.
        let known = self.read.iter().position(|(known, _)| known == text);
        let at = match known {
            Some(at) => at,
            None => {
                self.read.push((text.to_vec(), parsed(text)?));
                self.read.len() - 1
            }
        };
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(self.read[at].1.clone()).await?.into_parts();
        self.body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), body: &self.body })
    }
}

fn parsed(text: &[u8]) -> Result<Request<Full<Bytes>>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(bytes) = head.parse(text)? else { anyhow::bail!("a request without an end") };
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(&text[bytes..])));
    *request.method_mut() = Method::try_from(head.method.context("a method")?)?;
    *request.uri_mut() = Uri::try_from(head.path.context("a path")?)?;
    for header in head.headers.iter() {
        let name = HeaderName::try_from(header.name)?;
        // hyper writes it by itself.
        if name != http::header::CONTENT_LENGTH {
            request.headers_mut().insert(name, HeaderValue::from_bytes(header.value)?);
        }
    }
    Ok(request)
}
