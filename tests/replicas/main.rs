//! One service as several processes on its own store, while the others stay at one: they share its work, one of them may die, and
//! what one of them did the others know.

use std::{collections::BTreeSet, time::Duration};

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    audit::journal::Event,
    proxy::{Action, Answered, Door, Rule, WireRequest},
    town::{Effects, Plan, Town},
    wait::{until, until_true},
    words::Op,
};
use anyhow::Result;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(60);
const REPLICAS: usize = 3;
/// Under way at once.
const CLIENTS: usize = 24;
const SAGAS: usize = 120;

/// How many requests each process of inventory got.
fn served(town: &Town) -> Vec<usize> {
    town.service("inventory").proxies().map(|proxy| proxy.log().len()).collect()
}

/// A reservation at one process, whose answer is lost, and then at another.
fn at_two(town: &Town, saga: Uuid, step: &str, op: Op) -> Vec<(usize, WireRequest)> {
    let at = town.service("inventory").proxies().enumerate();
    let all = at.flat_map(|(number, proxy)| proxy.log().into_iter().map(move |request| (number, request)));
    let mut of_call: Vec<_> =
        all.filter(|(_, request)| request.call.saga == saga && request.call.call.step == step).collect();
    of_call.retain(|(_, request)| request.call.call.op == op);
    of_call.sort_by_key(|(_, request)| request.arrived_at);
    of_call
}

#[tokio::test]
async fn three_processes_share_the_work_and_the_death_of_one_fails_no_saga() -> Result<()> {
    let mut town = Town::start(Plan::orders().patient().with_replicas("inventory", REPLICAS)).await?;
    let starts = (0..CLIENTS).map(async |_| {
        let mut sagas = Vec::new();
        for _ in 0..SAGAS / CLIENTS {
            let saga = town.begin(Town::order(1, 100)).await?;
            sagas.push(town.ended(saga).await?);
        }
        anyhow::Ok(sagas)
    });
    let death = async {
        until_true("a third of the work", SOON, || served(&town).iter().sum::<usize>() >= SAGAS / 3).await?;
        let dying = &town.service("inventory").replicas[0];
        dying.proxy.set_door(Door::Closed).await;
        dying.process.signal(rustix::process::Signal::KILL)?;
        anyhow::Ok(served(&town))
    };
    let (ended, at_death) = tokio::join!(futures_util::future::try_join_all(starts), death);
    let (ended, at_death) = (ended?.concat(), at_death?);
    assert!(ended.len() == SAGAS && ended.iter().all(|saga| saga.status == SagaStatus::Completed), "none failed");
    let (least, most) = (at_death.iter().min().expect("three"), at_death.iter().max().expect("three"));
    assert!(*least >= SAGAS / 12 && most - least <= SAGAS / 8, "they took turns: {at_death:?}");
    let after = served(&town);
    assert!(after[0] > at_death[0] + SAGAS / 8 && after[2] > at_death[2] + SAGAS / 8, "the two others: {after:?}");

    // Whoever found nobody there asked another one in the same attempt: only what was in its hands was asked twice.
    let journals = town.sagas().await?;
    let rows = journals.iter().flat_map(|saga| &saga.journal);
    let unsent = rows.filter(|row| matches!(row.event, Event::CallNotSent { .. })).count();
    assert_eq!(unsent, 0, "no attempt was lost on one that is not there");

    // It comes back, and gets its share again.
    let dead = &mut town.service_mut("inventory").replicas[0];
    dead.process.exited(SOON).await?;
    dead.process.restart().await?;
    dead.proxy.set_door(Door::Open).await;
    until("the one that is back is asked again", SOON, async || {
        town.run(Town::order(1, 100), SagaStatus::Completed).await?;
        Ok((served(&town)[1] > after[1]).then_some(()))
    })
    .await?;
    until_true("the wire is quiet", SOON, || town.wire_is_quiet()).await?;
    town.audit().await
}

#[tokio::test]
async fn what_one_process_did_another_answers_with_the_same_reply() -> Result<()> {
    let town = Town::start(Plan::orders().with_replicas("inventory", REPLICAS)).await?;
    let first_attempts = || Rule::every(Action::CutAfterRequest).attempts(1..=1);
    let faults: Vec<_> = town.service("inventory").proxies().map(|proxy| proxy.inject(first_attempts())).collect();
    let mut asked = BTreeSet::new();
    for number in 0..6 {
        let mut order = Town::order(1, 100);
        let refused = number % 2 == 1;
        if refused {
            // Shipping does not go there: the reservation is undone, and the answer to that is lost, too.
            order["address"] = "unknown".into();
        }
        let end = if refused { SagaStatus::Compensated } else { SagaStatus::Completed };
        let saga = town.run(order, end).await?;
        let wanted = if refused { Effects::UNDONE } else { Effects::DONE };
        assert_eq!(town.effects(saga.id).await?.get("reserve"), Some(&wanted), "once, over all processes");
        let ops = if refused { vec![Op::Action, Op::Compensate] } else { vec![Op::Action] };
        for op in ops {
            let [(first, lost), (second, again)] = &at_two(&town, saga.id, "reserve", op)[..] else {
                panic!("two attempts")
            };
            assert_ne!(first, second, "another process was asked");
            asked.extend([*first, *second]);
            assert_eq!(lost.digest, again.digest);
            let answer = |request: &WireRequest| -> Option<Answered> { request.copies[0].answer.clone() };
            assert_eq!(
                answer(lost).map(|answer| answer.body),
                answer(again).map(|answer| answer.body),
                "the stored reply"
            );
        }
    }
    assert_eq!(asked.len(), REPLICAS, "all of them were in it");
    assert_eq!(faults.iter().map(amends_tests::proxy::Injected::fired).sum::<u64>(), 9);
    until_true("the wire is quiet", SOON, || town.wire_is_quiet()).await?;
    town.audit().await
}
