//! An action and its compensation at the same time.

use futures_util::future::join;

use super::Rule;
use crate::verify::bench::{Bench, Checked, Seen, broken, promise};

pub(super) const RULE: Rule = Rule {
    name: "concurrent-pair",
    title: "an action and its compensation at the same time leave nothing done",
    promise: "INSERT a tombstone for the action.",
    hint: "the compensation must insert into the same row that the action inserts, so that one waits for the other's commit; if it \
           only looks whether the action is there, it finds nothing and the action commits behind it",
    after: &["one-effect", "compensation-once", "late-copy", "concurrent-duplicates"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let reference = bench.case().await?;
    let untouched = reference.see().await?;
    reference.send(&reference.action()?).await?.succeeded("the action")?;
    reference.send(&reference.compensation()?).await?.succeeded("the compensation")?;
    let undone = reference.see().await?;
    for round in 0..bench.rounds {
        let case = bench.case().await?;
        let (action, undo) = (case.action()?, case.compensation()?);
        // Whoever is polled first is sent first. What they hear is asked again below, when nothing races any more.
        let _ = if round % 2 == 0 {
            join(case.try_send(&action), case.try_send(&undo)).await
        } else {
            join(case.try_send(&undo), case.try_send(&action)).await
        };
        case.until_definite(&undo.number(2)).await?.succeeded("the compensation, asked again")?;
        let left = case.see().await?;
        if left != untouched && left != undone {
            let expected = format!("{} (never done) or {} (undone)", told(&untouched), told(&undone));
            return Err(broken("effect after both", expected, told(&left)));
        }
        let late = case.until_definite(&action.number(2)).await?;
        late.already_compensated("the action, asked again")?;
        promise("effect after the action was asked again", &case.see().await?, &left)?;
    }
    Ok(())
}

fn told(seen: &Seen) -> String {
    seen.0.as_ref().map_or_else(|| "not seen".to_owned(), ToString::to_string)
}
