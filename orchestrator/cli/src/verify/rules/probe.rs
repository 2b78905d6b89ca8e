//! Whether an action was applied can be asked.

use super::Rule;
use crate::verify::bench::{Bench, Checked, promise};

pub(super) const RULE: Rule = Rule {
    name: "probe",
    title: "a probe tells applied from not applied, and changes nothing",
    promise: "done → its stored answer · no row, rejected or tombstone → 404 · accepted → 202",
    hint: "a probe reads the action's row under the action's key; its answers carry the ack too, the 404 above all",
    after: &["ack", "null-compensation"],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let case = bench.case().await?;
    let probe = case.probe()?;
    let nothing = case.send(&probe).await?;
    promise("status of a probe before the action", &nothing.status, &404)?;
    promise("ack of a probe before the action", &nothing.ack, &Some(probe.key()))?;
    let done = case.send(&case.action()?).await?;
    done.succeeded("the action, after it was asked for")?;
    let once = case.see().await?;
    let applied = case.send(&probe).await?;
    promise("answer to a probe after the action", &applied.said(), &done.said())?;
    promise("ack of a probe after the action", &applied.ack, &Some(probe.key()))?;
    promise("effect after a probe", &case.see().await?, &once)?;
    case.send(&case.compensation()?).await?.succeeded("the compensation")?;
    promise("status of a probe after the compensation", &case.send(&probe).await?.status, &404)
}
