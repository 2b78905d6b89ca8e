//! The whole thing in twenty seconds: four services with a store each, an orchestrator, failures, a kill -9, an audit.
//!
//! Why it exists: to be believed. Nothing is staged but the failures: the services are the sample services behind their
//! real routes, the orchestrator is a process of its own that is really killed, and the audit reads the services' stores
//! and the journal, not what this program remembers. Who calls it: `amends demo`.
//!
//! **What it must never know:** the insides of a service or of the orchestrator. It speaks HTTP to both.

mod acts;
mod audit;
mod books;
mod burst;
mod door;
mod engines;
mod fetch;
mod keep;
mod orchestrator;
mod stage;
mod talk;

use anyhow::bail;

pub(crate) use self::engines::Stores;
use self::{stage::Stage, talk::Talk};
use crate::{log, signals::Signals, style::Style};

/// What the person asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) keep: bool,
    pub(crate) sagas: u32,
    pub(crate) stores: Stores,
}

/// Plays it; whether the audit passed.
///
/// # Errors
/// Something did not happen as it must.
pub(crate) async fn run(options: Options) -> anyhow::Result<bool> {
    log::init(log::LogFormat::Text, "error")?;
    let talk = Talk::new(Style::of_stdout());
    let mut signals = Signals::listen()?;
    let mut stage = Stage::set_up(options.stores).await?;
    let played = tokio::select! {
        played = play(&mut stage, &talk, options) => Some(played),
        () = signals.next() => None,
    };
    match &played {
        Some(Ok(_)) if options.keep => keep::until_told(&stage, &talk, &mut signals).await?,
        Some(Err(_)) => talk.log_of_orchestrator(&stage.orchestrator),
        Some(Ok(_)) | None => {}
    }
    stage.take_down().await;
    played.unwrap_or_else(|| bail!("stopped before its end"))
}

async fn play(stage: &mut Stage, talk: &Talk, options: Options) -> anyhow::Result<bool> {
    talk.opening(stage)?;
    acts::register(stage).await?;
    let mut started = acts::Started::default();
    acts::goes_well(stage, talk, &mut started).await?;
    acts::refused(stage, talk, &mut started).await?;
    acts::reply_lost(stage, talk, &mut started).await?;
    acts::killed(stage, talk, &mut started).await?;
    acts::transfers(stage, talk, &mut started).await?;
    burst::run(stage, talk, options.sagas, &mut started).await?;

    talk.headline(
        "The audit",
        "Not what the orchestrator says, but what is in the stores: six services' rows and ledgers, and every journal.",
    )?;
    let books = fetch::books(stage, started.ids()).await?;
    let checks = audit::audit(&books);
    if checks.is_empty() {
        bail!("the audit checked nothing");
    }
    talk.checks(&checks)?;
    let passed = checks.iter().all(|check| check.failures.is_empty());
    talk.verdict(passed)?;
    Ok(passed)
}
