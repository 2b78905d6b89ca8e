//! However often a compensation arrives, it undoes once.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "compensation-once",
    title: "copies of a compensation get the first answer and undo nothing more",
    promise: "INSERT the compensation's row. It was there → replay its answer.",
    hint: "a compensation is a call with a row and a stored answer of its own, under its own key",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    case.send(&case.action()?).await?.succeeded("the action")?;
    let undo = case.compensation()?;
    let first = case.send(&undo).await?;
    first.succeeded("the compensation")?;
    let undone = case.see().await?;
    promise("answer to a copy of the compensation", &case.send(&undo).await?.said(), &first.said())?;
    promise("answer to its next attempt", &case.send(&undo.number(2).epoch(2)).await?.said(), &first.said())?;
    promise("effect after the copies", &case.see().await?, &undone)
}
