//! One seed from its first node to the judgement: one thread, virtual time, the real engine behind simulated doors.

use std::{fmt, sync::Arc, time::Duration};

use amends_core::{Signal, event::Recorded, ids::SagaId};
use amends_engine::{
    CancelError, Cancelled, Catalogue, Engine, LeaseTerms, Limits, Retention, Setup, SignalError, Start, StartError,
    Watched,
};
use amends_store::{Head, NewDefinition, Secret, Store as _};
use serde_json::{Map, json};
use tokio::time::timeout;

use crate::{
    database::Database,
    judge::judge,
    network::{Network, PATIENCE},
    node::{Life, Node},
    plan::{Plan, Wanted},
    sagas::{BARRIERS, PLAIN, definition, input, script},
    services::Entry,
    world::{Rule, START, Sent, Told, World},
};

/// A node that nobody hears of loses its sagas after so long.
const LEASE: LeaseTerms = LeaseTerms {
    lease: Duration::from_millis(1_500),
    renew_every: Duration::from_millis(400),
    margin: Duration::from_millis(200),
};
/// After it has cleared: lease, largest backoff, and the nets below everything else. Behind the threshold of attention a call
/// waits for a minute.
const ENDS_WITHIN: Duration = Duration::from_secs(150);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a run left.
pub(crate) struct Run {
    pub(crate) wire: Vec<Sent>,
    pub(crate) told: Vec<Told>,
    pub(crate) books: Vec<Entry>,
    pub(crate) counts: std::collections::BTreeMap<&'static str, u64>,
    pub(crate) sagas: Vec<(Head, Vec<Recorded>)>,
    /// Seen as it happened.
    pub(crate) wrongs: Vec<String>,
    /// Each with what is wrong.
    pub(crate) verdict: Vec<String>,
}

/// The same seed is the same run, to the last byte of this.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (head, journal) in &self.sagas {
            writeln!(f, "{} {} {:?}", head.saga, head.name, head.summary)?;
            for Recorded { seq, epoch, at, event } in journal {
                let at = at.since(START);
                writeln!(f, "  {seq:>3} @{epoch} {at:>12?} {}", serde_json::to_string(event).expect("JSON"))?;
            }
        }
        for Sent { at_us, slot, saga, unit, op, attempt, epoch, .. } in &self.wire {
            writeln!(f, "{:>9} ms node {slot} {saga} {unit} {op} {attempt} @{epoch}", at_us / 1_000)?;
        }
        for Entry { service, saga, unit, did, epoch, attempt } in &self.books {
            writeln!(f, "{service} {saga} {unit} {did:?} {attempt} @{epoch}")?;
        }
        for told in &self.told {
            writeln!(f, "{told:?}")?;
        }
        writeln!(f, "{:?}", self.counts)
    }
}

/// Runs a seed; with a rule switched off, if one is given.
pub(crate) fn run(seed: u64, off: Option<Rule>) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(simulated(seed, off))
}

async fn simulated(seed: u64, off: Option<Rule>) -> Run {
    let plan = Plan::of(seed);
    let world = World::new(seed, &plan, off);
    let never = "the memory store cannot fail";
    world.store.shared_key("callbacks", Secret([7; 32]), START).await.expect(never);
    register(&world, &plan).await;
    world.set_clear(false);
    let nodes: Vec<_> = (0..plan.nodes).map(|slot| tokio::spawn(keep(world.clone(), slot))).collect();
    let began = tokio::time::Instant::now();
    let clients: Vec<_> =
        plan.sagas.into_iter().enumerate().flat_map(|(nth, wanted)| clients(&world, nth, wanted)).collect();
    tokio::time::sleep_until(began + plan.clears_after).await;
    world.set_clear(true);
    let ended = timeout(ENDS_WITHIN, async {
        for client in clients {
            client.await.expect("a client does not panic");
        }
        while !at_rest(&world).await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    if ended.await.is_err() {
        let left = what_is_left(&world).await;
        world.wrong(format!("it does not come to its end although the weather is clear: {left}"));
    }
    nodes.iter().for_each(tokio::task::JoinHandle::abort);
    let mut run = gather(&world).await;
    run.verdict = judge(&run);
    run
}

async fn register(world: &World, plan: &Plan) {
    for script in plan.sagas.iter().map(|wanted| script(wanted.name)) {
        for name in script.children.iter().chain([&script.name]) {
            let definition = definition(name);
            let new = NewDefinition {
                name: definition.name.clone(),
                version: None,
                digest: definition.digest.clone(),
                source: definition.source.clone(),
                at: START,
            };
            world.store.put_definition(new).await.expect("the memory store cannot fail");
        }
    }
}

fn catalogue() -> Catalogue {
    let service = |contract| json!({ "url": "http://127.0.0.1:1", "contract": contract, "timeout": "300ms" });
    let all: Map<_, _> = BARRIERS
        .iter()
        .map(|name| ((*name).to_owned(), service("barrier")))
        .chain([(PLAIN.to_owned(), service("plain"))])
        .collect();
    serde_json::from_value(all.into()).expect("a catalogue")
}

fn setup(node: &Arc<Node>) -> Setup {
    Setup {
        store: Arc::new(Database(node.clone())),
        participant: Arc::new(Network(node.clone())),
        clock: node.clone(),
        catalogue: catalogue(),
        limits: Limits { max_live_sagas: 64, release_after: Duration::from_millis(300) },
        name: format!("node {}", node.slot).into(),
        lease: LEASE,
        retention: Retention { look_every: Duration::from_secs(5), ..Retention::default() },
        faults: None,
    }
}

/// A place in which a node runs, and after its end the next.
async fn keep(world: Arc<World>, slot: usize) {
    for life in 1.. {
        let node = Node::new(world.clone(), slot, life);
        let opened = async {
            loop {
                match Engine::open(setup(&node)).await {
                    Ok(engine) => return engine,
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        let engine = tokio::select! {
            biased;
            () = node.dead() => None,
            engine = opened => Some(engine),
        };
        if let Some(engine) = engine {
            world.put(slot, Some(engine.clone()));
            if node.over().await == Life::Stops {
                tokio::select! {
                    biased;
                    () = node.dead() => {}
                    () = engine.shutdown(Duration::from_secs(1)) => {}
                }
            }
            world.put(slot, None);
        }
        // What is left of it reaches nobody.
        node.die();
        world.wait(20, 3_000).await;
    }
}

/// Whoever wants this saga, cancels it, signals it.
fn clients(world: &Arc<World>, nth: usize, wanted: Wanted) -> Vec<tokio::task::JoinHandle<()>> {
    let key = format!("{}-{nth}", world.seed);
    let saga = SagaId::derived(wanted.name, &key);
    let mut clients = Vec::new();
    for _ in 0..=usize::from(wanted.twice) {
        let start = Start {
            name: wanted.name.to_owned(),
            version: None,
            input: input(wanted.name, wanted.chance),
            labels: Map::new(),
            key: Some(key.clone()),
            traceparent: None,
            watched: Watched::No,
        };
        clients.push(tokio::spawn(starts(world.clone(), saga, start, wanted.after_ms)));
    }
    if let Some(after) = wanted.cancelled_after_ms {
        clients.push(tokio::spawn(cancels(world.clone(), saga, wanted.after_ms + after)));
    }
    if let Some(after) = wanted.signalled_after_ms {
        clients.push(tokio::spawn(signals(world.clone(), saga, wanted.after_ms + after)));
    }
    clients
}

async fn starts(world: Arc<World>, saga: SagaId, start: Start, after_ms: u64) {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    for turn in world.dice.next().. {
        if let Some(engine) = world.engine(turn) {
            match timeout(PATIENCE, engine.start(start.clone())).await {
                Ok(Ok(started)) => {
                    if started.saga != saga {
                        world.wrong(format!("the key of {saga} started {}", started.saga));
                    }
                    let (name, key) = (start.name, start.key.expect("it has one"));
                    return world.seen().told.push(Told::Started { saga, name, key });
                }
                Ok(Err(StartError::Store(_) | StartError::Overloaded { .. } | StartError::ShuttingDown)) | Err(_) => {}
                Ok(Err(other)) => return world.wrong(format!("{saga} is not started: {other}")),
            }
        }
        world.wait(30, 200).await;
    }
}

async fn cancels(world: Arc<World>, saga: SagaId, after_ms: u64) {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    for turn in world.dice.next().. {
        if let Some(engine) = world.engine(turn) {
            match timeout(PATIENCE, engine.cancel(saga, None)).await {
                Ok(Ok(cancelled)) => {
                    let undoing = cancelled == Cancelled::Undoing;
                    return world.seen().told.push(Told::Cancelled { saga, undoing });
                }
                Ok(Err(CancelError::TooLate { .. })) => return,
                // Not there yet.
                Ok(Err(CancelError::UnknownSaga | CancelError::Store(_))) | Err(_) => {}
            }
        }
        world.wait(30, 200).await;
    }
}

async fn signals(world: Arc<World>, saga: SagaId, after_ms: u64) {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    let signal = Signal { name: "go".into(), key: Some("once".into()), payload: Arc::new(json!({ "by": "ada" })) };
    for turn in world.dice.next().. {
        if let Some(engine) = world.engine(turn) {
            match timeout(PATIENCE, engine.signal(saga, signal.clone())).await {
                Ok(Ok(())) => return world.seen().told.push(Told::Signalled { saga }),
                Ok(Err(SignalError::TooLate { .. } | SignalError::Ended)) => return,
                Ok(Err(SignalError::UnknownSaga | SignalError::Store(_))) | Err(_) => {}
                Ok(Err(other)) => return world.wrong(format!("{saga} is not signalled: {other}")),
            }
        }
        world.wait(30, 200).await;
    }
}

/// Every saga has ended, every note has its verdict, nothing is under way.
async fn at_rest(world: &World) -> bool {
    let heads = world.store.scan(None, u32::MAX).await.expect("readable");
    let ended = heads.iter().all(|(_, head)| head.as_ref().expect("readable").summary.status.is_terminal());
    ended
        && world.nothing_in_the_air()
        && world.store.notes(uuid::Uuid::nil(), u32::MAX).await.expect("readable").is_empty()
}

/// For whoever looks for the reason: who is there, who owns what, and what nobody has answered.
async fn what_is_left(world: &World) -> String {
    let never = "readable";
    let heads = world.store.scan(None, u32::MAX).await.expect(never).into_iter().map(|(_, head)| head.expect(never));
    let owned: Vec<String> = heads
        .filter(|head| !head.summary.status.is_terminal())
        .map(|head| format!("{} @{} of {:?}", head.saga, head.epoch, head.owner))
        .collect();
    let nodes: Vec<_> = world.store.nodes().await.expect(never).into_iter().map(|node| node.id).collect();
    let notes = world.store.notes(uuid::Uuid::nil(), u32::MAX).await.expect(never);
    let notes: Vec<_> = notes.iter().map(|noted| (noted.note.saga, &noted.note.body)).collect();
    let places: Vec<_> =
        (0..3).filter_map(|place| world.engine(place)).map(|engine| (engine.identity(), engine.load())).collect();
    let air = world.nothing_in_the_air();
    format!("sagas {owned:?}; nodes {nodes:?}; engines {places:?}; notes {notes:?}; nothing in the air: {air}")
}

async fn gather(world: &World) -> Run {
    let mut sagas = Vec::new();
    for (saga, head) in world.store.scan(None, u32::MAX).await.expect("readable") {
        sagas
            .push((head.expect("readable"), world.store.journal(saga, 1..u64::MAX, u32::MAX).await.expect("readable")));
    }
    let seen = std::mem::take(&mut *world.seen());
    Run {
        wire: seen.wire,
        told: seen.told,
        books: seen.services.books,
        counts: seen.counts,
        sagas,
        wrongs: seen.wrongs,
        verdict: Vec::new(),
    }
}
