//! The same key with other bytes.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "other-body",
    title: "the same key with another body is refused as other-body, without ack",
    promise: "the key is known with another digest → 422 other-body.",
    hint: "store a digest of method, path and body with the call's row and compare it before anything is replayed",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let other = case.other_action()?;
    case.send(&case.action()?).await?.succeeded("the action")?;
    let once = case.see().await?;
    let heard = case.send(&other.number(2)).await?;
    heard.refused_as("answer to the same key with another body", 422, "other-body")?;
    promise("effect after another body", &case.see().await?, &once)
}
