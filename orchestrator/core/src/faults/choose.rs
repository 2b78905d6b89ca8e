//! Which rule an attempt falls under: a function of plan and attempt, so that a run can be repeated.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::model::{Asked, Attempts, FaultPlan, Moment, Rule};
use crate::ids::Digest;

/// One attempt, as far as rules can tell.
#[derive(Clone, Copy, Debug)]
pub struct Attempted<'a> {
    pub service: &'a str,
    pub saga: Uuid,
    /// The definition's name.
    pub name: &'a str,
    pub step: &'a str,
    pub index: Option<u32>,
    pub op: Asked,
    pub attempt: u32,
    /// The saga's.
    pub labels: &'a Map<String, Value>,
}

/// Of the rules about this moment the first that fits and whose dice say so, of those that `open` lets pass (by number): a rule may
/// have been used up.
pub fn chosen<'p>(
    plan: &'p FaultPlan,
    moment: Moment,
    attempted: &Attempted<'_>,
    mut open: impl FnMut(usize) -> bool,
) -> Option<(usize, &'p Rule)> {
    let fits = |(number, rule): &(usize, &Rule)| {
        rule.fault.moment() == moment
            && rule.fits(attempted)
            && (rule.probability >= 1.0 || share(plan.seed, *number, attempted) < rule.probability)
    };
    plan.rules.iter().enumerate().filter(fits).find(|(number, _)| open(*number))
}

impl Rule {
    fn fits(&self, attempted: &Attempted<'_>) -> bool {
        self.service.as_ref().is_none_or(|service| service.as_str() == attempted.service)
            && self.saga.as_ref().is_none_or(|saga| saga == attempted.name)
            && self.step.as_ref().is_none_or(|step| step.as_str() == attempted.step)
            && self.op.is_none_or(|op| op == attempted.op)
            && self.labels.iter().all(|(name, value)| attempted.labels.get(name) == Some(value))
            && self.attempts.is_none_or(|attempts| match attempts {
                Attempts::First(most) => attempted.attempt <= most,
                Attempts::Only(one) => attempted.attempt == one,
            })
    }
}

/// A number in [0, 1) that depends on nothing but the seed, the rule and which attempt this is.
fn share(seed: u64, rule: usize, attempted: &Attempted<'_>) -> f64 {
    let index = attempted.index.map_or(0, |index| u64::from(index) + 1);
    let digest = Digest::of(&[
        &seed.to_be_bytes(),
        &(rule as u64).to_be_bytes(),
        attempted.saga.as_bytes(),
        attempted.step.as_bytes(),
        &index.to_be_bytes(),
        attempted.op.as_str().as_bytes(),
        &attempted.attempt.to_be_bytes(),
    ]);
    let bits = u32::from_str_radix(&digest.0[..8], 16).expect("invariant: a digest is hex");
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
