//! One scenario: registered and started, signals and cancel when their steps wait, and then its end is waited for.

use std::time::{Duration, Instant};

use amends_core::{
    Signal,
    event::Recorded,
    fold,
    ids::{SagaId, StepName},
    scenario::{Ran, Scenario, at_times},
    state::State,
};
use amends_engine::{RegisterError, Start, StartError, Watched};
use amends_explore::scenarios::{Family, Played};
use serde_json::Map;

use super::{
    evidence::{self, Journal},
    stage::Stage,
};

/// Between two looks at a journal.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// When all have ended, what is still on its way to a service arrives within so long.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
/// More events has no saga.
const JOURNAL_MOST: u32 = 100_000;

/// `Err` inside: the saga cannot be started like this.
pub(super) async fn play(
    stage: &Stage,
    family: &Family,
    scenario: &Scenario,
    patience: Duration,
) -> anyhow::Result<Result<Played, String>> {
    let saga = match start(stage, family, scenario).await? {
        Ok(saga) => saga,
        Err(why) => return Ok(Err(why)),
    };
    let until = Instant::now() + patience;
    let mut could_not = Vec::new();
    follow(stage, saga, scenario, until, &mut could_not).await?;
    let journals = ended(stage, family, saga, until).await?;
    Ok(Ok(evidence::of(stage, family, scenario, &journals, could_not)))
}

async fn start(stage: &Stage, family: &Family, scenario: &Scenario) -> anyhow::Result<Result<SagaId, String>> {
    // Whoever runs another is registered after it.
    let mut children: Vec<_> = family.known.values().collect();
    children.sort_by_key(|child| generations(family, &child.name, 0));
    let mut version = None;
    for definition in children.into_iter().chain([&family.root]) {
        version = match stage.engine.register(&definition.source).await {
            Ok(registered) => Some(registered.version),
            Err(RegisterError::Invalid(found)) => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                return Ok(Err(format!("{} is not valid here: {}", definition.name, found.join("; "))));
            }
            Err(other) => return Err(other.into()),
        };
    }
    let start = Start {
        name: family.root.name.to_string(),
        version,
        input: at_times(&scenario.input, stage.clock.now()),
        labels: Map::new(),
        key: None,
        traceparent: None,
        watched: Watched::No,
    };
    match stage.engine.start(start).await {
        Ok(started) => Ok(Ok(started.saga)),
        Err(StartError::Store(error)) => Err(error.into()),
        Err(StartError::Input(wrong)) => {
            let wrong: Vec<String> =
                wrong.iter().map(|wrong| format!("/input{}: {}", wrong.pointer, wrong.message)).collect();
            Ok(Err(format!("the input does not fit the schema of `{}`: {}", family.root.name, wrong.join("; "))))
        }
        Err(refused) => Ok(Err(refused.to_string())),
    }
}

/// How many are below.
fn generations(family: &Family, name: &str, above: usize) -> usize {
    let Some(definition) = family.known.get(name).filter(|_| above < family.known.len()) else { return 0 };
    let below = definition.children().map(|(_, child)| 1 + generations(family, &child.name, above + 1));
    below.max().unwrap_or_default()
}

type CouldNot = Vec<(amends_core::definition::Mark, String)>;

async fn follow(
    stage: &Stage,
    saga: SagaId,
    scenario: &Scenario,
    until: Instant,
    could_not: &mut CouldNot,
) -> anyhow::Result<()> {
    for (nth, signal) in scenario.signals.iter().enumerate() {
        if let Some(step) = &signal.when
            && let Err(why) = waits(stage, saga, step, until).await?
        {
            could_not.push((signal.at, format!("signal {} was not sent: {why}", signal.name)));
            return Ok(());
        }
        let key = format!("scenario-{nth}");
        let sent =
            Signal { name: signal.name.clone(), key: Some(key.as_str().into()), payload: signal.data.clone().into() };
        if let Err(why) = stage.engine.signal(saga, sent).await {
            could_not.push((signal.at, format!("signal {} is refused: {why}", signal.name)));
        }
    }
    let Some(cancel) = &scenario.cancel else { return Ok(()) };
    match waits(stage, saga, &cancel.when, until).await? {
        Err(why) => could_not.push((cancel.at, format!("nobody cancelled: {why}"))),
        Ok(()) => {
            if let Err(why) = stage.engine.cancel(saga, cancel.reason.clone()).await {
                could_not.push((cancel.at, format!("the cancel is refused: {why}")));
            }
        }
    }
    Ok(())
}

/// Until this step waits. `Err` inside: it never does.
async fn waits(stage: &Stage, saga: SagaId, step: &StepName, until: Instant) -> anyhow::Result<Result<(), String>> {
    loop {
        let (state, _) = read(stage, saga).await?;
        let status = state.status;
        if Ran::is_waiting(&state, step) {
            return Ok(Ok(()));
        }
        if status.is_terminal() || Instant::now() > until {
            return Ok(Err(format!("{step} never waited for it, and the saga is {}", status.as_str())));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The journals of the family, the root's first, when all have ended, or nobody waits any longer.
async fn ended(stage: &Stage, family: &Family, root: SagaId, until: Instant) -> anyhow::Result<Vec<Journal>> {
    let journals = loop {
        let journals = self::family(stage, family, root).await?;
        if journals.iter().all(|journal| journal.state.status.is_terminal()) || Instant::now() > until {
            break journals;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    // A copy may be late: it is looked twice.
    let settled = Instant::now() + SETTLE_WITHIN;
    let mut quiet = 0;
    while quiet < 2 && Instant::now() < settled {
        quiet = if stage.log.is_quiet() { quiet + 1 } else { 0 };
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(journals)
}

async fn family(stage: &Stage, family: &Family, root: SagaId) -> anyhow::Result<Vec<Journal>> {
    let mut all = Vec::new();
    let mut next = vec![root];
    while let Some(saga) = next.pop() {
        // One that was never made has no row.
        if stage.engine.store().head(saga).await?.is_none() {
            continue;
        }
        let (state, events) = read(stage, saga).await?;
        next.extend(state.children.values().map(|child| child.saga));
        let name = state.started.name.clone();
        let definition = family.known.get(&name).unwrap_or(&family.root).clone();
        all.push(Journal { definition, state, events });
    }
    Ok(all)
}

async fn read(stage: &Stage, saga: SagaId) -> anyhow::Result<(State, Vec<Recorded>)> {
    let events = stage.engine.store().journal(saga, 1..u64::MAX, JOURNAL_MOST).await?;
    Ok((fold(saga, &events)?, events))
}
