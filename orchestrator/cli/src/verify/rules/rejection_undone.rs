//! A compensation after a rejection undoes nothing, and ends the matter.

use super::Rule;
use crate::verify::bench::{Bench, Checked, broken, promise};

pub(super) const RULE: Rule = Rule {
    name: "rejection-undone",
    title: "the compensation of a rejected action changes nothing, and no later attempt happens",
    promise: "it went in, or the action was rejected → nothing to undo: turn the action's row into a tombstone",
    hint: "treat a rejected action in its compensation as one that never came: tombstone, empty 200",
    after: &["stored-rejection", "late-action"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let rejected = case.rejected()?;
    let no = case.send(&rejected).await?;
    if !no.is_rejection() {
        return Err(broken("answer to the action of `reject`", "a definite 4xx", no.told()));
    }
    let before = case.see().await?;
    case.send(&case.compensation()?).await?.succeeded("the compensation of a rejected action")?;
    promise("effect after it", &case.see().await?, &before)?;
    if bench.profile.reject.as_ref().is_some_and(|reject| !reject.allow.is_empty()) {
        case.allow().await?;
    }
    let allowed = case.see().await?;
    let later = case.send(&rejected.number(2).epoch(2)).await?;
    later.already_compensated("answer to a later attempt of the rejected action")?;
    promise("effect after that attempt", &case.see().await?, &allowed)
}
