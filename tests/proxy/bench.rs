//! A participant that writes down what it got and numbers its answers, behind a proxy, and a sender.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use amends_protocol::participant::{CallHeaders, Op, SAGA_EPOCH};
use amends_tests::proxy::Proxy;
use anyhow::Result;
use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use uuid::Uuid;

const BODY: &str = r#"{"amount":5}"#;
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Default)]
struct Heard {
    whole: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Lengths of requests that were cut off.
    broken: Arc<Mutex<Vec<usize>>>,
}

pub(crate) struct Bench {
    pub(crate) proxy: Proxy,
    pub(crate) saga: Uuid,
    heard: Heard,
    sender: reqwest::Client,
}

impl Bench {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let upstream = listener.local_addr()?;
        let heard = Heard::default();
        tokio::spawn(participant(listener, heard.clone()));
        let proxy = Proxy::start("payments", upstream, None)?;
        let sender = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never()).timeout(PATIENCE).build()?;
        Ok(Self { proxy, saga: Uuid::from_u128(9), heard, sender })
    }

    pub(crate) async fn send(&self, step: &str, op: Op, attempt: u32) -> reqwest::Result<(u16, String)> {
        let request = self.request(self.proxy.address(), self.headers(step, op, attempt));
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    pub(crate) async fn send_within(&self, step: &str, attempt: u32, bound: Duration) -> reqwest::Result<u16> {
        let request = self.request(self.proxy.address(), self.headers(step, Op::Action, attempt));
        Ok(request.timeout(bound).send().await?.status().as_u16())
    }

    pub(crate) async fn send_with_broken_headers(&self) -> reqwest::Result<u16> {
        let mut headers = self.headers("charge", Op::Action, 1);
        headers.remove(SAGA_EPOCH);
        Ok(self.request(self.proxy.address(), headers).send().await?.status().as_u16())
    }

    /// What arrived whole, byte for byte.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.heard.whole.lock().expect("not poisoned").clone()
    }

    /// How long what arrived cut off was.
    pub(crate) fn broken(&self) -> Vec<usize> {
        self.heard.broken.lock().expect("not poisoned").clone()
    }

    fn request(&self, to: std::net::SocketAddr, headers: HeaderMap) -> reqwest::RequestBuilder {
        self.sender.post(format!("http://{to}/charges")).headers(headers).body(BODY)
    }

    fn headers(&self, step: &str, op: Op, attempt: u32) -> HeaderMap {
        let call = CallHeaders {
            saga: self.saga,
            name: "place-order".to_owned(),
            step: step.to_owned(),
            index: None,
            op,
            attempt,
            epoch: 7,
            deadline: None,
            traceparent: None,
            callback: None,
        };
        let mut headers = HeaderMap::new();
        call.write(&mut headers).expect("valid names");
        headers
    }
}

async fn participant(listener: TcpListener, heard: Heard) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let heard = heard.clone();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while !bytes.ends_with(BODY.as_bytes()) {
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    heard.broken.lock().expect("not poisoned").push(bytes.len());
                    return;
                }
            }
            let number = {
                let mut whole = heard.whole.lock().expect("not poisoned");
                whole.push(bytes);
                whole.len()
            };
            let body = format!("answer {number}");
            let answer =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _gone = stream.write_all(answer.as_bytes()).await;
        });
    }
}
