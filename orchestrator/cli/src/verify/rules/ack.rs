//! Definite answers say whose they are.

use super::Rule;
use crate::verify::bench::{Attempt, Bench, Case, Checked, Heard, broken, promise};

pub(super) const RULE: Rule = Rule {
    name: "ack",
    title: "definite answers carry Saga-Ack with the call's key",
    promise: "A definite answer carries `Saga-Ack: <key>` (the key without its quotes).",
    hint: "add the header to every 2xx and every definite 4xx of a call, replays and null compensations included; without it the \
           orchestrator takes the answer for a gateway's and asks again",
    after: &["first-call"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    acked(&case, &case.action()?, "ack of the action").await?;
    acked(&case, &case.action()?.number(2), "ack of the action's replay").await?;
    acked(&case, &case.compensation()?, "ack of the compensation").await?;
    acked(&case, &case.compensation()?.number(2), "ack of the compensation's replay").await?;
    acked(&case, &case.action()?.number(3), "ack of what a late action hears").await?;
    let case = bench.case().await?;
    acked(&case, &case.compensation()?, "ack of a null compensation").await?;
    if bench.profile.reject.is_some() {
        let case = bench.case().await?;
        let heard = acked(&case, &case.rejected()?, "ack of a rejection").await?;
        if !heard.is_rejection() {
            return Err(broken("answer to the action of `reject`", "a definite 4xx", heard.told()));
        }
    }
    Ok(())
}

/// Whether the answer is the right one is for other rules to say.
async fn acked(case: &Case<'_>, attempt: &Attempt, what: &str) -> Checked<Heard> {
    let heard = case.send(attempt).await?;
    if heard.is_definite() {
        promise(what, &heard.ack, &Some(attempt.key()))?;
    }
    Ok(heard)
}
