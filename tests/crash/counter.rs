//! The counter loop: the orchestrator dies at the first crash point of a saga that has one of everything, at the second, and so
//! on, until a run passes untouched; each time it is started again, drives the saga to its end, and the audit judges journals, wire
//! logs and ledgers. Then pairs: it dies a second time while it recovers. To the end, and with the pivot
//! refused, so that everything is undone; on SQLite and on PostgreSQL.
//!
//! A crash point is a moment before or after a durable write or a request; they are compiled into a program of their own
//! (`orchestrator/engine/src/crash_points.rs`).
//!
//! `AMENDS_CRASH_POINTS` says at how many points it dies, `all` at every one; `AMENDS_CRASH_PAIRS` at how many pairs, `all` at every
//! pair of which the first is one of those points. `AMENDS_SEED` picks which.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::ExitStatusExt as _,
    time::Duration,
};

use amends_client::{Client, Start, Timeouts};
use amends_protocol::v1::{SagaStatus, SagaView};
use amends_tests::{
    cluster::Cluster,
    dice::Dice,
    process::{Process, binary},
    proxy::{Action, Rule},
    town::{self, Town},
};
use anyhow::{Context, Result, bail, ensure};

use crate::every_kind::{Stage, approve, input, plan};

const CRASH_AT: &str = "AMENDS_CRASH_AT";
/// No point is deadly; each is told.
const NOWHERE: &str = "0";
/// As the program says them in its log.
const PASSED: &str = "passed crash point `";
const DIED: &str = "died at crash point `";
const SIGABRT: i32 = 6;
/// Of a busy machine; a saga needs a second.
const DEATH_BOUND: Duration = Duration::from_secs(90);
/// Who does not answer any more has died, or does so at once.
const SOON: Duration = Duration::from_secs(10);
/// What is done once a saga has ended takes moments.
const AFTER_THE_END: Duration = Duration::from_millis(300);
/// What comes by the clock, and not in every run.
const BY_TIME: &[&str] = &["renew", "tidy"];
/// A run has so many more points at most than the one that was counted.
const MORE: u64 = 40;

/// One orchestrator, and everything around it.
struct Lone {
    stage: Stage,
    end: SagaStatus,
    /// Sagas so far; each has a number of its own.
    sagas: usize,
    died: Died,
}

/// Where it died, and how often.
#[derive(Default)]
struct Died {
    once: u64,
    twice: u64,
    at: BTreeMap<String, u64>,
}

impl Lone {
    async fn on_a_file(end: SagaStatus) -> Result<Self> {
        let town = Town::start(plan().with_crash_points()).await?;
        Ok(Self { stage: Stage::File(town), end, sagas: 0, died: Died::default() })
    }

    async fn on_a_server(end: SagaStatus) -> Result<Self> {
        let mut cluster = Cluster::start(plan().with_crash_points(), "").await?;
        // Whoever is called back stays.
        for node in cluster.nodes.iter_mut().rev().skip(1) {
            node.kill().await?;
        }
        Ok(Self { stage: Stage::Nodes(cluster), end, sagas: 0, died: Died::default() })
    }

    fn process(&mut self) -> &mut Process {
        match &mut self.stage {
            Stage::File(town) => &mut town.orchestrator,
            Stage::Nodes(cluster) => cluster.nodes.last_mut().expect("a cluster has nodes"),
        }
    }

    fn client(&mut self) -> Result<Client> {
        let timeouts = Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(30) };
        Ok(Client::with_timeouts(&format!("http://{}", self.process().address()), timeouts)?)
    }

    /// The points in its log, from the one that follows these on, as `<before|after> <what>`.
    fn points(&mut self, said: &str, skip: usize) -> Result<Vec<String>> {
        let log = self.process().log()?;
        let points = log.lines().filter_map(|line| Some(line.split_once(said)?.1.split('`').next()?.to_owned()));
        Ok(points.skip(skip).collect())
    }

    /// Starts it anew, to die at this point of the process, and drives this saga. `None`: it died.
    async fn runs(&mut self, start: &Start, dies_at: &str) -> Result<Option<SagaView>> {
        let deaths = self.points(DIED, 0)?.len();
        let started = self.process().restart_with(vec![(CRASH_AT, dies_at.to_owned())]).await;
        if let Err(error) = started {
            // Before it listened: it is not there to be asked how it ended.
            return self.died(deaths).await.context(format!("{error:#}"));
        }
        let client = self.client()?;
        let driving = async {
            let saga = client.start(start).await?.saga.id;
            approve(&client, saga).await?;
            town::ended(&client, saga).await
        };
        let drove = tokio::select! {
            biased;
            view = driving => view,
            died = self.process().exited(DEATH_BOUND) => died.and_then(|status| bail!("it ended: {status}")),
        };
        match drove {
            // The last points come after the end.
            Ok(view) if dies_at == NOWHERE || self.process().exited(AFTER_THE_END).await.is_err() => Ok(Some(view)),
            Ok(_) => self.died(deaths).await,
            Err(error) => {
                let status = self.process().exited(SOON).await.with_context(|| format!("{error:#}"))?;
                ensure!(status.signal() == Some(SIGABRT), "it ended otherwise: {status}");
                self.died(deaths).await.context(format!("{error:#}"))
            }
        }
    }

    /// It must have died just now, of the point, and what it left must be in order.
    async fn died(&mut self, deaths_before: usize) -> Result<Option<SagaView>> {
        let died = self.points(DIED, deaths_before)?;
        ensure!(died.len() == 1, "it died of something else: {died:?}");
        *self.died.at.entry(died[0].clone()).or_default() += 1;
        self.stage.scene().audit_what_is_left().await.context("what it left when it died")?;
        Ok(None)
    }

    /// Dies at these points, one after the other, of one saga, and drives it to its end. `false`: it did not die at the last.
    async fn survives(&mut self, points: &[&str]) -> Result<bool> {
        self.sagas += 1;
        let number = self.sagas;
        let start = Start { key: Some(format!("saga-{number}")), ..self.stage.scene().start_of(input(number)?) };
        for (nth, point) in points.iter().enumerate() {
            if let Some(view) = self.runs(&start, point).await? {
                self.is_as_wanted(&view)?;
                return Ok(false);
            }
            *(if nth == 0 { &mut self.died.once } else { &mut self.died.twice }) += 1;
        }
        let view = self.runs(&start, NOWHERE).await?.context("it died where no point was deadly")?;
        self.is_as_wanted(&view)?;
        Ok(true)
    }

    fn is_as_wanted(&self, view: &SagaView) -> Result<()> {
        ensure!(view.status == self.end, "saga {} is {}: {view:#?}", view.id, view.status);
        Ok(())
    }

    /// The points of a run in which nobody dies.
    async fn counted(&mut self) -> Result<Vec<String>> {
        let before = self.points(PASSED, 0)?.len();
        ensure!(!self.survives(&[NOWHERE]).await?, "nobody dies at point 0");
        self.points(PASSED, before)
    }
}

/// How many, of an environment variable.
enum Many {
    All,
    About(u64),
}

impl Many {
    fn of(name: &str, otherwise: u64) -> Result<Self> {
        match std::env::var(name).ok().as_deref() {
            None => Ok(Self::About(otherwise)),
            Some("all") => Ok(Self::All),
            Some(text) => Ok(Self::About(text.parse().with_context(|| format!("{name} is a number or `all`"))?)),
        }
    }
}

/// Those that every run has.
fn kinds(points: &[String]) -> BTreeSet<&String> {
    let by_time = |kind: &str| BY_TIME.iter().any(|what| kind.ends_with(what));
    points.iter().filter(|kind| !by_time(kind)).collect()
}

/// The first of each kind, and others up to so many. The same number is another point in another run; the first of a kind is not.
fn sample(points: &[String], many: u64, dice: &mut Dice) -> Vec<String> {
    let kinds = kinds(points);
    let mut sample: Vec<String> = kinds.into_iter().map(|kind| format!("{kind} 1")).collect();
    while (sample.len() as u64) < many {
        sample.push((1 + dice.below(points.len() as u64)).to_string());
    }
    sample
}

async fn dies_everywhere(mut lone: Lone) -> Result<()> {
    let mut dice = Dice::asked();
    let refused = (lone.end == SagaStatus::Compensated)
        .then(|| lone.stage.scene().inject_rule("commit", Rule::action_of("commit", Action::Acked(409))));
    let undisturbed = lone.counted().await?;
    let firsts: Vec<String> = match Many::of("AMENDS_CRASH_POINTS", 24)? {
        Many::All => {
            let every = (1..=undisturbed.len() as u64 + MORE).map(|point| point.to_string());
            sample(&undisturbed, 0, &mut dice).into_iter().chain(every).collect()
        }
        Many::About(many) => sample(&undisturbed, many, &mut dice),
    };
    let mut fatal: Vec<&str> = Vec::new();
    for point in &firsts {
        if lone.survives(&[point]).await.with_context(|| format!("point {point}"))? {
            fatal.push(point);
        } else if point.parse::<usize>().is_ok_and(|point| point > undisturbed.len()) {
            // A run passed untouched: there is no point beyond.
            break;
        }
    }
    ensure!(fatal.len() * 10 >= firsts.len().min(undisturbed.len()) * 8, "of {firsts:?} only {fatal:?} were deadly");
    match Many::of("AMENDS_CRASH_PAIRS", 8)? {
        Many::All => {
            for first in &fatal {
                for second in 1.. {
                    let second = format!("{second}");
                    if !lone.survives(&[first, &second]).await.with_context(|| format!("{first}, then {second}"))? {
                        break;
                    }
                }
            }
        }
        Many::About(many) => {
            let before = lone.died.twice;
            for _ in 0..many {
                let first = fatal[usize::try_from(dice.below(fatal.len() as u64))?];
                // A recovery has fewer points than a whole run, however early it began.
                let second = (1 + dice.below(undisturbed.len() as u64 / 2)).to_string();
                lone.survives(&[first, &second]).await.with_context(|| format!("{first}, then {second}"))?;
            }
            let twice = lone.died.twice - before;
            ensure!(twice * 2 >= many, "of {many} pairs it died only in {twice} once more");
        }
    }
    eprintln!(
        "{} points in a run that nobody disturbs; died {} times, {} times more while it recovered: {:#?}",
        undisturbed.len(),
        lone.died.once,
        lone.died.twice,
        lone.died.at
    );
    let missed: Vec<_> = kinds(&undisturbed).into_iter().filter(|kind| !lone.died.at.contains_key(*kind)).collect();
    ensure!(missed.is_empty(), "it never died at {missed:?}");
    if let Some(refused) = refused {
        refused.assert_fired_at_least(lone.sagas as u64);
    }
    lone.stage.scene().audit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orchestrator_may_die_at_every_point_of_a_saga_on_sqlite() -> Result<()> {
    dies_everywhere(Lone::on_a_file(SagaStatus::Completed).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orchestrator_may_die_at_every_point_of_undoing_on_sqlite() -> Result<()> {
    dies_everywhere(Lone::on_a_file(SagaStatus::Compensated).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orchestrator_may_die_at_every_point_of_a_saga_on_postgresql() -> Result<()> {
    dies_everywhere(Lone::on_a_server(SagaStatus::Completed).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orchestrator_may_die_at_every_point_of_undoing_on_postgresql() -> Result<()> {
    dies_everywhere(Lone::on_a_server(SagaStatus::Compensated).await?).await
}

/// Whether a file has these bytes anywhere.
fn has(name: &str, word: &str) -> Result<bool> {
    let bytes = std::fs::read(binary(name)?)?;
    Ok(bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

#[test]
fn the_program_that_is_shipped_has_no_crash_points() -> Result<()> {
    ensure!(has("amends-crash-points", CRASH_AT)?, "a program that has them is known by this word");
    ensure!(!has("amends", CRASH_AT)?, "the one that is shipped has them");
    Ok(())
}
