//! What was measured, against what was to be: as tables for people and as JSON. Filled by the scenarios. Must never know how
//! anything is measured.

use serde::Serialize;

use crate::{figure::Figure, ground::StoreKind, measure::Machine, town::Contender};

/// Everything that a run has to say. The first fields are the headline: of the first scenario, at the most in flight.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    sagas_per_s: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// The same calls through the HTTP client that the orchestrator has, with no orchestrator, and the part of it.
    ceiling_sagas_per_s: Option<f64>,
    ceiling_ratio: Option<f64>,
    /// The same of the load's own raw client.
    raw_ceiling_sagas_per_s: Option<f64>,
    raw_ceiling_ratio: Option<f64>,
    ratio_vs_restate: Option<f64>,
    ratio_vs_dbos: Option<f64>,
    store: StoreKind,
    seconds: f64,
    machine: Machine,
    /// Versions and settings, by contender.
    settings: Vec<(&'static str, String)>,
    figures: Vec<Figure>,
    verdicts: Vec<Verdict>,
}

/// A target and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    what: String,
    measured: Option<f64>,
    target: Bound,
    met: bool,
    /// Why nothing was measured, or what else there is to know.
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl Report {
    pub(crate) fn new(store: StoreKind, seconds: f64, machine: Machine, settings: Vec<(&'static str, String)>) -> Self {
        Self {
            sagas_per_s: None,
            p50_ms: None,
            p99_ms: None,
            raw_ceiling_sagas_per_s: None,
            raw_ceiling_ratio: None,
            ceiling_sagas_per_s: None,
            ceiling_ratio: None,
            ratio_vs_restate: None,
            ratio_vs_dbos: None,
            store,
            seconds,
            machine,
            settings,
            figures: vec![],
            verdicts: vec![],
        }
    }

    /// Only the first one stays.
    pub(crate) fn headline(&mut self, all: &[Figure]) {
        let of = |contender| all.iter().find(|figure| figure.contender == contender);
        let ours = of(Contender::Amends);
        let rate = |contender| Some(of(contender)?.sagas_per_s);
        let over = |peer| Some(ours?.sagas_per_s / of(peer)?.sagas_per_s);
        if let (None, Some(ours)) = (self.sagas_per_s, ours) {
            self.sagas_per_s = Some(ours.sagas_per_s);
            self.p50_ms = Some(ours.p50_ms);
            self.p99_ms = Some(ours.p99_ms);
            self.ceiling_ratio = ours.ceiling_ratio;
            self.ceiling_sagas_per_s = rate(Contender::Ceiling);
            self.raw_ceiling_ratio = ours.raw_ceiling_ratio;
            self.raw_ceiling_sagas_per_s = rate(Contender::CeilingRaw);
            self.ratio_vs_restate = over(Contender::Restate);
            self.ratio_vs_dbos = over(Contender::Dbos);
        }
    }

    pub(crate) fn add(&mut self, figures: Vec<Figure>) {
        eprint!("{}", table(&figures));
        self.figures.extend(figures);
    }

    /// Holds what was measured against its target; what should have been measured and was not has missed it.
    pub(crate) fn hold(&mut self, what: impl Into<String>, measured: Option<f64>, target: Bound) {
        let met = measured.is_some_and(|value| target.met(value));
        let note = measured.is_none().then(|| "not measured".to_owned());
        self.verdicts.push(Verdict { what: what.into(), measured, target, met, note });
    }

    /// As [`Report::hold`]; a peer that was not asked for is no target.
    pub(crate) fn hold_ratio(&mut self, what: &str, peer: Contender, ratio: Option<f64>, target: Bound) {
        if ratio.is_some() {
            self.hold(format!("{what}: ratio to {}", name(peer)), ratio, target);
        }
    }

    pub(crate) fn all_met(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.met)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{} cores, {}, Linux {}; 20 KiB are durable in {:.2} ms{}; {:.1} others at work before\n",
            machine.cores,
            machine.cpu,
            machine.kernel,
            machine.sync_ms,
            if machine.in_memory { ", WHICH IS MEMORY, NOT A DISK" } else { "" },
            machine.load_before,
        );
        for (who, how) in &self.settings {
            text.push_str(&format!("{who}: {how}\n"));
        }
        text.push('\n');
        text.push_str(&table(&self.figures));
        text.push('\n');
        for verdict in &self.verdicts {
            let (word, bound) = match verdict.target {
                Bound::AtLeast(least) => ("at least", least),
                Bound::AtMost(most) => ("at most", most),
            };
            let met = if verdict.met { "met   " } else { "MISSED" };
            let measured = verdict.measured.map_or("-".to_owned(), number);
            let note = verdict.note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
            text.push_str(&format!("{met}  {}: {measured}, {word} {}{note}\n", verdict.what, number(bound)));
        }
        text
    }
}

const COLUMNS: [&str; 14] = [
    "scenario",
    "who",
    "load",
    "sagas/s",
    "of ceiling",
    "of raw",
    "p50 ms",
    "p99 ms",
    "cores",
    "CPU ms/saga",
    "peak MiB",
    "commits",
    "statements",
    "bytes",
];

fn table(figures: &[Figure]) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for figure in figures {
        let some = |value: Option<f64>| value.map_or("-".to_owned(), number);
        rows.push([
            figure.scenario.to_owned(),
            name(figure.contender).to_owned(),
            match (figure.in_flight, figure.starts_per_s) {
                (Some(in_flight), _) => format!("{in_flight} in flight"),
                (None, per_s) => format!("{}/s", some(per_s)),
            },
            number(figure.sagas_per_s),
            some(figure.ceiling_ratio),
            some(figure.raw_ceiling_ratio),
            number(figure.p50_ms),
            number(figure.p99_ms),
            some(figure.cores),
            some(figure.cpu_ms_per_saga),
            some(figure.peak_memory_mib),
            some(figure.commits_per_saga),
            some(figure.statements_per_saga),
            some(figure.bytes_per_saga),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let line = |row: &[String; 14]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn name(contender: Contender) -> &'static str {
    match contender {
        Contender::Amends => "amends",
        Contender::Ceiling => "ceiling",
        Contender::CeilingRaw => "ceiling, raw client",
        Contender::Restate => "restate",
        Contender::Dbos => "dbos",
    }
}
