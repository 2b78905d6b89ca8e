//! A later attempt of a rejected action is a new question.

use super::Rule;
use crate::verify::bench::{Bench, Checked, broken, promise};

pub(super) const RULE: Rule = Rule {
    name: "rejection-judged-anew",
    title: "a later attempt of a rejected action is judged anew, in a later epoch too",
    promise: "rejected → (epoch, attempt) not higher than the stored one: replay higher: judge anew",
    hint: "compare (epoch, attempt) with that of the stored rejection, epoch first; a higher pair is decided again in the same row",
    after: &["stored-reply", "one-effect", "stored-rejection"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    for later in [(2, 1), (1, 2)] {
        let case = bench.case().await?;
        let rejected = case.rejected()?;
        let no = case.send(&rejected).await?;
        if !no.is_rejection() {
            return Err(broken("answer to the action of `reject`", "a definite 4xx", no.told()));
        }
        case.allow().await?;
        let (number, epoch) = later;
        let anew = rejected.clone().number(number).epoch(epoch);
        let yes = case.send(&anew).await?;
        yes.succeeded(&format!("attempt {number} of epoch {epoch}, once it is acceptable"))?;
        let once = case.see().await?;
        promise("answer to its copy", &case.send(&anew).await?.said(), &yes.said())?;
        promise("effect after its copy", &case.see().await?, &once)?;
    }
    Ok(())
}
