//! A commit is made and nobody hears of it: the answer is lost on its way back, whether the commit is one statement or ends a
//! transaction of several, and whether or not the server can be reached again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use amends_core::event::Recorded;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

use super::{created, database, server};
use crate::{
    Append, Store,
    conformance::given::{step, words},
    postgres::{Options, PostgresStore},
};

const SOON: Duration = Duration::from_secs(20);

/// Between a store and its server. Loses one answer when it is told to.
struct Wire {
    port: u16,
    server: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// The answer to the next bytes with these in them is lost.
    loses: Mutex<Option<&'static [u8]>>,
    lost: Notify,
    go_on: Notify,
    shut: AtomicBool,
}

impl Wire {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::new(State::default()));
        let task = tokio::spawn(accept(listener, server, Arc::clone(&state)));
        Self { port, server, state, task }
    }

    fn url(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.server), &format!(":{}/", self.port))
    }

    fn lose_the_answer_to(&self, bytes: &'static [u8]) {
        *self.state.loses.lock().unwrap() = Some(bytes);
    }

    /// Waits until it is lost. Its connection hangs until [`Self::go_on`].
    async fn lost(&self) {
        tokio::time::timeout(SOON, self.state.lost.notified()).await.expect("an answer is lost");
    }

    fn go_on(&self) {
        self.state.go_on.notify_one();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: u16, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        if !state.shut.load(Ordering::SeqCst) {
            connections.spawn(carry(near, server, Arc::clone(&state)));
        }
    }
}

async fn carry(mut near: TcpStream, server: u16, state: Arc<State>) -> std::io::Result<()> {
    let mut far = TcpStream::connect(("127.0.0.1", server)).await?;
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut loses = false;
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                loses |= meant(&state, bytes);
                far.write_all(bytes).await?;
            }
            read = far.read(&mut answered) => {
                let bytes = &answered[..read?];
                if loses || bytes.is_empty() {
                    state.lost.notify_one();
                    state.go_on.notified().await;
                    return Ok(());
                }
                near.write_all(bytes).await?;
            }
        }
    }
}

/// Once.
fn meant(state: &State, bytes: &[u8]) -> bool {
    let mut loses = state.loses.lock().unwrap();
    let meant = loses.is_some_and(|wanted| bytes.windows(wanted.len()).any(|window| window == wanted));
    if meant {
        *loses = None;
    }
    meant
}

/// The journal of each saga of a batch.
async fn journals(store: &PostgresStore, batch: &[Append]) -> Vec<Vec<Recorded>> {
    let mut journals = Vec::new();
    for append in batch {
        journals.push(store.journal(append.saga, 0..100, 100).await.unwrap());
    }
    journals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_to_have_been_made_and_is_made_once() {
    let server = server();
    let url = database(&server).await;
    let wire = Wire::to(server.port()).await;
    let store = Arc::new(PostgresStore::open(Options::new(wire.url(&url)).lanes(1)).await.unwrap());
    let beside = PostgresStore::open(url).await.unwrap();
    let sagas = created(&store, 4).await;
    // Of each saga once: one statement that commits itself. Of one twice: a transaction of several, and a commit behind them.
    let once = |befores: &[Append]| -> Vec<Append> { befores.iter().map(step).collect() };
    let twice = |before: &Append| vec![step(before), step(&step(before))];
    // So that statements are prepared: what is sent then is the whole of it.
    let (first, second) = (once(&sagas[..2]), twice(&sagas[2]));
    assert_eq!(words(&store.commit(first.clone()).await), ["ok"; 2]);
    assert_eq!(words(&store.commit(second.clone()).await), ["ok"; 2]);
    let mut heads = (first, second[1].clone());
    for shut in [false, true] {
        for (answer_to, batch) in [(&b"B"[..], once(&heads.0)), (&b"commit\0"[..], twice(&heads.1))] {
            let expected: Vec<_> = journals(&beside, &batch).await;
            wire.lose_the_answer_to(answer_to);
            let committing = tokio::spawn({
                let (store, batch) = (Arc::clone(&store), batch.clone());
                async move { store.commit(batch).await }
            });
            wire.lost().await;
            let made = journals(&beside, &batch).await;
            assert!(
                made.iter().zip(&expected).all(|(now, before)| now.len() > before.len()),
                "it has been made: {made:?}"
            );
            assert!(!committing.is_finished(), "and nobody has heard of it");
            wire.state.shut.store(shut, Ordering::SeqCst);
            wire.go_on();
            let heard = committing.await.unwrap();
            // Of each saga the last append is known; of what came before it in one batch, which no engine writes, it is only known
            // that the journal goes on otherwise.
            let known = if answer_to == b"B" { 0 } else { 1 };
            let word = if shut { "unavailable" } else { "ok" };
            assert!(words(&heard)[known..].iter().all(|heard| *heard == word), "{heard:?}");
            wire.state.shut.store(false, Ordering::SeqCst);
            // As an engine does that does not know.
            let again = batch[known..].to_vec();
            assert_eq!(words(&store.commit(again.clone()).await), vec!["ok"; again.len()]);
            assert_eq!(journals(&beside, &batch).await, made, "it is made once");
            if answer_to == b"B" {
                heads.0 = batch;
            } else {
                heads.1 = batch[1].clone();
            }
        }
    }
    drop(server);
}
