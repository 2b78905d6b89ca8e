//! Answers that say "not now", and when the next attempt comes.

use std::{collections::BTreeSet, time::Duration};

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::Event,
    proxy::{Action, Rule},
    town::{Effects, Plan, Town},
    words::{self, Call, Op},
};
use anyhow::{Context, Result};

use crate::{STEPS, all, assert_effects, outcomes};

/// The service does it each time, as far as it can tell, and somebody says 500.
#[tokio::test]
async fn three_times_500_and_then_200_is_one_effect_after_four_attempts_with_one_key_and_one_body() -> Result<()> {
    let town = Town::start(Plan::orders().patient()).await?;
    for step in STEPS {
        let broken = Action::StatusInstead(500, "broken".to_owned());
        let broken = town.inject_rule(step, Rule::action_of(step, broken).attempts(1..=3));
        let saga = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
        broken.assert_fired(3);
        town.heal();
        let wire = town.wire(saga.id, step, Op::Action);
        assert_eq!(wire.iter().map(|request| request.attempt).collect::<Vec<_>>(), [1, 2, 3, 4], "{step}");
        assert!(wire.iter().all(|request| request.copies.len() == 1), "{step}: each arrived");
        let key = |(name, _): &&(String, String)| name == "idempotency-key";
        let keys: BTreeSet<_> = wire.iter().map(|request| request.sent.headers.iter().find(key)).collect();
        let bodies: BTreeSet<_> = wire.iter().map(|request| (&request.digest, &request.sent.body)).collect();
        assert_eq!((keys.len(), bodies.len()), (1, 1), "{step}: {keys:?}, {bodies:?}");
        assert!(keys.first().is_some_and(Option::is_some), "{step} has a key");
        assert_eq!(outcomes(&town, saga.id, step).await?, ["unknown", "unknown", "unknown", "succeeded"], "{step}");
        assert_effects(&town, saga.id, &all(&STEPS, Effects::DONE)).await?;
    }
    town.audit().await
}

/// How long after its first attempt the second one of `charge` was to be made when the first was answered like this.
async fn waits(town: &Town, retry_after: &str) -> Result<Duration> {
    let busy = Action::NotNow(429, retry_after.to_owned());
    let busy = town.inject_rule("charge", Rule::action_of("charge", busy).attempts(1..=1));
    let saga = town.run(Town::order(2, 500), SagaStatus::Completed).await?;
    busy.assert_fired(1);
    town.heal();
    assert_eq!(outcomes(town, saga.id, "charge").await?, ["unknown", "succeeded"]);
    assert_effects(town, saga.id, &all(&STEPS, Effects::DONE)).await?;
    let journal = town.journal(saga.id).await?;
    let again = journal.iter().find_map(|row| match &row.event {
        Event::CallIntended { call, attempt: 2, due_at, .. } if *call == Call::action("charge") => {
            Some((row.at, *due_at))
        }
        _ => None,
    });
    let (at, due_at) = again.context("it was tried again")?;
    let arrived = town.wire(saga.id, "charge", Op::Action)[1].arrived_at;
    // The orchestrator's time and the proxy's are of one machine; rounding is all that may lie between them.
    assert!(arrived + 5_000 >= due_at, "it came {} µs too early", due_at - arrived);
    Ok(Duration::from_micros(u64::try_from(due_at - at)?))
}

#[tokio::test]
async fn retry_after_is_waited_for_in_seconds_and_as_a_date_and_never_for_longer_than_the_longest_backoff() -> Result<()>
{
    const LONGEST: Duration = Duration::from_secs(3);
    let plan = Plan::orders().patient();
    let definition = plan.definition.replace("max_backoff: 200ms", "max_backoff: 3s");
    let town = Town::start(plan.with_definition(&definition)).await?;
    assert_eq!(waits(&town, "1").await?, Duration::from_secs(1));
    // A date has no parts of a second, and the saga needs some time until it is told.
    let soon = chrono::DateTime::from_timestamp_micros(words::now()).context("a time")? + Duration::from_secs(2);
    let waited = waits(&town, &soon.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).await?;
    assert!((Duration::from_millis(100)..=Duration::from_secs(2)).contains(&waited), "{waited:?}");
    for too_long in ["315360000", "Fri, 01 Jan 2038 00:00:00 GMT"] {
        assert_eq!(waits(&town, too_long).await?, LONGEST, "{too_long}");
    }
    for nothing in ["soon", "-3", "1e3", "", "Fri, 31 Feb 2038 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        let waited = waits(&town, nothing).await?;
        assert!(waited <= Duration::from_millis(40), "{nothing:?}: {waited:?}, and its own backoff is 20 ms");
    }
    town.audit().await
}
