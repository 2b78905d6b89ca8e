//! Scenarios, carried out: which there are, what came of each, and how that is told.
//!
//! Why it exists: what a saga does when something goes wrong should be written down once, be read by people, and be tried in every
//! build. Who calls it: `amends test`.
//!
//! What is what: `files` finds and reads them; `live` carries them out against real services (virtual time is `amends_explore`'s);
//! `text`, `json` and `junit` tell; `around` picks what of a story explains a difference.
//!
//! **What it must never know:** what an expectation means (core), what a saga decides.

mod around;
mod files;
mod json;
mod junit;
mod live;
mod text;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use amends_core::{
    definition::{Definition, Mark},
    scenario::{Difference, Scenario, differences},
};
use amends_explore::{
    Setup,
    scenarios::{Cell, Moment, Played, Touched, play},
};

use self::files::File;
pub(crate) use self::{
    files::{Asked, read},
    live::run as run_live,
};
use crate::{explored::Format, output, style::Style};

/// One scenario that was carried out.
pub(crate) struct Case {
    name: String,
    at: Mark,
    verdict: Verdict,
    /// What happened, as far as it is known.
    moments: Vec<Moment>,
    /// In real time.
    took: Duration,
    /// In the saga's time.
    lasted_ms: u64,
}

pub(crate) enum Verdict {
    Passed,
    /// In these things it is not as expected.
    Differs(Vec<Difference>),
    /// It could not be carried out.
    Broken(String),
}

/// Everything.
pub(crate) struct Report {
    files: Vec<File>,
    /// Of each saga, in order of their names; empty: nobody asked.
    coverage: Vec<(String, Vec<Cell>)>,
    took: Duration,
}

/// What is told beyond verdicts.
pub(crate) struct Shown {
    pub(crate) trace: bool,
    pub(crate) coverage: bool,
}

impl Case {
    /// A scenario of which this came.
    fn of(scenario: &Scenario, played: Result<Played, String>, took: Duration) -> (Self, Option<Played>) {
        let (verdict, moments, played) = match played {
            Err(why) => (Verdict::Broken(why), Vec::new(), None),
            Ok(mut played) => {
                let wrong = differences(scenario, &played.ran);
                let verdict = if wrong.is_empty() { Verdict::Passed } else { Verdict::Differs(wrong) };
                (verdict, std::mem::take(&mut played.moments), Some(played))
            }
        };
        let lasted_ms = played.as_ref().map_or(0, |played| played.took_ms);
        (Self { name: scenario.name.clone(), at: scenario.at, verdict, moments, took, lasted_ms }, played)
    }

    fn passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed)
    }
}

/// Carries all of them out in virtual time.
pub(crate) fn run_in_virtual_time(files: &mut [File], setup: &Setup) {
    for file in files {
        for scenario in file.picked() {
            let begun = Instant::now();
            let Some(whole) = &file.valid else { continue };
            let played = play(&whole.family, &whole.scenarios, &scenario, setup).map_err(|why| why.to_string());
            let (case, played) = Case::of(&scenario, played, begun.elapsed());
            file.done(case, played);
        }
    }
}

/// What came of it all; with `coverage` also what of the sagas was touched.
pub(crate) fn report(files: Vec<File>, coverage: bool) -> Report {
    let took = files.iter().flat_map(|file| &file.cases).map(|case| case.took).sum();
    let mut touched = Touched::default();
    let mut sagas: BTreeMap<Arc<str>, Arc<Definition>> = BTreeMap::new();
    for file in files.iter().filter(|_| coverage) {
        file.touched.iter().for_each(|touches| touched.add(touches));
        if let Some(whole) = &file.valid {
            let family = whole.family.known.values().chain([&whole.family.root]);
            sagas.extend(family.map(|definition| (definition.name.clone(), definition.clone())));
        }
    }
    let coverage = sagas.iter().map(|(name, definition)| (name.to_string(), touched.of(definition))).collect();
    Report { files, coverage, took }
}

impl Report {
    pub(crate) fn passed(&self) -> bool {
        self.files.iter().all(|file| file.valid.is_some() && file.cases.iter().all(Case::passed))
    }

    /// Of all that could befall the sagas, so much did in some scenario.
    pub(crate) fn covered_percent(&self) -> f64 {
        covered(self.coverage.iter().flat_map(|(_, cells)| cells))
    }

    fn cases(&self) -> impl Iterator<Item = &Case> {
        self.files.iter().flat_map(|file| &file.cases)
    }
}

fn covered<'c>(cells: impl Iterator<Item = &'c Cell>) -> f64 {
    let (mut all, mut touched) = (0_u32, 0_u32);
    for cell in cells {
        all += 1;
        touched += u32::from(cell.scenarios > 0);
    }
    if all == 0 { 100.0 } else { 100.0 * f64::from(touched) / f64::from(all) }
}

/// # Errors
/// stdout cannot be written to.
pub(crate) fn show(report: &Report, format: Format, shown: &Shown) -> anyhow::Result<()> {
    match format {
        Format::Text => output::print(&text::of(report, shown, Style::of_stdout())),
        Format::Json => output::print(&serde_json::to_string_pretty(&json::of(report, shown))?),
        Format::Junit => output::print(&junit::of(report)),
    }
}
