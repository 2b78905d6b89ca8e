//! The trivial participant, as a process: answers every call at once, refuses `/refuse`, puts
//! `/woke` off until it is due, counts what it was asked. One
//! thread, no framework, because it takes its share of the two cores from what is measured. The same one serves Amends,
//! its peers and the ceiling. Must never know who calls it.

use std::{
    cell::{Cell, RefCell},
    net::Ipv4Addr,
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::LocalSet,
};

const HEADERS: usize = 64;
/// Nobody of the town sends more.
const REQUEST_BYTES: usize = 64 * 1024;
const DONE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
const REFUSED: &[u8] = b"HTTP/1.1 409 Conflict\r\ncontent-type: application/problem+json\r\ncontent-length: \
    20\r\n\r\n{\"detail\":\"refused\"}";

/// The calls it knows; what each counts under.
const PATHS: [&str; 8] = ["/one", "/two", "/three", "/refuse", "/one/undo", "/two/undo", "/three/undo", "/woke"];

/// What it was asked since the last mark.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) one: u64,
    pub(crate) two: u64,
    pub(crate) three: u64,
    pub(crate) refuse: u64,
    pub(crate) undo_one: u64,
    pub(crate) undo_two: u64,
    pub(crate) undo_three: u64,
    pub(crate) woke: u64,
    pub(crate) other: u64,
    /// When the first of them came, in microseconds since 1970.
    pub(crate) first_us: Option<u64>,
    /// How late each wake-up was.
    pub(crate) late_ms: Vec<i64>,
}

/// What it does wrong on purpose, to show that the run notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    #[default]
    None,
    /// `/three` is refused, although it should be done.
    RefuseThree,
    /// `/refuse` is done, although it should be refused.
    NeverRefuse,
}

struct State {
    counts: [Cell<u64>; PATHS.len() + 1],
    first_us: Cell<Option<u64>>,
    late_ms: RefCell<Vec<i64>>,
    held: Cell<bool>,
    released: Notify,
    fault: Fault,
}

/// Listens, says where, and serves until its standard input ends: it cannot outlive the one that started it.
///
/// # Errors
/// There is no port to listen on.
pub(crate) async fn run(fault: Fault) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let state = Rc::new(State {
        counts: Default::default(),
        first_us: Cell::default(),
        late_ms: RefCell::default(),
        held: Cell::new(false),
        released: Notify::new(),
        fault,
    });
    let serve = async {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(connection(stream, state.clone()));
        }
    };
    let connections = LocalSet::new();
    tokio::select! {
        () = connections.run_until(serve) => {}
        () = crate::process::stdin_ends() => {}
    }
    Ok(())
}

async fn connection(mut stream: TcpStream, state: Rc<State>) {
    let _plain_tcp = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(4 * 1024);
    let mut answers = Vec::with_capacity(1024);
    loop {
        let used = match served(&buffer, &mut answers, &state).await {
            Some(used) => used,
            None => return,
        };
        buffer.drain(..used);
        if !answers.is_empty() {
            if stream.write_all(&answers).await.is_err() {
                return;
            }
            answers.clear();
        }
        if buffer.len() > REQUEST_BYTES || !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}

/// Answers every whole request of the buffer and tells how many bytes they were; `None` for what is no HTTP.
async fn served(buffer: &[u8], answers: &mut Vec<u8>, state: &State) -> Option<usize> {
    let mut used = 0;
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = request.parse(&buffer[used..]).ok()? else { return Some(used) };
        let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = match length {
            Some(length) => std::str::from_utf8(length.value).ok()?.trim().parse::<usize>().ok()?,
            None => 0,
        };
        let Some(body) = buffer.get(used + head..used + head + length) else { return Some(used) };
        answer(request.path?, body, answers, state).await;
        used += head + length;
    }
}

async fn answer(path: &str, body: &[u8], answers: &mut Vec<u8>, state: &State) {
    match path {
        "/counts" => {
            let body = serde_json::to_string(&counts(state)).unwrap_or_default();
            answers.extend_from_slice(
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes(),
            );
            return;
        }
        "/mark" => mark(state),
        "/hold" => state.held.set(true),
        "/release" => {
            state.held.set(false);
            state.released.notify_waiters();
        }
        _ => return call(path, body, answers, state).await,
    }
    answers.extend_from_slice(DONE);
}

async fn call(path: &str, body: &[u8], answers: &mut Vec<u8>, state: &State) {
    let due_ms = if path == "/woke" { serde_json::from_slice::<Due>(body).map_or(0, |due| due.due_ms) } else { 0 };
    let left_ms = due_ms - now_ms();
    if left_ms > 0 {
        // Not yet: whoever asks shall sleep until then.
        let seconds = (left_ms + 999) / 1000;
        let not_yet =
            format!("HTTP/1.1 503 Service Unavailable\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n");
        answers.extend_from_slice(not_yet.as_bytes());
        return;
    }
    let which = PATHS.iter().position(|known| *known == path).unwrap_or(PATHS.len());
    state.counts[which].set(state.counts[which].get() + 1);
    if state.first_us.get().is_none() {
        state.first_us.set(Some(now_us()));
    }
    if path == "/woke" {
        state.late_ms.borrow_mut().push(-left_ms);
    }
    while state.held.get() {
        state.released.notified().await;
    }
    let refused = match state.fault {
        Fault::None => path == "/refuse",
        Fault::RefuseThree => path == "/refuse" || path == "/three",
        Fault::NeverRefuse => false,
    };
    answers.extend_from_slice(if refused { REFUSED } else { DONE });
}

#[derive(Deserialize)]
struct Due {
    due_ms: i64,
}

fn counts(state: &State) -> Counts {
    let [one, two, three, refuse, undo_one, undo_two, undo_three, woke, other] =
        [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|which: usize| state.counts[which].get());
    let (first_us, late_ms) = (state.first_us.get(), state.late_ms.borrow().clone());
    Counts { one, two, three, refuse, undo_one, undo_two, undo_three, woke, other, first_us, late_ms }
}

fn mark(state: &State) {
    state.counts.iter().for_each(|count| count.set(0));
    state.first_us.set(None);
    state.late_ms.borrow_mut().clear();
}

fn now_ms() -> i64 {
    i64::try_from(now_us() / 1000).unwrap_or(i64::MAX)
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
