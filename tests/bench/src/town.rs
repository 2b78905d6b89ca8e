//! One measurement's processes: a trivial participant, and in front of it Amends, a peer, or nobody (the ceiling). Raised
//! anew for each measurement, so that none finds the other's store, memory or warmth. Must never know what is measured.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    amends,
    ground::{Ground, StoreKind},
    load::{Kind, Order, Seen},
    measure::{self, Used},
    participant::Counts,
    peers,
    process::{Process, myself},
    wire::ask,
};

/// A peer's server, writing out what it has.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// What a load may take beyond its own time: sagas that are still in flight, waited for at most 60 s.
const STRAGGLERS: Duration = Duration::from_secs(90);

/// Who runs the saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contender {
    #[value(skip)]
    Amends,
    #[value(skip)]
    Ceiling,
    #[value(skip)]
    CeilingRaw,
    Restate,
    Dbos,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Saga {
    /// Three steps, all done.
    Three,
    /// Two are done, the third is refused, two compensations.
    Refused,
    /// Sleeps for an hour, then one call.
    Sleeper,
    /// Sleeps for that long, then one call.
    Dozer { after_ms: u64 },
}

/// Running processes and the doors to them.
#[derive(Debug)]
pub(crate) struct Town {
    pub(crate) contender: Contender,
    pub(crate) folder: PathBuf,
    pub(crate) participant: SocketAddr,
    /// Where sagas are started.
    pub(crate) door: SocketAddr,
    /// What is measured. Ended in this order.
    pub(crate) measured: Vec<Process>,
    /// The name of its database, and the database's own process.
    database: Option<(String, u32)>,
    participant_process: Process,
}

/// What the orchestrator says it has written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) commits: f64,
    pub(crate) statements: f64,
}

impl Saga {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Three => "three",
            Self::Refused => "refused",
            Self::Sleeper => "sleeper",
            Self::Dozer { .. } => "dozer",
        }
    }

    /// When its wake-up is due, from its start.
    pub(crate) fn due_ms(self) -> Option<u64> {
        match self {
            Self::Three | Self::Refused => None,
            Self::Sleeper => Some(3_600_000),
            Self::Dozer { after_ms } => Some(after_ms),
        }
    }
}

impl Town {
    /// # Errors
    /// A process does not start.
    pub(crate) async fn raise(ground: &Ground, contender: Contender) -> Result<Self> {
        let name = ground.next_name();
        let folder = ground.folder().join(&name);
        std::fs::create_dir(&folder)?;
        let fault = clap::ValueEnum::to_possible_value(&ground.fault).context("every fault has a name")?;
        let command = myself(&["participant", "--fault", fault.get_name()])?;
        let process =
            Process::start("participant", command, &folder.join("participant.log"), "listening on http://").await?;
        let participant: SocketAddr = process.said.parse()?;
        let on_postgres = match contender {
            Contender::Dbos => true,
            Contender::Amends => ground.store == StoreKind::Postgres,
            Contender::Restate | Contender::CeilingRaw | Contender::Ceiling => false,
        };
        let postgres = ground.postgres.as_ref().filter(|_| on_postgres);
        let database = match postgres {
            Some(postgres) => {
                postgres.create(&name).await?;
                Some((name.clone(), postgres.id()))
            }
            None => None,
        };
        let url = postgres.map(|postgres| postgres.url(&name));
        let (measured, door) = match contender {
            Contender::CeilingRaw | Contender::Ceiling => (vec![], participant),
            Contender::Amends => {
                let process = amends::start(&ground.amends, &folder, participant, url.as_deref(), None).await?;
                let door = process.said.parse()?;
                (vec![process], door)
            }
            Contender::Restate => peers::restate::start(ground, &folder, participant).await?,
            Contender::Dbos => {
                let url = url.context("DBOS has a database")?;
                peers::dbos::start(ground, &folder, participant, &url).await?
            }
        };
        Ok(Self { contender, folder, participant, door, measured, database, participant_process: process })
    }

    /// Lets a load be driven by a process of its own.
    ///
    /// # Errors
    /// Anything but the right answers came.
    pub(crate) async fn load(&self, order: &Order) -> Result<Seen> {
        let command = myself(&["load", &serde_json::to_string(order)?])?;
        let process = Process::piped("load", command, &self.folder.join("load.log"))?;
        let bound = Duration::from_secs_f64(order.warmup_s + order.seconds) + STRAGGLERS;
        let seen: Seen = serde_json::from_str(&process.output(bound).await?)?;
        let who = self.contender;
        if seen.errors > 0 {
            let first = seen.first_error.unwrap_or_default();
            bail!("{who:?}: {} of {} sagas went wrong; the first: {first}", seen.errors, seen.errors + seen.sagas);
        }
        if seen.unanswered > 0 {
            let said = format!("{who:?}: {} sagas were never answered", seen.unanswered);
            if who == Contender::Amends {
                bail!("{said}");
            }
            eprintln!("{said}");
        }
        if seen.measured == 0 {
            bail!(
                "{who:?}: not one of {} sagas ended in the {} s that were measured or later",
                seen.sagas,
                order.seconds
            );
        }
        Ok(seen)
    }

    /// Who is to be driven, where, in the words of the load.
    pub(crate) fn kind(&self) -> Kind {
        match self.contender {
            Contender::Amends => Kind::Amends,
            Contender::Restate | Contender::Dbos => Kind::Peer,
            Contender::CeilingRaw => Kind::CeilingRaw,
            Contender::Ceiling => Kind::Ceiling,
        }
    }

    /// Of the contender and the database it has for itself; the participant and the load are the same for all.
    ///
    /// # Errors
    /// A process has ended.
    pub(crate) fn used(&self) -> Result<Used> {
        let mut pids = self.measured.iter().map(Process::id).collect::<Result<Vec<_>>>()?;
        pids.extend(self.database.as_ref().map(|(_, pid)| *pid));
        measure::used(&pids)
    }

    /// Without the database: what the orchestrator's own process has needed.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn used_without_database(&self) -> Result<Used> {
        measure::used(&self.measured.iter().map(Process::id).collect::<Result<Vec<_>>>()?)
    }

    /// `None` if this orchestrator does not say, or is none of ours.
    pub(crate) async fn written(&self) -> Option<Written> {
        if self.contender != Contender::Amends {
            return None;
        }
        let (status, text) = ask(self.door, "GET", "/metrics", "").await.ok()?;
        let sum = |name: &str| {
            let lines =
                text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
            let values: Vec<f64> = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
            (!values.is_empty()).then(|| values.iter().sum())
        };
        let commits = sum("amends_store_commits_total").filter(|_| status == 200)?;
        Some(Written { commits, statements: sum("amends_store_statements_total").unwrap_or(f64::NAN) })
    }

    /// # Errors
    /// The participant does not answer.
    pub(crate) async fn counts(&self) -> Result<Counts> {
        let (_, text) = ask(self.participant, "POST", "/counts", "").await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// `/mark`, `/hold` or `/release`.
    ///
    /// # Errors
    /// The participant does not answer.
    pub(crate) async fn tell_participant(&self, path: &str) -> Result<()> {
        ask(self.participant, "POST", path, "").await.map(drop)
    }

    /// The name of its database.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_ref().map(|(name, _)| name.as_str())
    }

    /// What the contender keeps on disk.
    ///
    /// # Errors
    /// The database does not say.
    pub(crate) async fn stored_bytes(&self, ground: &Ground) -> Result<u64> {
        match (&self.database, &ground.postgres) {
            (Some((name, _)), Some(postgres)) => postgres.bytes(name).await,
            _ => Ok(measure::bytes(&self.folder.join("store"))),
        }
    }

    /// Ends everything, in good order, and tells what is stored then: a store that was closed has nothing left in a
    /// write-ahead log that would be counted twice.
    ///
    /// # Errors
    /// A process does not end.
    pub(crate) async fn end(mut self, ground: &Ground) -> Result<u64> {
        for process in &mut self.measured {
            process.stop(STOP_TIMEOUT).await?;
        }
        self.participant_process.kill().await?;
        let stored = self.stored_bytes(ground).await?;
        if let (Some((name, _)), Some(postgres)) = (&self.database, &ground.postgres) {
            postgres.remove(name).await?;
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(stored)
    }
}
