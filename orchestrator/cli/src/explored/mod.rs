//! What an exploration found, for people and for programs.
//!
//! Who calls it: `amends explore`; [`Format`] is also `amends test`'s. **It must never know** how it was explored.

mod json;
mod junit;
mod text;

use std::{str::FromStr, time::Duration};

use amends_core::faults::FaultPlan;
use amends_explore::{Code, Contract, Finding, Report, Severity, Story, Verdict, mermaid};
use serde_json::Value;

use crate::{output, style::Style};

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    #[value(alias = "human")]
    Text,
    /// For programs, with the run of whatever was found
    Json,
    /// For a build: a case for whatever was found or tried
    Junit,
}

/// One definition, explored.
pub(crate) struct Explored {
    pub(crate) file: String,
    pub(crate) saga: String,
    pub(crate) report: Report,
    /// Of each finding, in its order.
    pub(crate) stories: Vec<Story>,
    pub(crate) allowed: Vec<Allowed>,
    pub(crate) faults: u8,
    /// Those that were made up.
    pub(crate) inputs: Option<Vec<Value>>,
    /// Services that stand in no catalogue.
    pub(crate) unknown: Vec<String>,
    pub(crate) contract: Contract,
    /// The names of the rules of the plan that was played, in its order.
    pub(crate) rules: Vec<String>,
    /// Rules of it that befell no attempt of any saga that was explored, and why that may be.
    pub(crate) idle: Vec<Idle>,
    pub(crate) took: Duration,
}

/// A rule of a plan that did nothing: it proves nothing.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    pub(crate) rule: String,
    pub(crate) why: String,
}

impl Idle {
    pub(crate) fn told(&self) -> String {
        format!("it never fired: {}", self.why)
    }
}

/// The rules that befell no attempt of any of them.
pub(crate) fn idle(plan: &FaultPlan, all: &[Explored]) -> Vec<Idle> {
    let fired = |nth: usize| all.iter().any(|one| one.report.fired.get(nth).is_some_and(|times| *times > 0));
    let rules = plan.rules.iter().enumerate().filter(|(nth, _)| !fired(*nth));
    let touched = |step: &str| all.iter().any(|one| one.report.coverage.steps().any(|known| known == step));
    rules
        .map(|(_, rule)| {
            let step = rule.step.as_ref().map(|step| step.as_str());
            let why = match step.filter(|step| !touched(step)) {
                Some(step) => format!("no step is called `{step}`"),
                None if rule.probability < 1.0 => {
                    "the dice say no to every attempt; another `seed` throws others".to_owned()
                }
                None => "no attempt is like that, or a rule above it takes them all".to_owned(),
            };
            Idle { rule: rule.name.clone(), why }
        })
        .collect()
}

/// A finding that is meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    code: String,
    step: Option<String>,
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (code, step) = text.split_once(':').map_or((text, None), |(code, step)| (code, Some(step.to_owned())));
        let known = Code::ALL.iter().find(|known| known.as_str().eq_ignore_ascii_case(code));
        match known {
            Some(known) if known.severity() == Severity::Violation => {
                Err("a violation is a bug of Amends, and never meant to be".to_owned())
            }
            Some(known) => Ok(Self { code: known.as_str().to_owned(), step }),
            None => Err(format!("there is no finding `{code}`; `amends explain` lists them all")),
        }
    }
}

impl Explored {
    pub(crate) fn is_allowed(&self, found: &Finding) -> bool {
        self.allowed.iter().any(|allowed| {
            let step = allowed.step.is_none() || allowed.step == found.step || allowed.step == found.place();
            allowed.code == found.code.as_str() && step
        })
    }

    /// What is allowed does not count.
    pub(crate) fn verdict(&self) -> Verdict {
        let counted = self.report.findings.iter().filter(|found| !self.is_allowed(found));
        match counted.map(|found| found.severity).min() {
            Some(Severity::Violation) => Verdict::Violation,
            Some(Severity::Error | Severity::Warning) => Verdict::Findings,
            Some(Severity::Note) | None => Verdict::Clean,
        }
    }

    /// Each rule of the plan, and how often it befell an attempt.
    fn fired(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules.iter().map(String::as_str).zip(self.report.fired.iter().copied())
    }

    fn found(&self) -> impl Iterator<Item = (&Finding, &Story)> {
        self.report.findings.iter().zip(&self.stories)
    }
}

/// # Errors
/// stdout cannot be written to.
pub(crate) fn show(all: &[Explored], format: Format, diagrams: bool) -> anyhow::Result<()> {
    match format {
        Format::Text => {
            for one in all {
                output::print(&text::of(one, diagrams, Style::of_stdout()))?;
            }
            Ok(())
        }
        Format::Json => output::print(&serde_json::to_string_pretty(&json::of(all, diagrams))?),
        Format::Junit => output::print(&junit::of(all)),
    }
}

/// One run.
///
/// # Errors
/// stdout cannot be written to.
pub(crate) fn tell(story: &Story, format: Format, diagram: bool) -> anyhow::Result<()> {
    match format {
        _ if diagram => output::print(&mermaid(story)),
        Format::Json => output::print(&serde_json::to_string_pretty(story)?),
        Format::Text | Format::Junit => output::print(&text::story(story, "", Style::of_stdout())),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Violation => "violation",
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::Findings => "findings",
        Verdict::Violation => "violation of an invariant by Amends itself",
    }
}
