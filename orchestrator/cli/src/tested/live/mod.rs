//! Scenarios against real services: an engine of its own with a store of its own for each, and between it and the services whoever
//! makes things go wrong.
//!
//! What differs from virtual time is time, which is real; what services answer, which is their own word; and who calls back, which is
//! played on the way to the services.
//!
//! What is what: `stage` is the engine and the way to the services; `wire` writes down what passes, on both sides of the faults;
//! `later` accepts and calls back; `plan` makes faults of a scenario a plan; `script` starts, signals, cancels and waits; `evidence`
//! says what came of it; `loose` says what is not compared.
//!
//! **What it must never know:** HTTP, SQL, what an outcome means.

mod evidence;
mod later;
mod loose;
mod plan;
mod script;
mod stage;
mod wire;

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use amends_core::scenario::Scenario;
use amends_engine::Catalogue;
use amends_explore::scenarios::Played;

use self::stage::Stage;
use super::{
    Case,
    files::{File, Valid},
};
use crate::output;

/// Carries all of them out, one after the other.
///
/// # Errors
/// There is no place for a store, or no way to the services.
pub(crate) async fn run(files: &mut [File], catalogue: &Catalogue, patience: Duration) -> anyhow::Result<()> {
    for file in files {
        for scenario in file.picked() {
            let begun = Instant::now();
            let Some(valid) = &file.valid else { continue };
            if std::io::stderr().is_terminal() {
                output::say(&format!("{}: {}", valid.family.root.name, scenario.name));
            }
            let played = one(valid, &scenario, catalogue, patience).await?;
            let expected = loose::own_word(&scenario, &valid.scenarios.replies);
            let (case, played) = Case::of(&expected, played, begun.elapsed());
            file.done(case, played);
        }
    }
    Ok(())
}

/// `Err` inside: the saga cannot be started like this.
async fn one(
    valid: &Valid,
    scenario: &Scenario,
    catalogue: &Catalogue,
    patience: Duration,
) -> anyhow::Result<Result<Played, String>> {
    let family = match valid.family.shortened(scenario) {
        Ok(family) => family,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let stage = Stage::open(scenario, catalogue).await?;
    let played = script::play(&stage, &family, scenario, patience).await;
    stage.close().await;
    played
}
