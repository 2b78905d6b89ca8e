//! What came of a run, for people and for programs.

use std::{collections::BTreeMap, time::Duration};

use amends_protocol::v1::FaultRuleView;
use serde::Serialize;

use super::{Options, Ran};
use crate::{
    audit::{Check, Record},
    style::{Style, Tone, tame},
};

/// Of each check so many failures are shown to people.
const SHOWN: usize = 10;
const LINE_CHARS: usize = 300;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) holds: bool,
    saga: String,
    /// The keys of the sagas are `<run>-0`, `<run>-1`, ….
    run: String,
    sagas: BTreeMap<&'static str, usize>,
    /// That wait for a person.
    attention: usize,
    /// By rule; absent if the process that had the plan is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<FaultRuleView>>,
    under_faults_ms: u64,
    to_rest_ms: u64,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(options: &Options, ran: Ran, sagas: &[Record], checks: Vec<Check>) -> Self {
        let mut by_status = BTreeMap::new();
        for record in sagas {
            *by_status.entry(record.view.status.as_str()).or_default() += 1;
        }
        Self {
            holds: checks.iter().all(|check| check.failures.is_empty()),
            saga: options.saga.clone(),
            run: options.run.clone(),
            sagas: by_status,
            attention: sagas.iter().filter(|record| !record.view.attention.is_empty()).count(),
            faults: ran.fired,
            under_faults_ms: milliseconds(ran.under_faults),
            to_rest_ms: milliseconds(ran.to_rest),
            checks,
        }
    }

    /// For people.
    pub(crate) fn text(&self, style: Style) -> String {
        let sagas: Vec<String> = self.sagas.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let mut lines = vec![
            format!("{}: {}, {} need a person", self.saga, sagas.join(", "), self.attention),
            format!("{} ms under faults, {} ms to rest; run {}", self.under_faults_ms, self.to_rest_ms, self.run),
        ];
        for rule in self.faults.iter().flatten() {
            lines.push(format!("  {:6} × {} ({})", rule.fired, tame(&rule.name, 80), rule.fault));
        }
        for Check { name, counted, failures } in &self.checks {
            let (tone, mark) = if failures.is_empty() { (Tone::Good, "holds ") } else { (Tone::Bad, "BROKEN") };
            lines.push(format!("{} {name}: {counted}", style.paint(tone, mark)));
            lines.extend(failures.iter().take(SHOWN).map(|failure| format!("         {}", tame(failure, LINE_CHARS))));
            if failures.len() > SHOWN {
                lines.push(format!("         and {} more", failures.len() - SHOWN));
            }
        }
        lines.join("\n")
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
