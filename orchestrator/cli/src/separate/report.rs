//! What was found, a row for each service.

use serde::Serialize;

use crate::{
    output,
    style::{Style, Tone},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Error,
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl Finding {
    pub(super) fn new(severity: Severity, code: &'static str, detail: impl Into<String>) -> Self {
        Self { severity, code, detail: detail.into() }
    }
}

/// One service; or the orchestrator's store, which has no address and no card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(super) service: String,
    pub(super) urls: Vec<String>,
    pub(super) kind: Option<String>,
    pub(super) barrier: Option<bool>,
    pub(super) fingerprint: Option<String>,
    pub(super) findings: Vec<Finding>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    services: Vec<Row>,
    /// Credential at store: how many were tried.
    pairs_tried: usize,
    errors: usize,
    warnings: usize,
}

impl Report {
    pub(super) fn new(services: Vec<Row>, pairs_tried: usize) -> Self {
        let count = |severity| {
            let findings = services.iter().flat_map(|row: &Row| &row.findings);
            findings.filter(|finding| finding.severity == severity).count()
        };
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        Self { services, pairs_tried, errors, warnings }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.errors == 0
    }

    pub(crate) fn text(&self, style: Style) -> String {
        let word = |known: &Option<String>| known.clone().unwrap_or_else(|| "–".to_owned());
        let rows = self.services.iter().map(|row| {
            let verdict = if row.findings.is_empty() {
                "ok".to_owned()
            } else {
                row.findings.iter().map(|finding| finding.code).collect::<Vec<_>>().join(", ")
            };
            let barrier = row.barrier.map_or("–", |barrier| if barrier { "yes" } else { "no" });
            vec![row.service.clone(), word(&row.kind), barrier.to_owned(), word(&row.fingerprint), verdict]
        });
        let mut text = output::table(&["SERVICE", "STORE", "BARRIER", "FINGERPRINT", "VERDICT"], rows.collect());
        text.push('\n');
        for row in &self.services {
            for finding in &row.findings {
                let (word, tone) = match finding.severity {
                    Severity::Error => ("error", Tone::Bad),
                    Severity::Warning => ("warning", Tone::Back),
                };
                text.push_str(&format!("\n{}: {}: {}", style.paint(tone, word), row.service, finding.detail));
            }
        }
        let pairs = match self.pairs_tried {
            0 => "no credentials were given, so none was tried".to_owned(),
            pairs => format!("{pairs} credentials were tried at stores"),
        };
        let (services, errors, warnings) = (self.services.len(), self.errors, self.warnings);
        text.push_str(&format!("\n{services} services, {errors} errors, {warnings} warnings; {pairs}"));
        text
    }
}
