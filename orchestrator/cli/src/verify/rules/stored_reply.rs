//! Copies of a call are answered with what was answered first.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "stored-reply",
    title: "copies of an action get the first answer, byte for byte",
    promise: "done → replay the stored answer, byte for byte",
    hint: "store status and body in the call's row, in the transaction of the business change, and replay them from there; later \
           steps use what was in the reply that was lost",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let action = case.action()?;
    let first = case.send(&action).await?;
    first.succeeded("the action")?;
    promise("answer to a copy of the attempt", &case.send(&action).await?.said(), &first.said())?;
    let next = action.clone().number(2);
    promise("answer to the next attempt", &case.send(&next).await?.said(), &first.said())?;
    let adopted = action.number(3).epoch(2);
    promise("answer to the next epoch's attempt", &case.send(&adopted).await?.said(), &first.said())
}
