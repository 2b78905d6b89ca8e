//! Everything but the orchestrators: services as processes, each behind its proxy, and who reads what is written down.
//!
//! **What it must never know:** how many orchestrators there are.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::Path, time::Duration};

use amends_client::{Client, Start};
use amends_protocol::v1::StartRequest;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::{CUSTOMER, OPENING, Plan, SKU};
use crate::{
    audit::{reader::Reader, shape::Shape},
    books::Books,
    gather,
    process::{Process, Program},
    proxy::{Action, Injected, Proxy, Rule, Traps},
};

/// One service.
#[derive(Debug)]
pub struct Service {
    pub process: Process,
    pub proxy: Proxy,
    /// Its other processes, on the same store.
    pub replicas: Vec<Replica>,
    pub(crate) books: Books,
}

/// One more process of a service.
#[derive(Debug)]
pub struct Replica {
    pub process: Process,
    pub proxy: Proxy,
}

impl Service {
    /// In front of its processes.
    pub fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        std::iter::once(&self.proxy).chain(self.replicas.iter().map(|replica| &replica.proxy))
    }
}

/// Services and readers of one test, in one folder.
#[derive(Debug)]
pub struct Scene {
    pub services: BTreeMap<&'static str, Service>,
    pub(crate) plan: Plan,
    pub(crate) journal: Reader,
    folder: TempDir,
}

impl Scene {
    /// Starts the services and seeds accounts and shelves. Who calls back does so at `orchestrator`.
    ///
    /// # Errors
    /// Something does not start.
    pub(crate) async fn start(plan: Plan, folder: TempDir, journal: Reader, orchestrator: SocketAddr) -> Result<Self> {
        let mut services = BTreeMap::new();
        for (name, binary) in &plan.services {
            services.insert(*name, service(folder.path(), name, binary, &plan, &journal, orchestrator).await?);
        }
        Ok(Self { services, plan, journal, folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The services as a configuration names them.
    pub(crate) fn catalogue(&self) -> String {
        let mut config = String::new();
        for (name, service) in &self.services {
            let addresses: Vec<String> = service.proxies().map(|proxy| format!("http://{}", proxy.address())).collect();
            let concurrency = self.plan.concurrency;
            write!(
                config,
                "[services.{name}]\nurl = {addresses:?}\ncontract = \"barrier\"\ntimeout = \"5s\"\nconcurrency = \
                 {concurrency}\n"
            )
            .expect("a text can be written to");
        }
        config
    }

    /// Everything that stands before a service's process.
    fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.services.values().flat_map(Service::proxies)
    }

    /// What the sagas are, as registered.
    pub fn definition(&self) -> &str {
        &self.plan.definition
    }

    /// A start of the plan's saga.
    pub fn start_of(&self, input: Value) -> Start {
        let request = StartRequest { definition: self.plan.saga().to_owned(), input, ..StartRequest::default() };
        Start { request, ..Start::default() }
    }

    /// The service of this name in the catalogue.
    ///
    /// # Panics
    /// There is none.
    pub fn service(&self, name: &str) -> &Service {
        self.services.get(name).expect("the plan names it")
    }

    /// As [`Scene::service`], to kill it.
    ///
    /// # Panics
    /// There is none.
    pub fn service_mut(&mut self, name: &str) -> &mut Service {
        self.services.get_mut(name).expect("the plan names it")
    }

    /// A fault for all requests of this step's action.
    ///
    /// # Panics
    /// The definition has no such step.
    pub fn inject(&self, step: &str, action: Action) -> Injected {
        self.inject_rule(step, Rule::action_of(step, action))
    }

    /// A fault at the service of this step.
    ///
    /// # Panics
    /// The definition has no such step.
    pub fn inject_rule(&self, step: &str, rule: Rule) -> Injected {
        self.service(&self.service_of(step)).proxy.inject(rule)
    }

    /// Every fault of the wire, each now and then, at every service.
    pub fn inject_a_bit_of_everything(&self, seed: u64) -> Vec<Injected> {
        let faults = [
            (0.03, Action::CutBeforeRequest),
            (0.02, Action::CutWithinRequest(150)),
            (0.05, Action::CutAfterRequest),
            (0.02, Action::CutWithinResponse(70)),
            (0.03, Action::Status(503, String::new())),
            (0.03, Action::StatusInstead(502, String::new())),
            (0.05, Action::Duplicate { copies: 2, at_once: true }),
            (0.05, Action::ReplayLate { after: Duration::from_millis(400), lost: false }),
            (0.03, Action::ReplayLate { after: Duration::from_millis(400), lost: true }),
            (0.05, Action::Delay(Duration::from_millis(100))),
        ];
        let rules =
            self.proxies().flat_map(|proxy| faults.iter().zip(0..).map(move |(fault, number)| (proxy, fault, number)));
        rules
            .map(|(proxy, (share, action), number)| {
                proxy.inject(Rule::every(action.clone()).chance(*share, seed.wrapping_add(number)))
            })
            .collect()
    }

    /// The service that a step calls.
    ///
    /// # Panics
    /// The definition has no such step.
    pub fn service_of(&self, step: &str) -> String {
        let family = std::iter::once(&self.plan.definition).chain(&self.plan.children);
        let shapes = family.map(|definition| Shape::read(definition, "").expect("a definition"));
        let found = shapes.into_iter().find_map(|shape| shape.step(step).map(|step| step.service.clone()));
        found.expect("a definition has this step")
    }

    /// Registers the plan's definitions.
    pub(crate) async fn register(&self, client: &Client) -> Result<()> {
        for definition in self.plan.children.iter().chain([&self.plan.definition]) {
            client.register(definition).await?;
        }
        Ok(())
    }

    /// From now on requests are counted and held at their moments, at all services together.
    pub fn trap(&self, traps: &Traps) {
        self.proxies().for_each(|proxy| proxy.trap(traps.clone()));
    }

    /// Requests of this saga that came by so far; those of probes are not among them.
    pub fn requests_of(&self, saga: Uuid) -> usize {
        let logs = self.proxies().map(Proxy::log);
        logs.map(|log| log.iter().filter(|request| request.call.saga == saga).count()).sum()
    }

    /// What orchestrators left when all of them were killed.
    ///
    /// # Errors
    /// The evidence cannot be read, or says that something must not be.
    pub async fn audit_what_is_left(&self) -> Result<()> {
        self.check(false).await
    }

    /// No more faults.
    pub fn heal(&self) {
        self.proxies().for_each(Proxy::heal);
    }

    /// No request is on its way to a participant any more, also no late copy.
    pub fn wire_is_quiet(&self) -> bool {
        self.proxies().all(|proxy| proxy.under_way() + proxy.late() == 0)
    }

    /// The checker, with everything at rest.
    ///
    /// # Errors
    /// The evidence cannot be read, or says that something must not be.
    pub async fn audit(&self) -> Result<()> {
        self.check(true).await
    }

    pub(crate) async fn check(&self, at_rest: bool) -> Result<()> {
        let evidence = gather::evidence(self, at_rest).await?;
        if at_rest && (evidence.sagas.is_empty() || evidence.ledgers.values().all(Vec::is_empty)) {
            bail!("there is no evidence: a check of nothing proves nothing");
        }
        let blind = evidence.wire.iter().filter(|request| request.intent_seen.is_none()).count();
        if blind * 4 > evidence.wire.len() {
            bail!("of {} requests nobody looked for the intents of {blind}", evidence.wire.len());
        }
        let found = crate::audit::check(&evidence);
        if !found.is_empty() {
            let text: Vec<String> = found.iter().map(ToString::to_string).collect();
            bail!("{} violation(s):\n{}", found.len(), text.join("\n"));
        }
        Ok(())
    }
}

async fn service(
    folder: &Path,
    name: &str,
    binary: &'static str,
    plan: &Plan,
    journal: &Reader,
    orchestrator: SocketAddr,
) -> Result<Service> {
    let file = || folder.join(format!("{name}.db")).display().to_string();
    let database = plan.stores.get(name).cloned().unwrap_or_else(file);
    let mut arguments = vec!["--database".to_owned(), database.clone()];
    if let Some((_, at)) = plan.abort.as_ref().filter(|(aborting, _)| *aborting == name) {
        arguments.extend(["--abort-after-commit".to_owned(), at.clone()]);
    }
    if let Some(after) = plan.books_after.as_ref().filter(|_| name == "shipping") {
        let more = ["--orchestrator", &format!("http://{orchestrator}"), "--book-after", after].map(str::to_owned);
        arguments.extend(more);
    }
    if binary == "amends-anything" {
        arguments.extend(["--orchestrator".to_owned(), format!("http://{orchestrator}")]);
        let plans = [("--replies", &plan.replies), ("--later", &plan.later)];
        arguments.extend(plans.into_iter().filter_map(|(flag, plan)| Some([flag.to_owned(), plan.clone()?])).flatten());
    }
    let log = folder.join(format!("{name}.log"));
    let environment = Vec::new();
    let program = Program { binary, arguments, log, log_filter: plan.log_filter(), environment };
    let process = Process::start(program.clone()).await?;
    let mut replicas = Vec::new();
    for number in 1..plan.replicas_of(name) {
        let log = folder.join(format!("{name}-{number}.log"));
        let process = Process::start(Program { log, ..program.clone() }).await?;
        let proxy = Proxy::start(name, process.address(), Some(journal.clone()))?;
        replicas.push(Replica { process, proxy });
    }
    seed(binary, &format!("http://{}", process.address())).await.with_context(|| format!("seeding {name}"))?;
    let proxy = Proxy::start(name, process.address(), Some(journal.clone()))?;
    Ok(Service { process, proxy, replicas, books: Books::at(&database) })
}

/// By the services' own routes, which belong to no saga.
async fn seed(binary: &str, base: &str) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let (path, body) = match binary {
        "amends-payments" => (format!("accounts/{CUSTOMER}"), json!({ "balance": OPENING })),
        "amends-inventory" => (format!("stock/{SKU}"), json!({ "quantity": OPENING })),
        _ => return Ok(()),
    };
    http.put(format!("{base}/{path}")).json(&body).send().await?.error_for_status()?;
    Ok(())
}
