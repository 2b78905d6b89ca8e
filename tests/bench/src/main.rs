//! `amends-bench`: how many sagas a second, how soon, and for what; beside the ceiling of the machine and beside peers.
//! Everything it measures is a process of its own on 127.0.0.1, with a private store, gone when it ends.
//! Must never know the inside of the orchestrator: it starts its binary and speaks to its doors.

mod amends;
mod figure;
mod ground;
mod load;
mod measure;
mod participant;
mod peers;
mod postgres;
mod process;
mod report;
mod scenarios;
mod town;
mod wire;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    ground::{Ground, StoreKind},
    participant::Fault,
    report::Report,
    scenarios::{Scenario, Wish},
    town::Contender,
};

/// Measures the orchestrator, and its peers in the same run.
#[derive(Debug, Parser)]
#[command(name = "amends-bench", version)]
struct Args {
    /// What Amends keeps its sagas in
    #[arg(long, value_enum, default_value = "sqlite")]
    store: StoreKind,
    /// How long each figure is measured, after its warm-up
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
    /// What to measure; may be given several times
    #[arg(long, value_enum, default_value = "saturation")]
    scenario: Vec<Scenario>,
    /// Sagas in flight at saturation; the last figures are taken at the most of them
    #[arg(long, value_delimiter = ',', default_value = "32,128,512")]
    in_flight: Vec<usize>,
    /// The ceiling beside every figure, not only those at saturation
    #[arg(long)]
    ceiling: bool,
    /// The same saga on a peer, in turn with ours; may be given several times
    #[arg(long, value_enum)]
    vs: Vec<Contender>,
    /// How often each is measured [default: 1; with peers 2]
    #[arg(long)]
    rounds: Option<usize>,
    /// How many sagas sleep, have finished or are in flight in those scenarios [default: 1000000, 1000000, 10000]
    #[arg(long)]
    count: Option<u64>,
    /// Write everything as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail if a target is missed
    #[arg(long)]
    check: bool,
    /// The orchestrator to measure [default: the one of the same build]
    #[arg(long, value_name = "FILE")]
    amends: Option<PathBuf>,
    /// Where the stores lie; should be a disk [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// What the participant does wrong on purpose, to see the run fail
    #[arg(long, value_enum, default_value = "none", hide = true)]
    fault: Fault,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the processes of a run are besides the orchestrator; not for people.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Participant {
        #[arg(long, value_enum, default_value = "none")]
        fault: Fault,
    },
    #[command(hide = true)]
    Load { order: String },
}

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: two cores are all there is, and what is measured needs them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            match &args.part {
                Some(Part::Participant { fault }) => participant::run(*fault).await.map(|()| true),
                Some(Part::Load { order }) => load::run(order).await.map(|()| true),
                None => measured(args).await,
            }
        })
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well, as far as `--check` asks. A signal ends the run, and with it every process of it.
async fn measured(args: Args) -> Result<bool> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        done = run(args) => done,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

async fn run(args: Args) -> Result<bool> {
    if !(0.1..=3600.0).contains(&args.seconds) {
        bail!("--seconds is from 0.1 to 3600");
    }
    if args.in_flight.iter().any(|in_flight| !(1..=4096).contains(in_flight)) {
        bail!("--in-flight is from 1 to 4096");
    }
    let wish = Wish {
        seconds: args.seconds,
        in_flight: args.in_flight,
        rounds: args.rounds.unwrap_or(if args.vs.is_empty() { 1 } else { 2 }).clamp(1, 100),
        vs: args.vs,
        ceiling: args.ceiling,
        count: args.count,
    };
    let ground = Ground::prepare(args.store, args.amends, args.folder, args.fault, &wish.vs).await?;
    let machine = measure::machine(ground.folder())?;
    let mut report = Report::new(args.store, wish.seconds, machine, settings(&ground, &wish).await?);
    for scenario in args.scenario {
        scenarios::play(scenario, &ground, &wish, &mut report).await?;
    }
    ground.clear().await?;
    print!("{}", report.text());
    if let Some(file) = args.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(!args.check || report.all_met())
}

/// Versions and settings of all that is measured.
async fn settings(ground: &Ground, wish: &Wish) -> Result<Vec<(&'static str, String)>> {
    let version = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let asked = tokio::process::Command::new(&ground.amends).arg("--version").output().await?;
    let mut settings = vec![
        ("amends", format!("{}; {}", version(asked), amends::SETTINGS)),
        (
            "ceiling",
            "the calls of the saga, one after the other, through hyper, as the orchestrator makes them, one thread, headers as \
             long as the orchestrator's, nothing stored; raw: by the load's own client, which sends bytes made before"
                .to_owned(),
        ),
    ];
    if !wish.vs.is_empty() {
        settings.push(("node", version(tokio::process::Command::new("node").arg("--version").output().await?)));
    }
    for peer in &wish.vs {
        settings.push(match peer {
            Contender::Restate => ("restate", peers::restate::SETTINGS.to_owned()),
            _ => ("dbos", peers::dbos::SETTINGS.to_owned()),
        });
    }
    if let Some(postgres) = &ground.postgres {
        settings.push(("postgres", postgres.settings().await?));
    }
    Ok(settings)
}
