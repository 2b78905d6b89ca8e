//! A copy of an action that was done and undone is not done again, nor called done.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "late-copy",
    title: "a copy of an action that was undone is refused and changes nothing",
    promise: "tombstone → 409 already compensated, with ack; change nothing",
    hint: "the compensation turns the row of an action that was done into a tombstone, too; a replay of the old success would tell \
           of something that is gone",
    after: &["late-action"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let action = case.action()?;
    case.send(&action).await?.succeeded("the action")?;
    case.send(&case.compensation()?).await?.succeeded("the compensation")?;
    let undone = case.see().await?;
    case.send(&action).await?.already_compensated("answer to a copy of the action")?;
    case.send(&action.number(2)).await?.already_compensated("answer to its next attempt")?;
    promise("effect after the copies", &case.see().await?, &undone)
}
