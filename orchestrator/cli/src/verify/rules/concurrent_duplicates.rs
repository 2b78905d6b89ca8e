//! Copies that arrive at the same time.

use futures_util::future::join_all;

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "concurrent-duplicates",
    title: "copies at the same time have one effect and one answer",
    promise: "two deliveries at once must not both find nothing. Check-then-act lets both through.",
    hint: "the insert must be the lock: a unique key on the call's row, inserted first thing in the transaction. A SELECT before it, \
           or an insert in a transaction of its own, lets both through",
    after: &["stored-reply", "one-effect"],
    check: |bench| Box::pin(check(bench)),
};

const COPIES: u32 = 5;

async fn check(bench: &Bench) -> Checked {
    for _ in 0..bench.rounds {
        let case = bench.case().await?;
        let action = case.action()?;
        let copies: Vec<_> = (1..=COPIES).map(|number| action.clone().number(number)).collect();
        let heard = join_all(copies.iter().map(|copy| case.try_send(copy))).await;
        let once = case.see().await?;
        // Now nothing races any more: what holds is what is answered from here on.
        let holds = case.until_definite(&action).await?;
        holds.succeeded("the action, asked again after five copies at once")?;
        // Whoever hears *perhaps* (a lock that took too long) asks again.
        for heard in heard.into_iter().flatten().filter(|heard| heard.is_definite()) {
            promise("answer to one of five copies at once", &heard.said(), &holds.said())?;
        }
        promise("effect after another copy", &case.see().await?, &once)?;
        let reference = bench.case().await?;
        reference.send(&reference.action()?).await?.succeeded("an action alone")?;
        let alone = reference.see().await?;
        promise("effect of five copies at once, compared with that of one alone", &once, &alone)?;
    }
    Ok(())
}
