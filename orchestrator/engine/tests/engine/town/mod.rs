//! A small town for tests of the engine: simulated services, a clock that moves by hand, a store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use amends_core::{
    Answer, Reply,
    event::{Event, Recorded},
    ids::{SagaId, ServiceName},
    summary::Status,
    time::Time,
};
use amends_engine::{
    Catalogue, Clock, Engine, Forgotten, LeaseTerms, Limits, Participant, Request, Retention, Setup, Start, Watched,
};
use amends_protocol::participant::CallbackToken;
use amends_store::{Head, Store, memory::MemoryStore};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Longest wait for something that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// What a service does with one call.
#[derive(Clone)]
pub(crate) enum Does {
    Answers(u16, Value),
    /// As `Answers`, and tells when it may.
    Holds(u16, Value),
    Loses,
    Refuses,
    Panics,
    SaysStaleEpoch,
}

/// All services of the town behind one door. Checks for every call that its intent is durable (invariant 4).
pub(crate) struct Services {
    store: Arc<dyn Store>,
    script: Mutex<BTreeMap<String, Does>>,
    calls: Mutex<Vec<String>>,
    /// Calls that arrived before their intent was durable. [`Town::ended`] expects none.
    not_intended: Mutex<Vec<String>>,
    /// With which tokens calls came, as `<step> <op> <attempt>` or `<step>[<index>] …`.
    tokens: Mutex<BTreeMap<String, CallbackToken>>,
    changed: Notify,
    open: watch::Sender<bool>,
    /// What was named as ended, as `<service> <saga>`.
    forgotten: Mutex<Vec<String>>,
    /// This service cannot be told at the moment.
    deaf: Mutex<Option<String>>,
}

impl Services {
    pub(crate) fn new(store: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            script: Mutex::default(),
            calls: Mutex::default(),
            not_intended: Mutex::default(),
            tokens: Mutex::default(),
            changed: Notify::new(),
            open: watch::channel(false).0,
            forgotten: Mutex::default(),
            deaf: Mutex::default(),
        })
    }

    /// `what` is `<step> <op> <attempt>`, or `<step> <op>` for every attempt.
    pub(crate) fn when(&self, what: &str, does: Does) {
        self.script.lock().expect("whole").insert(what.to_owned(), does);
    }

    pub(crate) fn forgotten(&self) -> Vec<String> {
        self.forgotten.lock().expect("whole").clone()
    }

    pub(crate) fn deafen(&self, service: Option<&str>) {
        *self.deaf.lock().expect("whole") = service.map(str::to_owned);
    }

    /// Lets go of everything that is held, now and later.
    pub(crate) fn let_go(&self) {
        self.open.send_replace(true);
    }

    /// Calls so far, in order of arrival: `<step> <op> <attempt> @<epoch>`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("whole").clone()
    }

    /// The token that a call came with; `what` is `<step> <op> <attempt>`, with `[<index>]` behind the step for an item.
    pub(crate) fn token(&self, what: &str) -> Option<CallbackToken> {
        self.tokens.lock().expect("whole").get(what).cloned()
    }

    /// Calls that arrived before their intent was durable (against invariant 4).
    pub(crate) fn not_intended(&self) -> Vec<String> {
        self.not_intended.lock().expect("whole").clone()
    }

    /// Waits until a call has arrived.
    pub(crate) async fn called(&self, what: &str) {
        let arrived = async {
            loop {
                let changed = self.changed.notified();
                if self.calls().iter().any(|call| call == what) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(SOON, arrived)
            .await
            .unwrap_or_else(|_| panic!("no call {what:?}, only {:?}", self.calls()));
    }
}

#[async_trait]
impl Participant for Services {
    async fn call(&self, request: Request) -> Reply {
        let headers = request.headers;
        let (step, op, attempt) = (&headers.step, headers.op.as_str(), headers.attempt);
        let saga = SagaId(headers.saga);
        let journal = self.store.journal(saga, 1..u64::MAX, 1_000).await.expect("readable");
        let intended = journal.iter().any(|row| match &row.event {
            // A probe has no effect, and so no intent; but that it is to be asked is known.
            Event::ProbeIntended { call, attempt: asked, .. } => {
                call.step.as_str() == step && op == "probe" && *asked == attempt
            }
            Event::CallIntended { call, attempt: intended, .. } => {
                call.step.as_str() == step && call.op.as_str() == op && *intended == attempt
            }
            _ => false,
        });
        if !intended {
            self.not_intended.lock().expect("whole").push(format!("{step} {op} {attempt}"));
        }
        if let Some(token) = headers.callback.clone() {
            let index = headers.index.map_or_else(String::new, |index| format!("[{index}]"));
            self.tokens.lock().expect("whole").insert(format!("{step}{index} {op} {attempt}"), token);
        }
        self.calls.lock().expect("whole").push(format!("{step} {op} {attempt} @{}", headers.epoch));
        self.changed.notify_waiters();
        let does = {
            let script = self.script.lock().expect("whole");
            let exact = script.get(&format!("{step} {op} {attempt}"));
            exact.or_else(|| script.get(&format!("{step} {op}"))).cloned()
        };
        let answer = |status: u16, body: &Value| {
            Reply::Answered(Answer { status, acked: true, body: body.to_string().into_bytes(), ..Answer::default() })
        };
        match does.unwrap_or(Does::Answers(200, json!({}))) {
            Does::Answers(status, body) => answer(status, &body),
            Does::Holds(status, body) => {
                let mut open = self.open.subscribe();
                open.wait_for(|open| *open).await.expect("the town stands");
                answer(status, &body)
            }
            Does::Loses => Reply::Lost { reason: "lost".to_owned() },
            Does::Refuses => Reply::NotSent { reason: "refused".to_owned() },
            Does::Panics => panic!("a participant that panics on purpose"),
            Does::SaysStaleEpoch => Reply::Answered(Answer {
                status: 409,
                refused: Some(amends_core::RefusedThere::StaleEpoch),
                ..Answer::default()
            }),
        }
    }

    async fn forget(&self, service: &ServiceName, sagas: &[Uuid]) -> Forgotten {
        if self.deaf.lock().expect("whole").as_deref() == Some(service.as_str()) {
            return Forgotten::NotTold { reason: "it is deaf".to_owned() };
        }
        let told = sagas.iter().map(|saga| format!("{service} {saga}"));
        self.forgotten.lock().expect("whole").extend(told);
        Forgotten::Told
    }
}

/// Time that stands still until it is moved.
pub(crate) struct HandClock {
    now: AtomicI64,
    moved: watch::Sender<i64>,
    broken: AtomicBool,
}

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        let start = 1_795_539_661_000_000;
        Arc::new(Self { now: AtomicI64::new(start), moved: watch::channel(start).0, broken: AtomicBool::new(false) })
    }

    /// The next to ask for the time panics.
    pub(crate) fn break_once(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Whether that has happened.
    pub(crate) fn broke(&self) -> bool {
        !self.broken.load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).expect("short");
        let now = self.now.fetch_add(micros, Ordering::SeqCst) + micros;
        self.moved.send_replace(now);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Time {
        assert!(!self.broken.swap(false, Ordering::SeqCst), "a clock that breaks on purpose");
        Time(self.now.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, until: Time) {
        let mut moved = self.moved.subscribe();
        moved.wait_for(|now| *now >= until.0).await.expect("the clock stands");
    }
}

/// One engine in its town.
pub(crate) struct Town {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) services: Arc<Services>,
    pub(crate) clock: Arc<HandClock>,
}

pub(crate) fn catalogue(concurrency: u32) -> Catalogue {
    let service = json!({ "url": "http://127.0.0.1:1", "contract": "barrier", "concurrency": concurrency });
    let plain = json!({ "url": "http://127.0.0.1:1", "timeout": "5s" });
    serde_json::from_value(json!({ "a": service, "b": service, "c": service, "plain": plain })).expect("a catalogue")
}

impl Town {
    pub(crate) async fn new(store: Arc<dyn Store>, concurrency: u32, max_live_sagas: usize) -> Self {
        let services = Services::new(&store);
        Self::with(store, services, HandClock::new(), concurrency, max_live_sagas).await
    }

    pub(crate) async fn with(
        store: Arc<dyn Store>,
        services: Arc<Services>,
        clock: Arc<HandClock>,
        concurrency: u32,
        max_live_sagas: usize,
    ) -> Self {
        let limits = Limits { max_live_sagas, ..Limits::default() };
        Self::open(store, services, clock, |setup| Setup { catalogue: catalogue(concurrency), limits, ..setup }).await
    }

    /// One more process on the same store, with the same services.
    pub(crate) async fn beside(&self) -> Self {
        Self::open(self.store.clone(), self.services.clone(), self.clock.clone(), |setup| setup).await
    }

    pub(crate) async fn open(
        store: Arc<dyn Store>,
        services: Arc<Services>,
        clock: Arc<HandClock>,
        but: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let setup = Setup { clock: clock.clone(), ..setup(&store, &services) };
        let engine = Engine::open(but(setup)).await.expect("opens");
        Self { engine, store, services, clock }
    }

    pub(crate) async fn register(&self, source: &str) {
        self.engine.register(source).await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    pub(crate) async fn start(&self, name: &str) -> SagaId {
        self.engine.start(start(name)).await.expect("starts").saga
    }

    /// Waits until the saga has ended.
    pub(crate) async fn ended(&self, saga: SagaId) -> Status {
        let status = self.until(saga, |head| head.summary.status.is_terminal()).await.summary.status;
        assert_eq!(self.services.not_intended(), Vec::<String>::new(), "write first, then act");
        status
    }

    /// Waits until the row of the saga is as wanted.
    pub(crate) async fn until(&self, saga: SagaId, wanted: impl Fn(&Head) -> bool) -> Head {
        let looking = async {
            loop {
                let head = self.store.head(saga).await.expect("readable").expect("there");
                if wanted(&head) {
                    return head;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(SOON, looking).await {
            Ok(head) => head,
            Err(_) => panic!("not in time; the journal: {:#?}", self.journal(saga).await),
        }
    }

    /// Waits until nothing is driven any more: every answer of the store has been heard.
    pub(crate) async fn at_rest(&self) {
        let resting = async {
            while self.engine.load().live > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SOON, resting).await.expect("every driver lets go");
    }

    pub(crate) async fn journal(&self, saga: SagaId) -> Vec<Recorded> {
        self.store.journal(saga, 1..u64::MAX, 1_000).await.expect("readable")
    }

    /// The kinds of a journal's events.
    pub(crate) async fn kinds(&self, saga: SagaId) -> Vec<String> {
        let kind =
            |row: &Recorded| serde_json::to_value(&row.event).expect("json")["kind"].as_str().expect("kind").to_owned();
        self.journal(saga).await.iter().map(kind).collect()
    }
}

/// What a process in a town is like, if nothing else is said.
pub(crate) fn setup(store: &Arc<dyn Store>, services: &Arc<Services>) -> Setup {
    Setup {
        store: store.clone(),
        participant: services.clone(),
        clock: HandClock::new(),
        catalogue: catalogue(8),
        limits: Limits::default(),
        name: "town".into(),
        lease: LeaseTerms { renew_every: Duration::from_millis(10), ..LeaseTerms::default() },
        retention: Retention { look_every: Duration::from_millis(100), ..Retention::default() },
        faults: None,
    }
}

pub(crate) fn start(name: &str) -> Start {
    Start {
        name: name.to_owned(),
        version: None,
        input: json!({}),
        labels: Map::new(),
        key: None,
        traceparent: None,
        watched: Watched::No,
    }
}

/// A store that ends with its test.
pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// Three steps in a row, each with its compensation.
pub(crate) const THREE: &str = "
saga: three
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two: { call: b POST /two, compensate: { call: b DELETE /two } }
  three: { call: c POST /three, compensate: { call: c DELETE /three } }
";
