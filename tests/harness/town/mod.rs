//! The whole thing: services as processes, each behind a proxy, an orchestrator, a client. One town for each test, in a
//! folder of its own.

mod look;
mod plan;
mod scene;

use std::{
    fs,
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

use amends_client::{Client, Timeouts};
use amends_protocol::v1::{SagaStatus, SagaView};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    audit::reader::Reader,
    port,
    process::{Process, Program},
};

pub(crate) use self::plan::Move;
pub use self::{
    look::Effects,
    plan::{CUSTOMER, OPENING, Plan, SKU},
    scene::{Replica, Scene, Service},
};

/// The longest that any saga of these tests needs to its end once faults are over.
const END_BOUND: Duration = Duration::from_secs(60);
/// How long one question is held by the server.
const LONG_POLL: Duration = Duration::from_secs(5);

/// Everything, running: one orchestrator on a file, and its [`Scene`].
#[derive(Debug)]
pub struct Town {
    pub orchestrator: Process,
    scene: Scene,
    program: Program,
}

impl Deref for Town {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl DerefMut for Town {
    fn deref_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

impl Town {
    /// Starts it all, seeds accounts and shelves, registers the definition.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(plan: Plan) -> Result<Self> {
        let folder = TempDir::with_prefix("amends-town-")?;
        let database = folder.path().join("amends.db");
        let address = port::free()?;
        let scene = Scene::start(plan, folder, Reader::of_file(&database), address).await?;
        let config = scene.folder().join("amends.toml");
        fs::write(&config, scene.catalogue() + &scene.plan.config)?;
        let [config, database] = [config, database].map(|path| path.display().to_string());
        let mut arguments = ["serve", "--config", &config, "--database", &database].map(str::to_owned).to_vec();
        arguments.extend(scene.plan.allows_faults.then(|| "--allow-faults".to_owned()));
        let log_filter = scene.plan.log_filter();
        let (binary, log, environment) = (scene.plan.orchestrator, scene.folder().join("amends.log"), Vec::new());
        let program = Program { binary, arguments, log, log_filter, environment };
        let orchestrator = Process::start_at(program.clone(), address).await?;
        let town = Self { orchestrator, scene, program };
        town.register(&town.client()?).await?;
        Ok(town)
    }

    /// Asks the orchestrator, on connections of its own.
    ///
    /// # Errors
    /// There is no TLS to be had.
    pub fn client(&self) -> Result<Client> {
        client(&self.orchestrator, Duration::from_secs(30))
    }

    /// The input of an order.
    pub fn order(quantity: i64, amount: i64) -> Value {
        json!({ "customer": CUSTOMER, "sku": SKU, "quantity": quantity, "amount": amount })
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
        ended(&self.client()?, saga).await
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

    /// Kills the orchestrator, lets the checker see what it left, and starts it again on the same file.
    ///
    /// # Errors
    /// The checker finds something, or it does not start.
    pub async fn crash(&mut self) -> Result<()> {
        self.orchestrator.kill().await?;
        self.check(false).await.context("what the orchestrator left when it was killed")?;
        self.orchestrator.restart().await
    }

    /// The orchestrator's files, byte for byte.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn stored(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for name in ["amends.db", "amends.db-wal"] {
            let path = self.folder().join(name);
            if path.exists() {
                bytes.extend(fs::read(path)?);
            }
        }
        Ok(bytes)
    }

    /// How a second orchestrator would be run: with the same file, and a log of its own.
    pub fn second_orchestrator(&self) -> Program {
        Program { log: self.folder().join("second.log"), ..self.program.clone() }
    }
}

pub(crate) fn client(process: &Process, patience: Duration) -> Result<Client> {
    let timeouts = Timeouts { connect: Duration::from_secs(5), answer: patience };
    Ok(Client::with_timeouts(&format!("http://{}", process.address()), timeouts)?)
}

/// The saga once it has ended.
///
/// # Errors
/// It does not end within the bound; with the saga as it stands.
pub async fn ended(client: &Client, saga: Uuid) -> Result<SagaView> {
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
