//! Clients that hang up at random moments, again and again: while their request is on its way, while it is made durable, while it is
//! answered. `AMENDS_STORM_SECONDS` says for how long (three by itself).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use amends_tests::{
    cluster::Cluster,
    dice::{self, Dice},
    town::{Plan, Town},
};
use anyhow::{Context, Result};
use serde_json::json;
use sqlx::Connection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use uuid::Uuid;

/// At once.
const CLIENTS: usize = 16;
/// Each so many-th start is waited for: it says how long one takes on this machine at this moment.
const WAITED_FOR: usize = 4;
/// Of both: fewer are no storm.
const ENOUGH: usize = 30;
const SOON: Duration = Duration::from_secs(20);
/// A transaction of several statements has them one after the other; nobody thinks in between.
const IDLE: Duration = Duration::from_millis(500);

/// What came of the starts, by their keys.
#[derive(Default)]
struct Came {
    acknowledged: BTreeMap<String, Uuid>,
    /// The request had left as a whole, and nobody waited for the answer.
    abandoned: Vec<String>,
}

impl Came {
    fn are_enough(&self) -> bool {
        self.acknowledged.len() >= ENOUGH && self.abandoned.len() >= ENOUGH
    }
}

/// One request on a connection of its own, given up after so long. `None`: it was.
async fn asked(node: SocketAddr, request: &str, patience: Duration) -> Result<Option<String>> {
    let mut stream = TcpStream::connect(node).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    let read = tokio::time::timeout(patience, stream.read_to_string(&mut answer)).await;
    if read.is_err() {
        // As a process does that is killed.
        stream.set_zero_linger()?;
        return Ok(None);
    }
    read??;
    Ok(Some(answer))
}

fn start(key: &str) -> String {
    let body = json!({ "definition": "place-order", "input": Town::order(1, 100) }).to_string();
    let length = body.len();
    format!(
        "POST /v1/sagas HTTP/1.1\r\nhost: x\r\nconnection: close\r\nidempotency-key: {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// The id of the saga, of a 202 or of a 200.
fn acknowledged(answer: &str) -> Result<Uuid> {
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 20"), "only that a start is taken: {answer}");
    let saga: serde_json::Value = serde_json::from_str(body)?;
    Ok(saga["id"].as_str().context("an id")?.parse()?)
}

/// Starts sagas until it is over, and asks for lists and cancels of what may be there; each for as long as the dice say.
async fn client(
    number: usize,
    nodes: Vec<SocketAddr>,
    dice: Arc<Mutex<Dice>>,
    over: Instant,
    came: Arc<Mutex<Came>>,
) -> Result<()> {
    let below = |limit| dice.lock().expect("nobody panics under it").below(limit);
    let mut usual = Duration::ZERO;
    for turn in 0.. {
        if Instant::now() > over && came.lock().expect("nobody panics under it").are_enough()
            || Instant::now() > over + SOON
        {
            break;
        }
        let node = nodes[usize::try_from(below(nodes.len() as u64))?];
        let key = format!("storm-{number}-{turn}");
        // From at once to a little after the answer.
        let hurry = Duration::from_micros(below(u64::try_from(usual.as_micros())? * 3 / 2 + 1));
        let began = Instant::now();
        let answer = asked(node, &start(&key), if turn % WAITED_FOR == 0 { SOON } else { hurry }).await?;
        if answer.is_some() {
            usual = began.elapsed();
        }
        let known = {
            let mut came = came.lock().expect("nobody panics under it");
            match answer {
                Some(answer) => drop(came.acknowledged.insert(key, acknowledged(&answer)?)),
                None => came.abandoned.push(key),
            }
            came.acknowledged.values().next_back().copied()
        };
        // These are read and written elsewhere: by a reader, and by who posts a note.
        let list = "GET /v1/sagas?limit=50 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned();
        let cancel = known.map(|saga| {
            format!(
                "POST /v1/sagas/{saga}/cancel HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
        });
        for request in [Some(list), cancel].into_iter().flatten() {
            let hurry = Duration::from_micros(below(u64::try_from(usual.as_micros())? + 1));
            asked(node, &request, hurry).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_clients_that_hang_up_leaves_no_transaction_open_and_loses_nothing_acknowledged() -> Result<()> {
    let storm = Duration::from_secs(dice::number("AMENDS_STORM_SECONDS", 3));
    let dice = Arc::new(Mutex::new(Dice::asked()));
    let cluster = Cluster::start(Plan::orders().patient(), "").await?;
    let nodes: Vec<SocketAddr> = cluster.nodes.iter().map(amends_tests::process::Process::address).collect();
    let (came, over) = (Arc::new(Mutex::new(Came::default())), Instant::now() + storm);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(number, nodes.clone(), dice.clone(), over, came.clone()));
    }
    let mut looks = 0;
    while !clients.is_empty() {
        assert_eq!(cluster.idle_in_transaction(IDLE).await?, [], "during the storm");
        looks += 1;
        while let Some(client) = clients.try_join_next() {
            client??;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let came = std::mem::take(&mut *came.lock().expect("nobody panics under it"));
    assert!(
        came.are_enough() && looks >= 10,
        "it was a storm: {} and {}",
        came.acknowledged.len(),
        came.abandoned.len()
    );
    let Came { acknowledged, abandoned } = came;

    // Each key again, with patience: what was acknowledged is that saga, and what was abandoned is one, too.
    let caller = cluster.caller()?;
    let mut made = 0;
    for (number, key) in acknowledged.keys().chain(&abandoned).enumerate() {
        let begun = caller.start(number, key, Town::order(1, 100)).await?;
        made += usize::from(begun.replayed && !acknowledged.contains_key(key));
        assert!(acknowledged.get(key).is_none_or(|saga| *saga == begun.saga), "{key} is another saga now");
    }
    eprintln!(
        "{} acknowledged, {} abandoned, of which {made} were made; {looks} looks",
        acknowledged.len(),
        abandoned.len()
    );
    assert!(made > 0, "some hung up when their start was, or was being, made durable");
    cluster.at_rest().await?;
    assert_eq!(cluster.sagas().await?.len(), acknowledged.len() + abandoned.len(), "one saga for each key");
    assert_eq!(cluster.idle_in_transaction(Duration::ZERO).await?, [], "at rest");
    assert_an_open_transaction_is_noticed(&cluster).await
}

async fn assert_an_open_transaction_is_noticed(cluster: &Cluster) -> Result<()> {
    let mut session = cluster.session().await?;
    sqlx::query("-- begins\nbegin").execute(&mut session).await?;
    let found = cluster.idle_in_transaction(Duration::ZERO).await?;
    assert_eq!(found.len(), 1, "{found:?}");
    session.close().await?;
    Ok(())
}
