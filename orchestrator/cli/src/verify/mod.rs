//! `amends verify-participant`: does somebody's service keep the participant contract? Asked from outside, over HTTP, whatever it
//! is written in.
//!
//! Why it exists: what a saga promises hangs on its participants, and a missing tombstone is not seen until the day it is
//! needed. `docs/participant.md` is the contract; each rule here quotes the line it checks, and stands in a file of its own.
//!
//! Who calls it: `commands::verify_participant`.
//!
//! **What it must never know:** an orchestrator of ours, a store, the sample services.

mod bench;
mod callbacks;
mod heard;
mod junit;
mod profile;
mod report;
mod rules;
mod template;

use std::collections::BTreeSet;

use self::{
    bench::{Bench, Stop},
    callbacks::Orchestrator,
    report::{Failure, Line, Outcome},
};
pub(crate) use self::{junit::junit, profile::Profile, report::Report};
use crate::exit::Usage;

/// What to do.
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) profile: Profile,
    pub(crate) rounds: u32,
    /// Only these, and what they build upon; all, if there are none.
    pub(crate) only: Vec<String>,
}

/// Checks rule by rule.
///
/// # Errors
/// It cannot begin: the address is none, there is no such rule, or the callbacks' address is taken.
pub(crate) async fn verify(options: Options) -> anyhow::Result<Report> {
    let chosen = chosen(&options.only)?;
    let orchestrator = match &options.profile.later {
        Some(later) => Some(Orchestrator::listen(later.listen).await?),
        None => None,
    };
    let bench = Bench::new(&options.url, options.profile, options.rounds, orchestrator)?;
    let mut lines: Vec<Line> = Vec::new();
    for rule in rules::ALL.iter().filter(|rule| chosen.contains(rule.name)) {
        // What it builds upon is broken: it would be, too, and say nothing new.
        let below = built_upon([rule.name].into());
        let failed = |line: &&Line| matches!(line.outcome, Outcome::Failed { .. }) && below.contains(line.rule);
        let shaken = lines.iter().find(failed).map(|line| line.rule);
        let outcome = match shaken {
            Some(name) => Outcome::NotTested { why: format!("{name} failed, and this builds upon it") },
            None => outcome(rule, &bench).await,
        };
        lines.push(Line { rule: rule.name, title: rule.title, outcome });
    }
    Ok(Report::new(options.url, lines))
}

async fn outcome(rule: &rules::Rule, bench: &Bench) -> Outcome {
    bench.begin();
    match (rule.check)(bench).await {
        Ok(()) => Outcome::Passed,
        Err(Stop::NotTested(why)) => Outcome::NotTested { why },
        Err(Stop::Broken { what, expected, found }) => Outcome::Failed {
            failure: Box::new(Failure {
                what,
                expected,
                found,
                promise: rule.promise,
                hint: rule.hint,
                exchanges: bench.take_exchanges(),
            }),
        },
    }
}

/// With all that each of them builds upon.
fn chosen(only: &[String]) -> Result<BTreeSet<&'static str>, Usage> {
    if only.is_empty() {
        return Ok(rules::ALL.iter().map(|rule| rule.name).collect());
    }
    let named = |name: &String| rules::ALL.iter().find(|rule| rule.name == name).ok_or_else(|| unknown(name));
    let wanted: Vec<_> = only.iter().map(|name| named(name).map(|rule| rule.name)).collect::<Result<_, _>>()?;
    Ok(built_upon(wanted))
}

/// These and all that they build upon, however far down.
fn built_upon(mut wanted: Vec<&'static str>) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if found.insert(name) {
            wanted.extend(rules::ALL.iter().filter(|rule| rule.name == name).flat_map(|rule| rule.after));
        }
    }
    found
}

fn unknown(name: &str) -> Usage {
    let known: Vec<&str> = rules::ALL.iter().map(|rule| rule.name).collect();
    Usage(format!("there is no rule `{}`; they are {}", crate::style::tame(name, 40), known.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_rule_quotes_the_contract_and_builds_upon_earlier_ones() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/participant.md");
        let page = fs::read_to_string(page).expect("the page");
        let said = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut before = BTreeSet::new();
        for rule in rules::ALL {
            assert!(said.contains(rule.promise), "{}: docs/participant.md does not say {:?}", rule.name, rule.promise);
            assert!(page.contains(&format!("| `{}` |", rule.name)), "{}: not in the table of rules", rule.name);
            assert!(rule.after.iter().all(|name| before.contains(name)), "{}: {:?}", rule.name, rule.after);
            assert!(before.insert(rule.name), "two rules are called {}", rule.name);
        }
    }

    #[test]
    fn a_chosen_rule_brings_what_it_builds_upon() {
        let chosen = chosen(&["late-action".to_owned()]).expect("there is one");
        assert!(chosen.contains("null-compensation") && chosen.contains("first-call") && !chosen.contains("ack"));
        assert!(super::chosen(&["lateness".to_owned()]).is_err_and(|error| error.0.contains("late-action")));
    }
}
