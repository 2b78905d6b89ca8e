//! What is said to the person who watches.

use amends_protocol::v1::SagaView;

use super::{audit::Check, orchestrator::Orchestrator, stage::Stage};
use crate::{
    output,
    style::{Style, Tone},
    timeline::timeline,
};

/// A failed check names so many of its failures.
const FAILURES_SHOWN: usize = 10;

/// Who talks.
pub(super) struct Talk {
    style: Style,
}

impl Talk {
    pub(super) fn new(style: Style) -> Self {
        Self { style }
    }

    pub(super) fn opening(&self, stage: &Stage) -> anyhow::Result<()> {
        self.headline(
            "Six services, six databases, and nobody may look into another's",
            "Orders, inventory, shipping, and payments three times: for the shop and as two banks. Each has a port and a \
             store of its own; no transaction can span them. What crosses them, the orchestrator runs as sagas: \
             step by step, each with a way back.",
        )?;
        let mut rows: Vec<Vec<String>> = stage
            .services()
            .iter()
            .map(|door| vec![format!("  {}", door.name), door.url.clone(), door.store.clone()])
            .collect();
        rows.push(vec![
            "  orchestrator".to_owned(),
            stage.orchestrator.url.clone(),
            "SQLite, orchestrator.db".to_owned(),
        ]);
        output::print(&output::table(&["  SERVICE", "URL", "STORE"], rows))
    }

    pub(super) fn headline(&self, title: &str, why: &str) -> anyhow::Result<()> {
        let rule = self.style.paint(Tone::Dim, "──");
        output::print(&format!("\n{rule} {}\n", self.style.paint(Tone::Voice, title)))?;
        output::print(&format!("{}\n", wrapped(why)))
    }

    pub(super) fn saga(&self, saga: &SagaView) -> anyhow::Result<()> {
        output::print(&timeline(saga, self.style))
    }

    pub(super) fn note(&self, text: &str) -> anyhow::Result<()> {
        output::print(&format!("{} {text}", self.style.paint(Tone::Voice, "→")))
    }

    pub(super) fn plain(&self, text: &str) -> anyhow::Result<()> {
        output::print(text)
    }

    pub(super) fn checks(&self, checks: &[Check]) -> anyhow::Result<()> {
        let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        for check in checks {
            let (icon, tone) = if check.failures.is_empty() { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
            let name = format!("{:width$}", check.name);
            output::print(&format!(
                "  {} {name}  {}",
                self.style.paint(tone, icon),
                self.style.paint(Tone::Dim, &check.counted)
            ))?;
            for failure in check.failures.iter().take(FAILURES_SHOWN) {
                output::print(&format!("      {}", self.style.paint(Tone::Bad, failure)))?;
            }
            if check.failures.len() > FAILURES_SHOWN {
                output::print(&format!("      and {} more", check.failures.len() - FAILURES_SHOWN))?;
            }
        }
        Ok(())
    }

    pub(super) fn verdict(&self, passed: bool) -> anyhow::Result<()> {
        let text = if passed {
            self.style.paint(Tone::Good, "\nEverything adds up: through refusals, a lost reply and a kill -9.")
        } else {
            self.style.paint(
                Tone::Bad,
                "\nThe books do not add up. That is a bug in Amends; please report it with the lines above.",
            )
        };
        output::print(&text)
    }

    /// For the person who has to find out why the demo broke.
    pub(super) fn log_of_orchestrator(&self, orchestrator: &Orchestrator) {
        let tail = orchestrator.log_tail();
        if !tail.is_empty() {
            output::say(&format!("the orchestrator's last words:\n{tail}\n"));
        }
    }
}

/// Lines short enough to read.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("invariant: there is a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
