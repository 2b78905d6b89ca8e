//! What was found, rule by rule: for people and for programs.

use serde::Serialize;

use crate::style::{Style, Tone};

/// Of one service.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) service: String,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) not_tested: usize,
    pub(crate) rules: Vec<Line>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) rule: &'static str,
    pub(crate) title: &'static str,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Passed,
    Failed {
        #[serde(flatten)]
        failure: Box<Failure>,
    },
    NotTested {
        why: String,
    },
}

/// A promise that was broken.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) found: String,
    /// A line of docs/participant.md.
    pub(crate) promise: &'static str,
    pub(crate) hint: &'static str,
    /// The last of them is where it was noticed.
    pub(crate) exchanges: Vec<Exchange>,
}

/// One request and what came of it, as they are shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Exchange {
    pub(crate) sent: String,
    pub(crate) came: String,
}

impl Report {
    pub(crate) fn new(service: String, rules: Vec<Line>) -> Self {
        let count = |of: fn(&Outcome) -> bool| rules.iter().filter(|line| of(&line.outcome)).count();
        Self {
            service,
            passed: count(|outcome| matches!(outcome, Outcome::Passed)),
            failed: count(|outcome| matches!(outcome, Outcome::Failed { .. })),
            not_tested: count(|outcome| matches!(outcome, Outcome::NotTested { .. })),
            rules,
        }
    }

    /// For people.
    pub(crate) fn text(&self, style: Style) -> String {
        let width = self.rules.iter().map(|line| line.rule.len()).max().unwrap_or_default();
        let mut lines = Vec::new();
        for Line { rule, title, outcome } in &self.rules {
            let name = format!("{rule:width$}");
            lines.push(match outcome {
                Outcome::Passed => format!("{} {name}  {title}", style.paint(Tone::Good, "passed    ")),
                Outcome::Failed { .. } => {
                    format!("{} {}  {title}", style.paint(Tone::Bad, "FAILED    "), style.paint(Tone::Strong, &name))
                }
                Outcome::NotTested { why } => {
                    format!("{} {name}  {}", style.paint(Tone::Dim, "not tested"), style.paint(Tone::Dim, why))
                }
            });
            if let Outcome::Failed { failure } = outcome {
                failure.tell(&mut lines, style);
            }
        }
        let Self { passed, failed, not_tested, .. } = self;
        lines.push(format!("\n{passed} passed, {failed} failed, {not_tested} not tested"));
        lines.join("\n")
    }
}

impl Failure {
    fn tell(&self, lines: &mut Vec<String>, style: Style) {
        for Exchange { sent, came } in &self.exchanges {
            lines.push(below("sent", sent, style));
            lines.push(below("came", came, style));
        }
        lines.push(below("what", &self.what, style));
        lines.push(below("expected", &self.expected, style));
        lines.push(below("found", &self.found, style));
        lines.push(below("promise", &format!("docs/participant.md: “{}”", self.promise), style));
        lines.push(below("hint", self.hint, style));
        lines.push(String::new());
    }

    /// For reports that have one text for a failure.
    pub(super) fn plain(&self) -> String {
        let mut lines = Vec::new();
        self.tell(&mut lines, Style::PLAIN);
        lines.join("\n")
    }
}

fn below(word: &str, text: &str, style: Style) -> String {
    let text = text.replace('\n', "\n             ");
    format!("    {} {text}", style.paint(Tone::Dim, &format!("{word:8}")))
}
