//! Scenarios in virtual time: a run that is written down, carried out against models of its services, with its children.
//!
//! Why it exists: what a scenario says can be seen in a moment and without a server, and comes to the same as on real processes:
//! the functions that decide for real (`amends-core`) are driven here too, over a queue of things that happen.
//!
//! Who calls it: `amends test`, and tests. [`play()`] runs one scenario; what it expects is compared by `amends_core::scenario`.
//!
//! What is what: `world` is everything that there is and the queue; `drive` sees to what a saga is owed; `family` to what it owes
//! its own; `wire` to requests and what befalls them; `services` are the models; `script` is who signals and cancels; `seen` writes
//! down; `touched` says what of all that could befall a saga is in scenarios.
//!
//! **What it must never know:** IO, a clock, dice, tokio; how a verdict is printed.

mod drive;
mod family;
mod script;
mod seen;
mod services;
mod touched;
mod wire;
mod world;

use std::sync::Arc;

use amends_core::{
    definition::{Definition, Known},
    scenario::{Ran, Scenario, Scenarios, shortened},
};

use self::world::World;
pub use self::{
    seen::{Moment, moment},
    touched::{Cell, Touch, Touched, cells},
};
use crate::{model::Unfit, setup::Setup};

/// Which sagas there are.
#[derive(Clone, Debug)]
pub struct Family {
    pub root: Arc<Definition>,
    /// Those that it runs as children, and theirs.
    pub known: Known,
}

/// A scenario that was carried out.
#[derive(Clone, Debug)]
pub struct Played {
    pub ran: Ran,
    /// What happened, in order.
    pub moments: Vec<Moment>,
    /// What befell whom.
    pub touched: Vec<Touch>,
    /// In virtual time, in milliseconds.
    pub took_ms: u64,
}

/// Carries a scenario out. Of `setup` it is read what the services are like. Given the same again it comes to the same again.
///
/// # Errors
/// The saga cannot be started like this.
pub fn play(family: &Family, file: &Scenarios, scenario: &Scenario, setup: &Setup) -> Result<Played, Unfit> {
    let family = family.shortened(scenario)?;
    let mut world = World::start(&family, file, scenario, setup)?;
    world.run();
    Ok(world.played())
}

impl Family {
    /// With the waits of a scenario.
    ///
    /// # Errors
    /// A definition does not parse again.
    pub fn shortened(&self, scenario: &Scenario) -> Result<Self, Unfit> {
        let short = |definition: &Arc<Definition>| match shortened(&definition.source, &scenario.shorten) {
            None => Ok(definition.clone()),
            Some(text) => Definition::parse(&text, None).map(Arc::new).map_err(|_| Unfit::Definition),
        };
        let known = self.known.iter().map(|(name, child)| Ok::<_, Unfit>((name.clone(), short(child)?)));
        Ok(Self { root: short(&self.root)?, known: known.collect::<Result<_, Unfit>>()? })
    }
}
