//! What was accepted and compensated is never finished.

use uuid::Uuid;

use super::Rule;
use crate::verify::bench::{Bench, Checked, not_tested, promise};

pub(super) const RULE: Rule = Rule {
    name: "accepted-then-undone",
    title: "what was accepted and compensated is never finished",
    promise: "tombstone → it was compensated meanwhile: do nothing, forget it",
    hint: "finishing looks at the call's row in its own transaction: only an accepted one may be finished",
    after: &["accepted", "late-action"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let Some(later) = &bench.profile.later else { return not_tested("the profile has no `async`") };
    let case = bench.case().await?;
    let before = case.see().await?;
    let action = case.action()?.later(&Uuid::new_v4().to_string());
    promise("status of a call that may be called back", &case.send(&action).await?.status, &202)?;
    case.send(&case.compensation()?).await?.succeeded("the compensation of an accepted action")?;
    let undone = case.see().await?;
    case.send(&action.number(2)).await?.already_compensated("a copy of the accepted action")?;
    // As long as it would have had to be finished.
    tokio::time::sleep(later.within).await;
    let left = case.see().await?;
    promise("effect once it would have been finished", &left, &undone)?;
    if left == before { Ok(()) } else { not_tested("it was finished before its compensation came; let it take longer") }
}
