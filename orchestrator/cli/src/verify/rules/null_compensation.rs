//! What did not happen can be undone.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "null-compensation",
    title: "a compensation whose action never came succeeds and changes nothing",
    promise: "the orchestrator undoes what *may* have happened. If it had not, there is nothing to do.",
    hint: "a compensation that finds no row of its action stores a tombstone for it and answers 200; 404 would keep the saga from \
           ever being compensated",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let before = case.see().await?;
    let undo = case.compensation()?;
    let first = case.send(&undo).await?;
    first.succeeded("a compensation without its action")?;
    promise("effect after it", &case.see().await?, &before)?;
    promise("answer to its copy", &case.send(&undo.number(2)).await?.said(), &first.said())?;
    promise("effect after its copy", &case.see().await?, &before)
}
