//! Retries and deadlines that do not go together.

use super::{Lints, key_at};
use crate::definition::{
    diagnostic::{Mark, code},
    duration,
    model::{Retry, Side},
    node::Node,
    worst,
};

impl Lints<'_, '_, '_> {
    pub(super) fn time(&mut self) {
        self.deadline();
        let (entries, definition) = (self.entries, self.definition);
        for ((_, node), step) in entries.iter().zip(&definition.steps) {
            if let (Side::Before, Some(written), Some(call)) = (step.side, node.get("retry"), step.call()) {
                self.retry(written, &call.action.retry);
            }
        }
    }

    /// A deadline that comes before a single step has had its attempts, or has waited, makes some of it words only.
    fn deadline(&mut self) {
        let (Some(deadline), Some(at)) = (self.definition.deadline, key_at(self.root, "deadline")) else { return };
        let before = self.definition.steps.iter().filter(|step| step.side == Side::Before);
        let longest =
            before.filter_map(|step| Some((worst::of_one(step, &|_| None).duration?, step))).max_by_key(|cost| cost.0);
        let Some((needed, step)) = longest.filter(|(needed, _)| *needed > deadline) else { return };
        let (deadline, needed) = (duration::write(deadline), duration::write(needed));
        let name = &step.name;
        let (message, hint) = match step.call() {
            Some(call) => {
                let attempts = call.action.retry.attempts.unwrap_or_default();
                let had = match call.verdict_within {
                    Some(_) => format!("has had its {attempts} attempts and its verdict: that takes up to {needed}"),
                    None => format!("has had its {attempts} attempts: they take up to {needed}"),
                };
                let hint = "a longer deadline, a shorter timeout or fewer attempts";
                (format!("the deadline of {deadline} may come before `{name}` {had}"), hint)
            }
            None => {
                let waited = format!("has waited, which may take {needed}");
                (format!("the deadline of {deadline} may come before `{name}` {waited}"), "a longer deadline")
            }
        };
        self.warn(code::DEADLINE_TOO_SHORT, at, message, hint);
    }

    /// Waits between attempts that there are not. From the pivot on, and in compensations, attempts go on.
    fn retry(&mut self, written: &Node, retry: &Retry) {
        let idle = |lints: &mut Self, key: &str, why: &str| {
            if let Some(at) = key_at(written, key) {
                lints.idle(at, key, why);
            }
        };
        match retry.attempts {
            Some(1) => {
                for key in ["backoff", "factor", "max_backoff"] {
                    idle(self, key, "there is one attempt and so no wait");
                }
            }
            Some(2) => idle(self, "factor", "between two attempts there is one wait, and nothing grows"),
            _ if retry.backoff == retry.max_backoff && retry.factor > 1.0 => {
                idle(self, "factor", "the first wait is the longest one already");
            }
            _ => {}
        }
    }

    fn idle(&mut self, at: Mark, key: &str, why: &str) {
        self.warn(code::IDLE_RETRY, at, format!("`{key}` changes nothing: {why}"), "take it out");
    }
}
