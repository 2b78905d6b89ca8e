//! The whole thing: services as processes, each behind a proxy, an orchestrator, a client. One town for each test, in a
//! folder of its own.

mod look;
mod plan;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use amends_client::{Client, Start, Timeouts};
use amends_protocol::v1::{SagaStatus, SagaView, StartRequest};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    audit::journal::Reader,
    gather,
    process::{Process, Program},
    proxy::{Action, Injected, Proxy, Rule},
};

pub(crate) use self::plan::Move;
pub use self::{
    look::Effects,
    plan::{CUSTOMER, OPENING, Plan, SKU},
};

/// The longest that any saga of these tests needs to its end once faults are over.
const END_BOUND: Duration = Duration::from_secs(60);
/// How long one question is held by the server.
const LONG_POLL: Duration = Duration::from_secs(5);

/// One service of a town.
#[derive(Debug)]
pub struct Service {
    pub process: Process,
    pub proxy: Proxy,
    pub(crate) database: PathBuf,
}

/// Everything, running.
#[derive(Debug)]
pub struct Town {
    pub orchestrator: Process,
    pub services: BTreeMap<&'static str, Service>,
    pub(crate) plan: Plan,
    pub(crate) journal: Reader,
    program: Program,
    folder: TempDir,
}

impl Town {
    /// Starts it all, seeds accounts and shelves, registers the definition.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(plan: Plan) -> Result<Self> {
        let folder = TempDir::with_prefix("amends-town-")?;
        let database = folder.path().join("amends.db");
        let journal = Reader::new(&database);
        let mut services = BTreeMap::new();
        let mut config = String::new();
        for (name, binary) in &plan.services {
            let service = service(folder.path(), name, binary, &plan, &journal).await?;
            write!(
                config,
                "[services.{name}]\nurl = \"http://{}\"\ncontract = \"barrier\"\ntimeout = \"5s\"\nconcurrency = 64\n",
                service.proxy.address()
            )?;
            services.insert(*name, service);
        }
        let config_path = folder.path().join("amends.toml");
        fs::write(&config_path, config)?;
        let [config_path, database] = [config_path, database].map(|path| path.display().to_string());
        let arguments = ["serve", "--config", &config_path, "--database", &database].map(str::to_owned).to_vec();
        let program = Program { binary: "amends", arguments, log: folder.path().join("amends.log") };
        let orchestrator = Process::start(program.clone()).await?;
        let town = Self { orchestrator, services, plan, journal, program, folder };
        town.client()?.register(&town.plan.definition).await?;
        Ok(town)
    }

    /// Asks the orchestrator, on connections of its own.
    ///
    /// # Errors
    /// There is no TLS to be had.
    pub fn client(&self) -> Result<Client> {
        let timeouts = Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(30) };
        Ok(Client::with_timeouts(&format!("http://{}", self.orchestrator.address()), timeouts)?)
    }

    /// What the town's sagas are, as registered.
    pub fn definition(&self) -> &str {
        &self.plan.definition
    }

    /// The input of an order.
    pub fn order(quantity: i64, amount: i64) -> Value {
        json!({ "customer": CUSTOMER, "sku": SKU, "quantity": quantity, "amount": amount })
    }

    /// A start of the town's saga.
    pub fn start_of(&self, input: Value) -> Start {
        let request = StartRequest { definition: self.plan.saga().to_owned(), input, ..StartRequest::default() };
        Start { request, ..Start::default() }
    }

    /// Starts the town's saga.
    ///
    /// # Errors
    /// The orchestrator does not take it.
    pub async fn begin(&self, input: Value) -> Result<Uuid> {
        Ok(self.client()?.start(&self.start_of(input)).await?.saga.id)
    }

    /// The saga once it has ended.
    ///
    /// # Errors
    /// It does not end within the bound; with the saga as it stands.
    pub async fn ended(&self, saga: Uuid) -> Result<SagaView> {
        let client = self.client()?;
        let start = Instant::now();
        loop {
            let view = client.saga(saga, Some(LONG_POLL)).await?;
            if view.status.is_terminal() {
                return Ok(view);
            }
            if start.elapsed() > END_BOUND {
                bail!("saga {saga} has not ended within {END_BOUND:?}: {view:#?}");
            }
            // A saga with attention is answered at once, and it may still end by itself.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs one saga to its end, which must be this one.
    ///
    /// # Errors
    /// It ends otherwise, or not at all.
    pub async fn run(&self, input: Value, end: SagaStatus) -> Result<SagaView> {
        let view = self.ended(self.begin(input).await?).await?;
        if view.status != end {
            bail!("saga {} is {}, not {end}: {view:#?}", view.id, view.status);
        }
        Ok(view)
    }

    /// The service of this name in the catalogue.
    ///
    /// # Panics
    /// The town has none.
    pub fn service(&self, name: &str) -> &Service {
        self.services.get(name).expect("the plan names it")
    }

    /// As [`Town::service`], to kill it.
    ///
    /// # Panics
    /// The town has none.
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

    /// The service that a step calls.
    ///
    /// # Panics
    /// The definition has no such step.
    pub fn service_of(&self, step: &str) -> String {
        let shape = crate::audit::shape::Shape::read(&self.plan.definition, "").expect("a definition");
        shape.step(step).expect("the definition has this step").service.clone()
    }

    /// No more faults.
    pub fn heal(&self) {
        self.services.values().for_each(|service| service.proxy.heal());
    }

    /// Kills the orchestrator, lets the checker see what it left, and starts it again on the same file.
    ///
    /// # Errors
    /// The checker finds something, or it does not start.
    pub async fn crash(&mut self) -> Result<()> {
        self.orchestrator.kill().await?;
        self.check(false).await.context("what the orchestrator left when it was killed")?;
        self.orchestrator.restart().await
    }

    /// How a second orchestrator would be run: with the same file, and a log of its own.
    pub fn second_orchestrator(&self) -> Program {
        Program { log: self.folder.path().join("second.log"), ..self.program.clone() }
    }

    /// The checker, with everything at rest.
    ///
    /// # Errors
    /// The evidence cannot be read, or says that something must not be.
    pub async fn audit(&self) -> Result<()> {
        self.check(true).await
    }

    async fn check(&self, at_rest: bool) -> Result<()> {
        let evidence = gather::evidence(self, at_rest).await?;
        if at_rest && (evidence.sagas.is_empty() || evidence.ledgers.values().all(Vec::is_empty)) {
            bail!("there is no evidence: a check of nothing proves nothing");
        }
        let found = crate::audit::check(&evidence);
        if !found.is_empty() {
            let text: Vec<String> = found.iter().map(ToString::to_string).collect();
            bail!("{} violation(s):\n{}", found.len(), text.join("\n"));
        }
        Ok(())
    }
}

async fn service(folder: &Path, name: &str, binary: &'static str, plan: &Plan, journal: &Reader) -> Result<Service> {
    let database = folder.join(format!("{name}.db"));
    let mut arguments = vec!["--database".to_owned(), database.display().to_string()];
    if let Some((_, at)) = plan.abort.as_ref().filter(|(aborting, _)| *aborting == name) {
        arguments.extend(["--abort-after-commit".to_owned(), at.clone()]);
    }
    let program = Program { binary, arguments, log: folder.join(format!("{name}.log")) };
    let process = Process::start(program).await?;
    seed(binary, &format!("http://{}", process.address())).await.with_context(|| format!("seeding {name}"))?;
    let proxy = Proxy::start(name, process.address(), Some(journal.clone()))?;
    Ok(Service { process, proxy, database })
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
