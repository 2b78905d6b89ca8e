//! The fault proxy does what it says: a fault that is not what it seems proves nothing about anybody.

mod bench;

use std::time::Duration;

use amends_protocol::participant::Op;
use amends_tests::{
    proxy::{Action, Door, Rule},
    wait::until_true,
};
use anyhow::Result;

use bench::Bench;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn without_rules_everything_is_passed_on_and_written_down() -> Result<()> {
    let bench = Bench::start().await?;
    assert_eq!(bench.send("charge", Op::Action, 1).await?, (200, "answer 1".to_owned()));
    assert_eq!(bench.send("charge", Op::Compensate, 2).await?, (200, "answer 2".to_owned()));
    let log = bench.proxy.log();
    assert_eq!(log.iter().map(|request| request.attempt).collect::<Vec<_>>(), [1, 2]);
    let first = &log[0];
    assert_eq!((first.call.to_string(), first.epoch), (format!("saga {} charge action", bench.saga), 7));
    assert_eq!((first.answered, first.copies.len(), &first.suffered), (Some(200), 1, &None));
    // Of "POST\0/charges\0{\"amount\":5}\0", by sha256sum.
    assert_eq!(first.digest, "dd125c7a829a96138d55900c92b145454dd78b68a08aad94da55bda25919b990");
    assert_eq!(bench.proxy.connections(), 1, "the sender's connection is kept");
    Ok(())
}

#[tokio::test]
async fn a_request_that_does_not_follow_the_contract_is_passed_on_and_noted() -> Result<()> {
    let bench = Bench::start().await?;
    assert_eq!(bench.send_with_broken_headers().await?, 200);
    assert_eq!(bench.proxy.unreadable().len(), 1);
    assert!(bench.proxy.log().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_cut_before_the_request_lets_nothing_through() -> Result<()> {
    let bench = Bench::start().await?;
    let cut = bench.proxy.inject(Rule::action_of("charge", Action::CutBeforeRequest));
    assert!(bench.send("charge", Op::Action, 1).await.is_err());
    assert!(bench.received().is_empty());
    cut.assert_fired(1);
    assert_eq!(bench.send("charge", Op::Compensate, 1).await?.0, 200, "the compensation is another call");
    cut.assert_fired(1);
    Ok(())
}

#[tokio::test]
async fn a_cut_within_the_request_lets_its_first_bytes_through() -> Result<()> {
    let bench = Bench::start().await?;
    let cut = bench.proxy.inject(Rule::every(Action::CutWithinRequest(20)));
    assert!(bench.send("charge", Op::Action, 1).await.is_err());
    cut.assert_fired(1);
    until_true("the first bytes arrive", SOON, || bench.broken() == [20]).await
}

#[tokio::test]
async fn a_cut_after_the_request_loses_only_the_reply() -> Result<()> {
    let bench = Bench::start().await?;
    let cut = bench.proxy.inject(Rule::every(Action::CutAfterRequest).attempts(1..=1));
    assert!(bench.send("charge", Op::Action, 1).await.is_err());
    assert_eq!(bench.received().len(), 1);
    assert_eq!(bench.send("charge", Op::Action, 2).await?.1, "answer 2");
    cut.assert_fired(1);
    let lost = &bench.proxy.log()[0];
    assert_eq!(lost.answered, None);
    assert_eq!(lost.copies[0].answer.as_ref().map(|answer| answer.status), Some(200), "it is known what was lost");
    Ok(())
}

#[tokio::test]
async fn a_cut_within_the_response_truncates_it() -> Result<()> {
    let bench = Bench::start().await?;
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nanswer 1".len();
    let cut = bench.proxy.inject(Rule::every(Action::CutWithinResponse(whole - 3)));
    let error = bench.send("charge", Op::Action, 1).await.expect_err("truncated");
    assert!(error.is_body() || error.is_decode() || error.is_request(), "{error:?}");
    cut.assert_fired(1);
    Ok(())
}

#[tokio::test]
async fn a_duplicate_arrives_as_often_as_it_says() -> Result<()> {
    for at_once in [false, true] {
        let bench = Bench::start().await?;
        let duplicate = bench.proxy.inject(Rule::every(Action::Duplicate { copies: 5, at_once }));
        assert_eq!(bench.send("charge", Op::Action, 1).await?.0, 200);
        duplicate.assert_fired(1);
        let received = bench.received();
        assert_eq!(received.len(), 5);
        assert!(received.iter().all(|request| *request == received[0]), "byte for byte");
        assert_eq!(bench.proxy.log()[0].copies.len(), 5);
    }
    Ok(())
}

#[tokio::test]
async fn a_late_copy_comes_after_the_answer_or_instead_of_the_request() -> Result<()> {
    let bench = Bench::start().await?;
    let after = Duration::from_millis(50);
    bench.proxy.inject(Rule::every(Action::ReplayLate { after, lost: false }).attempts(1..=1));
    let late = bench.proxy.inject(Rule::every(Action::ReplayLate { after, lost: true }));
    assert_eq!(bench.send("charge", Op::Action, 1).await?.0, 200);
    assert!(bench.send("charge", Op::Action, 2).await.is_err());
    until_true("both copies arrive", SOON, || bench.received().len() == 3).await?;
    late.assert_fired(1);
    Ok(())
}

#[tokio::test]
async fn what_is_held_goes_when_it_is_released() -> Result<()> {
    let bench = Bench::start().await?;
    bench.proxy.inject(Rule::every(Action::Hold { lost: true }).nth(1..=1));
    assert!(bench.send("charge", Op::Action, 1).await.is_err());
    assert_eq!(bench.send("charge", Op::Compensate, 1).await?.1, "answer 1");
    assert_eq!(bench.proxy.held(), 1);
    let released = bench.proxy.release().await?;
    assert_eq!(released.len(), 1);
    assert_eq!((released[0].status, released[0].body.as_str()), (200, "answer 2"));
    assert_eq!(bench.proxy.held(), 0);
    Ok(())
}

#[tokio::test]
async fn a_made_up_status_reaches_only_the_sender() -> Result<()> {
    let bench = Bench::start().await?;
    bench.proxy.inject(Rule::every(Action::Status(409, "{}".to_owned())).attempts(1..=1));
    bench.proxy.inject(Rule::every(Action::StatusInstead(502, "sorry".to_owned())));
    assert_eq!(bench.send("charge", Op::Action, 1).await?, (409, "{}".to_owned()));
    assert!(bench.received().is_empty());
    assert_eq!(bench.send("charge", Op::Action, 2).await?, (502, "sorry".to_owned()));
    assert_eq!(bench.received().len(), 1, "a gateway that gave up too early");
    Ok(())
}

#[tokio::test]
async fn a_black_hole_swallows_and_a_delay_delays() -> Result<()> {
    let bench = Bench::start().await?;
    bench.proxy.inject(Rule::every(Action::Blackhole).attempts(1..=1));
    bench.proxy.inject(Rule::every(Action::Delay(Duration::from_millis(80))));
    let error = bench.send_within("charge", 1, Duration::from_millis(50)).await.expect_err("nothing comes");
    assert!(error.is_timeout(), "{error:?}");
    assert!(bench.received().is_empty());
    let error = bench.send_within("charge", 2, Duration::from_millis(20)).await.expect_err("it comes too late");
    assert!(error.is_timeout(), "{error:?}");
    until_true("it is passed on although nobody listens", SOON, || bench.received().len() == 1).await
}

#[tokio::test]
async fn behind_a_closed_door_nobody_listens_and_it_opens_again() -> Result<()> {
    let bench = Bench::start().await?;
    assert_eq!(bench.send("charge", Op::Action, 1).await?.0, 200);
    bench.proxy.set_door(Door::Closed).await;
    let error = bench.send("charge", Op::Action, 2).await.expect_err("refused");
    assert!(error.is_connect(), "a true refusal: {error:?}");
    bench.proxy.set_door(Door::Open).await;
    assert_eq!(bench.send("charge", Op::Action, 3).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_resetting_door_resets_before_a_byte_is_read() -> Result<()> {
    let bench = Bench::start().await?;
    bench.proxy.set_door(Door::Resetting).await;
    let error = bench.send("charge", Op::Action, 1).await.expect_err("reset");
    assert!(!error.is_connect(), "it was connected: {error:?}");
    assert!(bench.proxy.log().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_share_of_requests_depends_on_the_seed_and_not_on_their_order() -> Result<()> {
    let shares = async |seed: u64, order: &[u32]| -> Result<Vec<u32>> {
        let bench = Bench::start().await?;
        let rule = Rule::every(Action::Status(503, String::new())).chance(0.5, seed);
        let injected = bench.proxy.inject(rule);
        let mut hit = Vec::new();
        for attempt in order {
            if bench.send("charge", Op::Action, *attempt).await?.0 == 503 {
                hit.push(*attempt);
            }
        }
        injected.assert_fired(hit.len() as u64);
        injected.assert_fired_at_least(5);
        hit.sort_unstable();
        Ok(hit)
    };
    let up: Vec<u32> = (1..=40).collect();
    let down: Vec<u32> = (1..=40).rev().collect();
    assert_eq!(shares(1, &up).await?, shares(1, &down).await?);
    assert_ne!(shares(1, &up).await?, shares(2, &up).await?);
    Ok(())
}

#[tokio::test]
#[should_panic(expected = "times that")]
async fn a_fault_that_did_not_fire_fails_its_test() {
    let bench = Bench::start().await.expect("it starts");
    bench.proxy.inject(Rule::every(Action::Blackhole)).assert_fired(1);
}
