//! A plan with everything in it: whatever it does to the calls, the books are right in the end.

use std::{collections::BTreeMap, time::Duration};

use amends_protocol::{problem::ProblemType, v1::SagaStatus};
use amends_tests::{
    town::{Plan, Town},
    wait::until_true,
};
use anyhow::Result;

const SOON: Duration = Duration::from_secs(30);

/// Each fault now and then; none of them ends a process. From its third attempt on a call meets none that keeps it from its end, so
/// that every saga ends within a few seconds whatever the dice say.
const EVERYTHING: &str = "seed: 7
rules:
  - { name: no use, op: action, step: reserve, attempts: 1, probability: 0.25, body: '<html>' }
  - { name: rejected, op: action, step: charge, attempts: 1, probability: 0.25, reject: 402 }
  - { name: late, attempts: 2, probability: 0.1, delay: 60ms }
  - { name: refused, attempts: 2, probability: 0.1, refuse: true }
  - { name: request lost, attempts: 2, probability: 0.1, lose: request }
  - { name: reply lost, attempts: 2, probability: 0.15, lose: reply }
  - { name: failed, attempts: 2, probability: 0.1, fail: 503 }
  - { name: foreign, attempts: 2, probability: 0.1, status: 502 }
  - { name: cut, attempts: 2, probability: 0.15, cut: true }
  - { name: twice, probability: 0.3, duplicate: 2 }
  - { name: again, probability: 0.3, replay: 300ms }
  - { name: after its compensation, op: action, replay: compensation }
";

#[tokio::test]
async fn sagas_come_to_an_end_with_every_fault_at_once_and_the_books_are_right() -> Result<()> {
    let town = Town::start(Plan::orders().allowing_faults()).await?;
    let client = town.client()?;
    client.set_faults(EVERYTHING).await?;
    let mut sagas = Vec::new();
    for number in 0..60 {
        let mut order = Town::order(1, 100);
        // Some fail in the end, so that compensations meet faults, too.
        if number % 3 == 0 {
            order["address"] = "unknown".into();
        }
        sagas.push(town.begin(order).await?);
    }
    let mut ends = BTreeMap::new();
    for saga in sagas {
        *ends.entry(town.ended(saga).await?.status.as_str()).or_insert(0) += 1;
    }
    let fired: BTreeMap<String, u64> =
        client.clear_faults().await?.rules.into_iter().map(|rule| (rule.name, rule.fired)).collect();
    assert!(fired.len() == 12 && fired.values().all(|times| *times > 0), "each fault fired: {fired:?}");
    assert!(ends.get("completed").is_some_and(|times| *times >= 5), "enough work succeeded: {ends:?}");
    assert!(ends.get("compensated").is_some_and(|times| *times >= 20), "and enough was undone: {ends:?}");
    until_true("the wire is quiet", SOON, || town.wire_is_quiet()).await?;
    town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    town.audit().await
}

#[tokio::test]
async fn a_server_that_was_not_started_for_it_takes_no_plan() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let refused = town.client()?.set_faults(EVERYTHING).await.unwrap_err();
    assert_eq!(refused.problem().and_then(|problem| problem.problem_type()), Some(ProblemType::FaultsNotAllowed));
    town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    town.audit().await
}
