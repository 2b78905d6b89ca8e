//! However often an action arrives, it is done once.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "one-effect",
    title: "copies of an action change nothing",
    promise: "INSERT the call row (never SELECT first: the insert is the lock).",
    hint: "insert the call's row with its unique key in the transaction of the business change; if it is there already, change \
           nothing",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let action = case.action()?;
    case.send(&action).await?.succeeded("the action")?;
    let once = case.must_see().await?;
    case.send(&action).await?;
    promise("effect after a copy of the attempt", &case.see().await?, &once)?;
    case.send(&action.clone().number(2)).await?;
    case.send(&action.number(3).epoch(2)).await?;
    promise("effect after three copies", &case.see().await?, &once)
}
