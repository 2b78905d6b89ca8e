//! An action that its compensation has overtaken does not happen any more.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "late-action",
    title: "an action that arrives after its compensation is refused and changes nothing",
    promise: "a compensation may overtake its action. When the action arrives at last, it must not happen any more.",
    hint: "a compensation that comes first inserts the action's row as a tombstone; an action that finds one answers 409",
    after: &["null-compensation"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let before = case.see().await?;
    case.send(&case.compensation()?).await?.succeeded("a compensation without its action")?;
    let action = case.action()?;
    case.send(&action).await?.already_compensated("answer to the late action")?;
    promise("effect after the late action", &case.see().await?, &before)?;
    let later = action.number(2).epoch(2);
    case.send(&later).await?.already_compensated("answer to its next attempt")?;
    promise("effect after the next attempt", &case.see().await?, &before)
}
