//! Calls of an owner that has been replaced.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "stale-epoch",
    title: "a call with a lower epoch is refused as stale-epoch, without ack",
    promise: "epoch lower than the highest seen for this saga → 409 stale-epoch.",
    hint: "keep the highest Saga-Epoch of each saga in a row of its own, raise it and compare with it in the call's transaction, before \
           anything is replayed",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let action = case.action()?;
    case.send(&action.clone().epoch(5)).await?.succeeded("the action in epoch 5")?;
    let once = case.see().await?;
    let stale = case.send(&case.compensation()?.epoch(4)).await?;
    stale.refused_as("answer to a compensation of epoch 4", 409, "stale-epoch")?;
    promise("effect after it", &case.see().await?, &once)?;
    let copy = case.send(&action.number(2).epoch(4)).await?;
    copy.refused_as("answer to a copy of epoch 4", 409, "stale-epoch")?;
    case.send(&case.compensation()?.epoch(5)).await?.succeeded("the compensation in epoch 5")
}
