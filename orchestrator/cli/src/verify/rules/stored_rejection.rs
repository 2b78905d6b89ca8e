//! A rejection is repeated to copies, also when the service would say yes by now.

use super::Rule;
use crate::verify::bench::{Bench, Checked, broken, promise};

pub(super) const RULE: Rule = Rule {
    name: "stored-rejection",
    title: "a rejected action stays rejected for copies, and leaves no change",
    promise: "a network may deliver a copy of a rejected request later, when it would succeed.",
    hint: "store a refusal with its (epoch, attempt) as it was answered, after undoing the business change; a copy that is no later \
           attempt gets it again",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let rejected = case.rejected()?;
    let before = case.see().await?;
    let no = case.send(&rejected).await?;
    if !no.is_rejection() {
        return Err(broken("answer to the action of `reject`", "a definite 4xx", no.told()));
    }
    promise("effect after a rejection", &case.see().await?, &before)?;
    promise("answer to its copy", &case.send(&rejected).await?.said(), &no.said())?;
    if bench.profile.reject.as_ref().is_none_or(|reject| reject.allow.is_empty()) {
        return Ok(());
    }
    case.allow().await?;
    let allowed = case.see().await?;
    promise("answer to a copy once it would be accepted", &case.send(&rejected).await?.said(), &no.said())?;
    promise("effect after that copy", &case.see().await?, &allowed)
}
