//! Somebody who is told: a program of its own, so that it can be killed in the middle of anything. It checks each signature, writes down
//! what it has heard and then says so.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use amends_tests::{port, wait::until};
use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// Made up for these tests: nothing is secret about it.
pub(crate) const SECRET: &str = "whsec_dGhlc2UgdHdlbnR5LWZvdXIgYnl0ZXMu";

const ADDRESS: &str = "AMENDS_TEST_RECEIVER_ADDRESS";
const HEARD: &str = "AMENDS_TEST_RECEIVER_HEARD";
const UP_WITHIN: Duration = Duration::from_secs(20);

/// One request, as it was written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// The header `webhook-id`.
    pub(crate) id: String,
    /// A signature fits, and the time is about now.
    pub(crate) signed: bool,
    pub(crate) event: Value,
}

/// The program, from outside.
pub(crate) struct Receiver {
    address: SocketAddr,
    heard: PathBuf,
    child: Option<Child>,
}

impl Receiver {
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let mut receiver = Self { address: port::free()?, heard: folder.join("heard.jsonl"), child: None };
        receiver.again().await?;
        Ok(receiver)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Starts it again, on what it has written down before.
    pub(crate) async fn again(&mut self) -> Result<()> {
        let child = Command::new(env::current_exe()?)
            .args(["--exact", "receiver::receives_if_it_is_asked_to", "--nocapture"])
            .env(ADDRESS, self.address.to_string())
            .env(HEARD, &self.heard)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        let address = self.address;
        until("the receiver listens", UP_WITHIN, async || Ok(TcpStream::connect(address).await.ok().map(drop))).await
    }

    /// kill -9.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.take().context("it runs")?.kill().await?;
        Ok(())
    }

    /// All that was written down, in order.
    pub(crate) fn heard(&self) -> Result<Vec<Heard>> {
        let text = fs::read_to_string(&self.heard).unwrap_or_default();
        // A line that is being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }
}

/// As Standard Webhooks describes it, and not as the orchestrator does it.
pub(crate) fn signature(id: &str, timestamp: &str, body: &[u8]) -> String {
    let secret = BASE64.decode(SECRET.trim_start_matches("whsec_")).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("any length");
    mac.update(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat());
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// A test that passes; and in a process that was started for it, the receiver.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receives_if_it_is_asked_to() -> Result<()> {
    let (Ok(address), Some(heard)) = (env::var(ADDRESS), env::var_os(HEARD)) else { return Ok(()) };
    // The one before was killed: its last line may have no end, and was not answered for.
    if let Ok(text) = fs::read_to_string(&heard)
        && !text.is_empty()
        && !text.ends_with('\n')
    {
        fs::write(&heard, &text[..text.rfind('\n').map_or(0, |end| end + 1)])?;
    }
    let file = Arc::new(Mutex::new(OpenOptions::new().create(true).append(true).open(heard)?));
    let listener = TcpListener::bind(address).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let file = Arc::clone(&file);
        tokio::spawn(async move {
            // Whoever went away is told again.
            let _ = serve(socket, &file).await;
        });
    }
}

async fn serve(mut socket: TcpStream, file: &Mutex<File>) -> Result<()> {
    let mut unread = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = request.parse(&unread)? else {
            if socket.read_buf(&mut unread).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let header = |name: &str| {
            let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok()).unwrap_or_default().to_owned()
        };
        let length: usize = header("content-length").parse().context("a length")?;
        let (id, timestamp, signatures) =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        let is_event = header("content-type") == "application/cloudevents+json";
        while unread.len() < head + length {
            anyhow::ensure!(socket.read_buf(&mut unread).await? > 0, "cut off");
        }
        let body = unread[head..head + length].to_vec();
        unread.drain(..head + length);
        let expected = signature(&id, &timestamp, &body);
        let now_s = std::time::UNIX_EPOCH.elapsed()?.as_secs();
        let recent = timestamp.parse::<u64>().is_ok_and(|timestamp_s| timestamp_s.abs_diff(now_s) < 300);
        let signed = is_event && recent && signatures.split(' ').any(|signature| signature == expected);
        let heard = Heard { id, signed, event: serde_json::from_slice(&body)? };
        let line = serde_json::to_string(&heard)? + "\n";
        file.lock().expect("nothing panics while it holds the file").write_all(line.as_bytes())?;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
}
