//! An action and its compensation work at all.

use super::Rule;
use crate::verify::bench::{Bench, Checked, Seen, broken};

pub(super) const RULE: Rule = Rule {
    name: "first-call",
    title: "an action is done, and its compensation undoes it",
    promise: "**2xx**: done. **4xx** (except 408, 425, 429): a definite no, nothing was changed.",
    hint: "look at what came: the profile may ask for something else than the service takes, or `prepare` is missing; if the \
           effect is not seen, `effect` reads the wrong place",
    after: &[],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let before = case.see().await?;
    case.send(&case.action()?).await?.succeeded("the action")?;
    let done = case.see().await?;
    differs("what `effect` shows after the action", &before, &done)?;
    case.send(&case.compensation()?).await?.succeeded("the compensation")?;
    differs("what `effect` shows after the compensation", &done, &case.see().await?)
}

fn differs(what: &str, before: &Seen, after: &Seen) -> Checked {
    match (before, after) {
        (Seen(Some(before)), Seen(Some(after))) if before == after => {
            Err(broken(what, format!("something else than {before}"), after.to_string()))
        }
        _ => Ok(()),
    }
}
