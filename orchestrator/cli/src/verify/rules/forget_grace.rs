//! Within the grace a forget changes nothing.

use amends_protocol::forget::FORGET_PATH;
use reqwest::Method;
use serde_json::json;

use super::Rule;
use crate::verify::bench::{Bench, Checked, not_tested, promise};

pub(super) const RULE: Rule = Rule {
    name: "forget-grace",
    title: "after a forget copies are still answered as before, as long as the grace lasts",
    promise: "**Until the grace is over nothing changes.** Copies are answered with the stored answer, late actions meet their tombstone",
    hint: "a forget only marks; rows go when the mark is older than the grace. A service that runs without grace fails here: copies \
           that are still on their way would be done again",
    after: &["stored-reply", "one-effect", "late-copy", "forget"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let action = case.action()?;
    let first = case.send(&action).await?;
    first.succeeded("the action")?;
    let once = case.see().await?;
    let body = json!({ "sagas": [case.saga] }).to_string();
    let forget = || bench.plain(Method::POST, FORGET_PATH, Some(("application/json", body.clone())));
    let forgotten = forget().await?;
    if matches!(forgotten.status, 404 | 405) {
        return not_tested("the service has no such route, and keeps its rows for ever");
    }
    promise("status of a forget", &forgotten.status, &204)?;
    promise("answer to a copy after it", &case.send(&action.clone().number(2)).await?.said(), &first.said())?;
    promise("effect after that copy", &case.see().await?, &once)?;
    case.send(&case.compensation()?).await?.succeeded("a compensation after it")?;
    let undone = case.see().await?;
    promise("status of a second forget", &forget().await?.status, &204)?;
    case.send(&action.number(3)).await?.already_compensated("a copy after the compensation")?;
    promise("effect after both", &case.see().await?, &undone)
}
