//! Calls that take longer are accepted once.

use uuid::Uuid;

use super::Rule;
use crate::verify::bench::{Bench, Checked, not_tested, promise};

pub(super) const RULE: Rule = Rule {
    name: "accepted",
    title: "a call that brings Saga-Callback is accepted with 202, and its copies are",
    promise: "Copies are answered with the 202.",
    hint: "accept in the call's own transaction, with the 202 as the stored answer; the call brings the token in Saga-Callback",
    after: &["ack"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    if bench.profile.later.is_none() {
        return not_tested("the profile has no `async`");
    }
    let case = bench.case().await?;
    let action = case.action()?.later(&Uuid::new_v4().to_string());
    let accepted = case.send(&action).await?;
    promise("status of a call that may be called back", &accepted.status, &202)?;
    promise("ack of a 202", &accepted.ack, &Some(action.key()))?;
    let copy = case.send(&action.number(2)).await?;
    // It may have been finished meanwhile: then the final answer stands in its row.
    if copy.status == 202 {
        promise("answer to a copy", &copy.said(), &accepted.said())?;
    }
    copy.succeeded("a copy of what was accepted")
}
