//! The same for people: the verdict, each finding with the shortest run that shows it, and what was tried.

use std::{collections::BTreeMap, fmt::Write as _};

use amends_explore::{Code, Contract, Finding, Line, Severity, Story, Verdict, mermaid};

use super::{Explored, verdict, word};
use crate::style::{Style, Tone, tame};

/// Of a text of somebody else, so much is shown on one line.
const LONGEST: usize = 200;

pub(super) fn of(one: &Explored, diagrams: bool, style: Style) -> String {
    let mut text = String::new();
    let tone = if one.verdict() == Verdict::Clean { Tone::Good } else { Tone::Bad };
    let incomplete = if one.report.incomplete { ", incomplete" } else { "" };
    let head = format!("{}: {}{incomplete}", one.saga, verdict(one.verdict()));
    let _ = writeln!(text, "{}", style.paint(tone, &head));
    text.push_str(&tried(one));
    text.push_str(&plan(one, style));
    let mut by_code: BTreeMap<(Severity, Code), Vec<(&Finding, &Story)>> = BTreeMap::new();
    for (found, story) in one.found() {
        by_code.entry((found.severity, found.code)).or_default().push((found, story));
    }
    for ((severity, code), mut all) in by_code {
        all.sort_by_key(|(found, story)| (found.faults, story.lines.len()));
        text.push('\n');
        findings(&mut text, one, (severity, code), &all, diagrams, style);
    }
    text.push('\n');
    text.push_str(&coverage(one));
    text
}

fn tried(one: &Explored) -> String {
    let totals = &one.report.totals;
    let what = match one.report.complete_to {
        Some(to) if !one.report.incomplete => {
            format!("  every run with at most {} was tried", counted(to.into(), "fault"))
        }
        Some(to) => {
            format!("  stopped: every run with at most {} was tried, and some beyond", counted(to.into(), "fault"))
        }
        None => "  stopped before anything was tried".to_owned(),
    };
    let mut text = format!(
        "{what}: {} to their ends, {} joined others on the way\n  {} completed, {} compensated, {} with a person being asked\n",
        counted(totals.runs, "run"),
        totals.joined,
        totals.completed,
        totals.compensated,
        totals.attention
    );
    if !one.unknown.is_empty() {
        let promise = match one.contract {
            Contract::Plain => "taken for plain services that honour the idempotency key",
            Contract::Barrier => "taken for services with a barrier",
            Contract::Unkeyed => "taken for services that do everything as often as they are told",
        };
        let _ = writeln!(text, "  {}: {promise} (they stand in no configuration)", one.unknown.join(", "));
    }
    for input in one.inputs.iter().flatten().filter(|input| !input.as_object().is_some_and(serde_json::Map::is_empty)) {
        let _ = writeln!(text, "  input made up: {}", tame(&input.to_string(), LONGEST));
    }
    text
}

/// A line for each rule of the plan that was played.
fn plan(one: &Explored, style: Style) -> String {
    let mut text = String::new();
    for (rule, times) in one.fired() {
        let name = tame(rule, LONGEST);
        let line = match one.idle.iter().find(|idle| idle.rule == rule) {
            Some(idle) => style.paint(Tone::Bad, &format!("  plan: {name}: {}", idle.told())),
            None => format!("  plan: {name}: fired {}", counted(times, "time")),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn findings(
    text: &mut String,
    one: &Explored,
    (severity, code): (Severity, Code),
    all: &[(&Finding, &Story)],
    diagrams: bool,
    style: Style,
) {
    let allowed = all.iter().all(|(found, _)| one.is_allowed(found));
    let tone = match severity {
        _ if allowed => Tone::Dim,
        Severity::Violation | Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Back,
        Severity::Note => Tone::Dim,
    };
    let label = format!("{}[{}]{}", word(severity), code.as_str(), if allowed { " (allowed)" } else { "" });
    let [(first, story), others @ ..] = all else { return };
    let message =
        first.saga.as_ref().map_or_else(|| first.message.clone(), |saga| format!("{saga}: {}", first.message));
    let _ = writeln!(text, "{}: {}", style.paint(tone, &label), tame(&message, LONGEST));
    let more: Vec<String> = others.iter().filter_map(|(found, _)| found.place()).collect();
    if !more.is_empty() {
        let _ = writeln!(text, "  the same of {}", more.join(", "));
    }
    let _ = writeln!(text, "  hint: {}", code.hint());
    // Of what hangs on somebody breaking his word the run says nothing that the sentence does not.
    if severity != Severity::Note {
        let _ = writeln!(text, "  the shortest run that shows it, with {}:", counted(first.faults.into(), "fault"));
        text.push_str(&self::story(story, "    ", style));
        if diagrams {
            let _ = write!(text, "\n```mermaid\n{}```\n", mermaid(story));
        }
    }
    let _ = writeln!(text, "  for more: amends explain {}", code.as_str());
}

/// One run, a line for each thing that happens.
pub(crate) fn story(story: &Story, indent: &str, style: Style) -> String {
    let mut text = String::new();
    for line in &story.lines {
        let at = format!("{:>9.3}s", line.at_ms as f64 / 1000.0);
        let said = said(line);
        let tone = match line {
            Line { fault: true, .. } => Tone::Back,
            Line { journal: true, .. } => Tone::Dim,
            _ => Tone::Strong,
        };
        let _ = writeln!(text, "{indent}{at}  {}", style.paint(tone, &tame(&said, LONGEST)));
    }
    let ledger = if story.ledger.is_empty() { String::new() } else { format!(" · {}", story.ledger.join(" · ")) };
    let _ = writeln!(text, "{indent}in the end: {}{ledger}", story.end);
    for found in &story.findings {
        let _ = writeln!(text, "{indent}→ {}", tame(found, LONGEST));
    }
    text
}

fn said(line: &Line) -> String {
    let whose = line.saga.as_ref().map_or(String::new(), |saga| format!("{saga}: "));
    match line.people() {
        (from, Some(to)) => format!("{from} → {to}: {}", line.text),
        (_, None) if line.journal => format!("    {whose}{}", line.text),
        (_, None) => format!("*** {whose}{}", line.text),
    }
}

/// A line for each step and phase: what befell it, and how often.
fn coverage(one: &Explored) -> String {
    let mut table: Vec<(String, &str, Vec<String>)> = Vec::new();
    for row in one.report.coverage.rows() {
        let tried = format!("{} {}", row.fault, row.times);
        let step = row.place();
        match table.last_mut() {
            Some((known, phase, all)) if *known == step && *phase == row.phase.as_str() => all.push(tried),
            _ => table.push((step, row.phase.as_str(), vec![tried])),
        }
    }
    let rows: Vec<Vec<String>> =
        table.into_iter().map(|(step, phase, all)| vec![step, phase.to_owned(), all.join(" · ")]).collect();
    let mut text = format!("{}\n", crate::output::table(&["STEP", "PHASE", "TRIED"], rows));
    let untouched = one.report.coverage.untouched();
    if !untouched.is_empty() && one.faults > 0 {
        let _ = writeln!(text, "never ran with this input: {}", untouched.join(", "));
    }
    text
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
