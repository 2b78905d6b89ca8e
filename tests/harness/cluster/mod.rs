//! Several orchestrators on one PostgreSQL server of their own, and the [`Scene`] that they share. Any of them may be killed,
//! stopped, halted or restarted, and so may the server.
//!
//! **What it must never know:** which node should do what. Tests say what happens; the checker judges.

mod load;
mod server;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::{Deref, DerefMut},
    time::Duration,
};

use amends_client::{Client, Start};
use amends_protocol::v1::{NodeView, SagaView};
use amends_servers::{Options, Postgres};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    audit::reader::Reader,
    port,
    process::{Process, Program},
    relay::Relay,
    town::{self, Plan, Scene},
    wait::{until, until_true},
};

pub use load::{Begun, Caller, Load, Refusal};

/// A node that does not answer within it has hung.
const PATIENCE: Duration = Duration::from_secs(10);
/// Faults are over: the longest backoff of a compensation that was unlucky, a lease, and a machine that is busy.
const REST_BOUND: Duration = Duration::from_secs(90);

/// Everything, running.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Process>,
    scene: Scene,
    server: Postgres,
    /// Between the first node and the server.
    wire: Relay,
}

impl Deref for Cluster {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

impl Cluster {
    /// A database server, the services, three nodes that are started at the same moment on an empty database. `more` goes
    /// into the configuration of each.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(plan: Plan, more: &str) -> Result<Self> {
        let server = tokio::task::spawn_blocking(|| Postgres::start(Options::default())).await??;
        let folder = TempDir::with_prefix("amends-cluster-")?;
        // Who calls back knows the last node.
        let addresses = [port::free()?, port::free()?, port::free()?];
        let scene = Scene::start(plan, folder, Reader::of_server(&server.url())?, addresses[2]).await?;
        let config = scene.folder().join("amends.toml");
        fs::write(&config, format!("{}{more}", scene.catalogue()))?;
        let wire = Relay::start((Ipv4Addr::LOCALHOST, server.port()).into()).await?;
        let relayed = server.url().replace(&format!(":{}/", server.port()), &format!(":{}/", wire.address().port()));
        let programs = addresses.into_iter().zip(0..).map(|(address, number)| {
            let url = if number == 0 { relayed.clone() } else { server.url() };
            let arguments = ["serve", "--config", &config.display().to_string(), "--database", &url];
            let program = Program {
                binary: scene.plan.orchestrator,
                arguments: arguments.map(str::to_owned).to_vec(),
                log: scene.folder().join(format!("node-{number}.log")),
                log_filter: scene.plan.log_filter(),
                environment: Vec::new(),
            };
            (program, Some(address))
        });
        let nodes = begun(programs).await?;
        let cluster = Self { nodes, scene, server, wire };
        cluster.register(&cluster.client(0)?).await?;
        Ok(cluster)
    }

    /// Starts all nodes again, in the same moment.
    ///
    /// # Errors
    /// One does not start.
    pub async fn restart_all(&mut self) -> Result<()> {
        let restart = |mut node: Process| tokio::spawn(async move { node.restart().await.map(|()| node) });
        let restarting: Vec<_> = std::mem::take(&mut self.nodes).into_iter().map(restart).collect();
        for node in restarting {
            self.nodes.push(node.await??);
        }
        Ok(())
    }

    /// Asks one node, on connections of its own.
    ///
    /// # Errors
    /// There is no TLS to be had.
    pub fn client(&self, node: usize) -> Result<Client> {
        town::client(&self.nodes[node], PATIENCE)
    }

    /// Starts sagas at any node, and elsewhere if it does not take them.
    ///
    /// # Errors
    /// There is no TLS to be had.
    pub fn caller(&self) -> Result<Caller> {
        let clients = (0..self.nodes.len()).map(|node| self.client(node)).collect::<Result<_>>()?;
        Ok(Caller { clients, start: self.start_of(Value::Null) })
    }

    /// Starts the plan's saga at this node and nowhere else.
    ///
    /// # Errors
    /// The node does not take it.
    pub async fn begin(&self, node: usize, input: Value) -> Result<Uuid> {
        Ok(self.client(node)?.start(&self.start_of(input)).await?.saga.id)
    }

    /// Starts the plan's saga so many times at this node and nowhere else, as quickly as it takes them.
    ///
    /// # Errors
    /// The node does not take one.
    pub async fn begin_many(&self, node: usize, number: usize, input: Value) -> Result<Vec<Uuid>> {
        let (client, start) = (self.client(node)?, self.start_of(input));
        let mut starts = JoinSet::new();
        for _ in 0..number {
            let (client, start) = (client.clone(), start.clone());
            starts.spawn(async move { client.start(&start).await });
        }
        let mut begun = Vec::new();
        while let Some(start) = starts.join_next().await {
            begun.push(start??.saga.id);
        }
        Ok(begun)
    }

    /// A start with a key.
    pub fn keyed(&self, key: &str, input: Value) -> Start {
        Start { key: Some(key.to_owned()), ..self.start_of(input) }
    }

    /// The saga once it has ended, as this node says.
    ///
    /// # Errors
    /// It does not end within the bound.
    pub async fn ended(&self, node: usize, saga: Uuid) -> Result<SagaView> {
        town::ended(&self.client(node)?, saga).await
    }

    /// Who takes part, as this node says.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn members(&self, node: usize) -> Result<Vec<NodeView>> {
        let text = self.get(node, "v1/nodes").await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Under which identity this node takes part now; `None`: it does not, at the moment.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn identity(&self, node: usize) -> Result<Option<Uuid>> {
        Ok(self.members(node).await?.into_iter().find(|member| member.asked).map(|member| member.id))
    }

    /// The identities of all nodes.
    ///
    /// # Errors
    /// One does not answer, or does not take part.
    pub async fn identities(&self) -> Result<Vec<Uuid>> {
        let mut identities = Vec::new();
        for node in 0..self.nodes.len() {
            identities.push(self.identity(node).await?.with_context(|| format!("node {node} does not take part"))?);
        }
        Ok(identities)
    }

    /// A gauge of this node's metrics.
    ///
    /// # Errors
    /// It does not answer, or has no such metric.
    pub async fn gauge(&self, node: usize, name: &str) -> Result<f64> {
        let text = self.get(node, "metrics").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name} in:\n{text}"))?.parse()?)
    }

    async fn get(&self, node: usize, path: &str) -> Result<String> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let answer = http.get(format!("http://{}/{path}", self.nodes[node].address())).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// With which status a node answers this.
    ///
    /// # Errors
    /// It does not answer at all.
    pub async fn status(&self, node: usize, path: &str) -> Result<u16> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(http.get(format!("http://{}/{path}", self.nodes[node].address())).send().await?.status().as_u16())
    }

    /// Sagas that have not ended, with owner and epoch.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn live(&self) -> Result<Vec<(Uuid, Option<Uuid>, u64)>> {
        self.scene.journal.live().await
    }

    /// Waits until every saga has ended and nothing is on the wire, and lets the checker judge.
    ///
    /// # Errors
    /// Something does not end, or the checker finds something.
    pub async fn at_rest(&self) -> Result<()> {
        let rest = until("every saga has ended", REST_BOUND, async || Ok(self.live().await?.is_empty().then_some(())));
        if let Err(error) = rest.await {
            let mut left = String::new();
            for (saga, owner, epoch) in self.live().await?.into_iter().take(3) {
                left += &format!("\nsaga {saga} of {owner:?}, epoch {epoch}: {:#?}", self.journal(saga).await?);
                for (node, process) in self.nodes.iter().enumerate() {
                    let log = process.log()?;
                    let about = log.lines().filter(|line| line.contains(&saga.to_string()));
                    left.extend(about.map(|line| format!("\nnode {node}: {line}")));
                }
            }
            bail!("{error}; among those that have not:{left}");
        }
        until_true("the wire is quiet", REST_BOUND, || self.wire_is_quiet()).await?;
        self.audit().await
    }
}

/// Starts processes in the same moment.
///
/// # Errors
/// One does not start.
pub async fn at_once(programs: impl IntoIterator<Item = Program>) -> Result<Vec<Process>> {
    begun(programs.into_iter().map(|program| (program, None))).await
}

async fn begun(programs: impl Iterator<Item = (Program, Option<SocketAddr>)>) -> Result<Vec<Process>> {
    let start = |(program, address)| {
        tokio::spawn(async move {
            match address {
                Some(address) => Process::start_at(program, address).await,
                None => Process::start(program).await,
            }
        })
    };
    let starting: Vec<_> = programs.map(start).collect();
    let mut started = Vec::new();
    for process in starting {
        started.push(process.await?);
    }
    started.into_iter().collect()
}
