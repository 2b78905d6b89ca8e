//! Compensations raise the fence, too, also those that have nothing to undo.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "fence",
    title: "a compensation fences off the actions of lower epochs, in its own saga only",
    promise: "a process that was asleep while another took its saga over must not act any more.",
    hint: "raise the saga's epoch for every call, whatever comes of it; keep it by saga, not for the whole service",
    after: &["stale-epoch", "null-compensation"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let before = case.see().await?;
    case.send(&case.compensation()?.epoch(3)).await?.succeeded("a null compensation in epoch 3")?;
    let asleep = case.send(&case.action()?.epoch(2)).await?;
    asleep.refused_as("answer to an action of epoch 2", 409, "stale-epoch")?;
    promise("effect after it", &case.see().await?, &before)?;
    let other = bench.case().await?;
    other.send(&other.action()?.epoch(1)).await?.succeeded("an action of epoch 1 in another saga")
}
