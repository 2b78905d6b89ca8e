//! What participants and networks do to a saga, and what must come of it. Real processes, every time; each test asserts
//! that its fault fired where it was meant to, and lets the checker have the last word.

mod cancels;
mod duplicates;
mod late;
mod limits;
mod network;
mod outage;
mod parallel;
mod rejections;
mod replies;
mod retries;

use std::collections::BTreeMap;

use amends_tests::{
    audit::journal::Event,
    town::{Effects, Town},
    words::Call,
};
use anyhow::Result;
use serde_json::{Value, json};
use uuid::Uuid;

/// The steps of place-order, in order. The fourth is the pivot.
const STEPS: [&str; 5] = ["open", "reserve", "charge", "ship", "confirm"];
/// Those that can be undone.
const BEFORE_PIVOT: [&str; 3] = ["open", "reserve", "charge"];

/// An order to which the service of this step says no.
fn order_rejected_at(step: &str) -> Value {
    let mut order = Town::order(2, 500);
    let (field, bad) = match step {
        "open" => ("customer", json!("")),
        "reserve" => ("quantity", json!(2_000_000)),
        "charge" => ("amount", json!(2_000_000)),
        "ship" => ("address", json!("unknown")),
        other => panic!("no order is rejected at {other}"),
    };
    order[field] = bad;
    order
}

/// The steps before this one.
fn before(step: &str) -> &'static [&'static str] {
    let at = STEPS.iter().position(|name| *name == step).expect("a step of place-order");
    &STEPS[..at]
}

/// Each of these steps with this effect, and no other step with any.
async fn assert_effects(town: &Town, saga: Uuid, expected: &[(&str, Effects)]) -> Result<()> {
    let expected: BTreeMap<String, Effects> = expected.iter().map(|(step, e)| ((*step).to_owned(), *e)).collect();
    assert_eq!(town.effects(saga).await?, expected, "effects of saga {saga}");
    Ok(())
}

/// All of these with one effect.
fn all(steps: &[&'static str], effect: Effects) -> Vec<(&'static str, Effects)> {
    steps.iter().map(|step| (*step, effect)).collect()
}

/// What became of the attempts of this step's action, in their order, by the journal.
async fn outcomes(town: &Town, saga: Uuid, step: &str) -> Result<Vec<&'static str>> {
    let wanted = Call::action(step);
    let journal = town.journal(saga).await?;
    let outcomes = journal.iter().filter_map(|row| match &row.event {
        Event::CallSucceeded { call, .. } if *call == wanted => Some("succeeded"),
        Event::CallUnusable { call, .. } if *call == wanted => Some("unusable"),
        Event::CallRejected { call, .. } if *call == wanted => Some("rejected"),
        Event::CallNotSent { call, .. } if *call == wanted => Some("not sent"),
        Event::CallUnknown { call, .. } if *call == wanted => Some("unknown"),
        _ => None,
    });
    Ok(outcomes.collect())
}
