//! One lie for each thing the checker looks at.

use serde_json::json;

use super::made::{Comes, SAGA, Story, compensated, completed, rejected, turned_back};
use crate::{
    audit::{
        check,
        journal::{Event, How},
        ledger::Effect,
    },
    proxy::Copied,
    words::Call,
};

/// Exactly this invariant is reported, by a text with these words in it.
#[track_caller]
pub(super) fn reported(story: &Story, invariant: u8, words: &str) {
    let found = check(&story.evidence);
    let text = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        found.iter().any(|violation| violation.invariant == invariant && violation.text.contains(words)),
        "not reported: invariant {invariant} with \"{words}\"; reported was:\n{text}"
    );
    assert!(text.contains(&SAGA.to_string()) || invariant == 3 || invariant == 4, "it names the saga:\n{text}");
}

#[test]
fn what_happened_as_promised_passes() {
    for story in [completed(), compensated(Comes::LostReply), compensated(Comes::LostRequest), rejected()] {
        assert_eq!(check(&story.evidence), []);
    }
}

#[test]
fn a_completed_saga_with_a_step_that_was_never_applied_is_reported() {
    let mut story = completed();
    story.ledger("money").clear();
    reported(&story, 1, "applied 0 times");
}

#[test]
fn a_completed_saga_with_a_step_undone_is_reported() {
    let mut story = completed();
    story.effect(&Call::compensate("take"), 1, Effect::Undone);
    reported(&story, 1, "completed, and it was applied 1, undone 1 times");
}

#[test]
fn a_compensated_saga_with_a_residue_is_reported() {
    let mut story = compensated(Comes::LostReply);
    story.ledger("money").retain(|entry| entry.effect != Effect::Undone);
    reported(&story, 1, "compensated, and it was applied 1, undone 0 times");
}

#[test]
fn an_effect_in_the_ledger_of_a_stranger_is_reported() {
    let mut story = completed();
    let entry = story.ledger("money").remove(0);
    story.ledger("post").push(entry);
    reported(&story, 1, "in the ledger of post");
}

#[test]
fn a_gap_in_the_journal_is_reported() {
    let mut story = completed();
    story.journal().remove(3);
    reported(&story, 2, "follows seq 3");
}

#[test]
fn a_second_terminal_event_is_reported() {
    let mut story = completed();
    story.event(Event::SagaCompleted {});
    reported(&story, 2, "after the end");
}

#[test]
fn a_life_after_the_end_is_reported() {
    let mut story = compensated(Comes::LostReply);
    story.attempt(&Call::compensate("hold"), 2, Comes::Replayed);
    reported(&story, 2, "after the end");
}

#[test]
fn an_outcome_without_an_open_attempt_is_reported() {
    let mut story = turned_back(Comes::LostReply);
    story.event(Event::CallSucceeded { call: Call::action("take"), attempt: 1 });
    reported(&story, 2, "this attempt is not open");
}

#[test]
fn a_completion_without_all_steps_is_reported() {
    let mut story = Story::begin();
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.event(Event::SagaCompleted {});
    reported(&story, 2, "step take is not done");
}

#[test]
fn a_step_begun_before_what_it_needs_is_reported() {
    let mut story = Story::begin();
    story.attempt(&Call::action("take"), 1, Comes::Done);
    reported(&story, 2, "it needs hold");
}

#[test]
fn an_attempt_with_other_bytes_is_reported() {
    let mut story = completed();
    for recorded in story.journal() {
        if let Event::CallIntended { attempt: 2, request, .. } = &mut recorded.event {
            "other bytes".clone_into(request);
        }
    }
    reported(&story, 2, "sends the same bytes");
    reported(&story, 4, "its bytes are not those of its intent");
}

#[test]
fn forgetting_that_an_attempt_was_unknown_is_reported() {
    let mut story = compensated(Comes::LostReply);
    for recorded in story.journal() {
        if let Event::StepFailed { how, .. } = &mut recorded.event {
            *how = How::Rejected;
        }
    }
    reported(&story, 2, "its attempts do not say");
}

#[test]
fn a_row_that_disagrees_with_its_journal_is_reported() {
    let mut story = completed();
    "running".clone_into(&mut story.evidence.sagas[0].row.status);
    reported(&story, 2, "the row says");
    let mut story = turned_back(Comes::LostReply);
    story.intend(&Call::compensate("take"), 1);
    reported(&story, 2, "the row says"); // it must be woken for the call, and the row has no wake_at
}

#[test]
fn a_cancel_after_the_pivot_was_intended_is_reported() {
    let mut story = Story::begin();
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.attempt(&Call::action("take"), 1, Comes::Done);
    story.attempt(&Call::action("send"), 1, Comes::LostRequest);
    story.json(json!({ "kind": "cancel_requested" }));
    reported(&story, 2, "the pivot's call is intended already");
}

#[test]
fn money_that_is_gone_is_reported() {
    let mut story = completed();
    story.evidence.sums[0].found -= 1;
    reported(&story, 3, "till: 100 at first, -7 by the ledgers, so 93; found 92");
}

#[test]
fn an_order_book_that_disagrees_is_reported() {
    let mut story = compensated(Comes::LostReply);
    story.evidence.orders.insert(SAGA, "confirmed".to_owned());
    reported(&story, 3, "its order is confirmed");
}

#[test]
fn an_order_that_no_ledger_knows_is_reported() {
    let mut story = completed();
    story.evidence.orders.insert(uuid::Uuid::from_u128(8), "pending".to_owned());
    reported(&story, 3, "an order (pending) that no ledger knows");
}

#[test]
fn a_request_without_an_intent_is_reported() {
    let mut story = completed();
    story.wire(&Call::action("close"), 2);
    reported(&story, 4, "close action attempt 2 was sent and never intended");
}

#[test]
fn a_request_before_its_intent_is_reported() {
    let mut story = completed();
    story.evidence.wire[0].arrived_at -= 1_000_000;
    reported(&story, 4, "before it was intended");
    let mut story = completed();
    story.evidence.wire[0].intent_seen = Some(false);
    reported(&story, 4, "its intent was not yet in the journal");
}

#[test]
fn an_attempt_that_is_sent_twice_is_reported() {
    let mut story = completed();
    let twice = story.evidence.wire[0].clone();
    story.evidence.wire.push(twice);
    reported(&story, 4, "one attempt is one request");
}

#[test]
fn a_request_that_does_not_follow_the_contract_is_reported() {
    let mut story = completed();
    story.evidence.unreadable.push("header saga-epoch".to_owned());
    reported(&story, 4, "does not follow the contract");
}

#[test]
fn an_effect_without_an_intent_is_reported() {
    let mut story = completed();
    story.ledger("post")[0].attempt = 5;
    reported(&story, 4, "post has an effect of send action attempt 5, which was never intended");
    let mut story = completed();
    story.ledger("post")[0].saga = uuid::Uuid::from_u128(9);
    reported(&story, 4, "which was never intended");
}

#[test]
fn a_step_that_may_have_happened_and_is_not_compensated_is_reported() {
    let mut story = turned_back(Comes::LostRequest);
    story.attempt(&Call::compensate("hold"), 1, Comes::Done);
    story.event(Event::SagaCompensated);
    reported(&story, 5, "take action may have happened and is not undone");
}

#[test]
fn a_compensation_of_what_cannot_have_happened_is_reported() {
    let mut story = Story::begin();
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.attempt(&Call::action("take"), 1, Comes::Rejected);
    story.fails("take", "rejected");
    story.attempt(&Call::compensate("take"), 1, Comes::Null);
    reported(&story, 5, "no attempt of its action may have happened");
}

#[test]
fn undoing_in_the_wrong_order_is_reported() {
    let mut story = turned_back(Comes::LostReply);
    story.attempt(&Call::compensate("hold"), 1, Comes::Done);
    story.attempt(&Call::compensate("take"), 1, Comes::Done);
    story.event(Event::SagaCompensated);
    reported(&story, 5, "hold action began to be undone before take action");
    reported(&story, 5, "by the ledgers hold action was undone before take action");
}

#[test]
fn undoing_behind_the_pivot_is_reported() {
    let mut story = Story::begin();
    for step in ["hold", "take", "send"] {
        story.attempt(&Call::action(step), 1, Comes::Done);
    }
    story.attempt(&Call::action("close"), 1, Comes::Rejected);
    story.fails("close", "rejected");
    reported(&story, 5, "undone although its pivot succeeded");
}

#[test]
fn an_action_after_its_compensation_is_reported() {
    let mut story = compensated(Comes::LostRequest);
    story.effect(&Call::action("take"), 1, Effect::Applied);
    reported(&story, 6, "applied after its compensation");
    reported(&story, 6, "found nothing to undo, and it was applied all the same");
}

#[test]
fn doing_or_undoing_twice_is_reported() {
    let mut story = completed();
    story.effect(&Call::action("take"), 2, Effect::Applied);
    reported(&story, 6, "applied 2 times");
    let mut story = compensated(Comes::LostReply);
    story.effect(&Call::compensate("hold"), 1, Effect::Undone);
    reported(&story, 6, "undone 2 times");
}

#[test]
fn undoing_before_doing_is_reported() {
    let mut story = compensated(Comes::LostReply);
    story.ledger("money").reverse();
    reported(&story, 6, "undone before it was applied");
}

#[test]
fn an_epoch_that_changes_without_an_adoption_is_reported() {
    let mut story = completed();
    story.journal().last_mut().expect("it has rows").epoch = 3;
    reported(&story, 7, "epoch 3 after 2");
    let mut story = completed();
    story.journal().last_mut().expect("it has rows").epoch = 1;
    reported(&story, 7, "epoch 1 after 2");
}

#[test]
fn an_adoption_that_does_not_raise_the_epoch_is_reported() {
    let mut story = Story::begin();
    story.event(Event::Adopted);
    reported(&story, 7, "epoch 1 after 1 in Adopted");
}

#[test]
fn an_effect_below_an_epoch_already_seen_is_reported() {
    let mut story = completed();
    let ledger = story.ledger("stock");
    ledger[0].epoch = 2;
    ledger[1].epoch = 1;
    reported(&story, 7, "under epoch 1 after 2");
}

#[test]
fn a_row_of_an_owner_whose_saga_was_adopted_is_reported() {
    let mut story = Story::begin();
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.intend(&Call::action("take"), 1);
    story.adopted();
    // It wakes, and goes on as if it still owned the saga.
    story.event(Event::CallUnknown { call: Call::action("take"), attempt: 1 });
    story.journal().last_mut().expect("it has rows").epoch = 1;
    reported(&story, 7, "epoch 1 after 2 in CallUnknown");
}

#[test]
fn an_effect_for_an_owner_whose_saga_was_adopted_is_reported() {
    let mut story = completed();
    // The participant had done the second attempt for the adopter; then it does the late first one, too.
    let late = Copied { sent_at: story.evidence.wire[2].arrived_at + 100, ..story.evidence.wire[1].copies[0].clone() };
    story.evidence.wire[1].copies.push(late);
    reported(&story, 7, "money had done something under epoch 2 and answered a call under epoch 1 by 200");
    let copy = story.evidence.wire[1].copies.last_mut().expect("there is one");
    let answer = copy.answer.as_mut().expect("it was answered");
    let done = answer.clone();
    (answer.status, answer.acked, answer.refused) = (409, false, Some("stale-epoch".to_owned()));
    assert_eq!(check(&story.evidence), []);
    // But to a read there is no fence.
    story.evidence.wire[1].copies.last_mut().expect("there is one").answer = Some(done);
    story.evidence.wire.iter_mut().for_each(|request| request.sent.method = "GET".to_owned());
    assert_eq!(check(&story.evidence), []);
}

#[test]
fn a_saga_that_was_let_go_of_and_is_still_driven_is_reported() {
    let mut story = turned_back(Comes::LostReply);
    story.event(Event::Released);
    story.evidence.at_rest = false;
    assert_eq!(check(&story.evidence), []);
    story.evidence.sagas[0].row.owner = Some(SAGA);
    reported(&story, 7, "it was let go of, by its row");
}

#[test]
fn a_saga_that_nobody_drives_and_nobody_let_go_of_is_reported() {
    let mut story = turned_back(Comes::LostReply);
    story.evidence.sagas[0].row.owner = None;
    reported(&story, 7, "its journal knows of no release");
}

#[test]
fn a_saga_that_sleeps_too_long_is_reported() {
    let mut story = turned_back(Comes::LostReply);
    story.event(Event::Released);
    story.evidence.sagas[0].row.asleep_until = Some(1);
    reported(&story, 7, "it sleeps until Some(1), and should until None");
}

#[test]
fn an_attempt_sent_under_another_epoch_than_its_intent_is_reported() {
    let mut story = completed();
    story.evidence.wire[1].epoch = 2;
    reported(&story, 7, "to be sent under [1], sent under epoch 2");
}

#[test]
fn an_attempt_stands_over_an_adoption_only_if_it_cannot_have_left() {
    let over_an_adoption = |prepare: fn(&mut Story)| {
        let mut story = Story::begin();
        story.intend(&Call::action("hold"), 1);
        prepare(&mut story);
        story.adopted();
        story.wire(&Call::action("hold"), 1);
        story.effect(&Call::action("hold"), 1, Effect::Applied);
        story.event(Event::CallSucceeded { call: Call::action("hold"), attempt: 1 });
        story.evidence.at_rest = false;
        story
    };
    assert_eq!(check(&over_an_adoption(|story| story.event(Event::Released)).evidence), []);
    let in_doubt = over_an_adoption(|_| {});
    reported(&in_doubt, 2, "it was open at an adoption and may have left");
    reported(&in_doubt, 7, "to be sent under [1], sent under epoch 2");
}

#[test]
fn a_row_after_the_owner_let_go_is_reported() {
    let mut story = completed();
    story.event(Event::Released);
    story.event(Event::CancelRequested {});
    reported(&story, 2, "after the owner let go");
}

#[test]
fn a_request_before_it_was_due_is_reported() {
    let mut story = completed();
    for recorded in story.journal() {
        if let Event::CallIntended { due_at, .. } = &mut recorded.event {
            *due_at += 10_000_000;
        }
    }
    reported(&story, 4, "before it was due");
}

#[test]
fn a_row_below_its_journals_epoch_is_reported() {
    let mut story = completed();
    story.evidence.sagas[0].row.epoch = 1;
    reported(&story, 7, "its row has epoch 1, its journal 2");
}

#[test]
fn a_saga_that_hangs_in_silence_is_reported_and_one_that_raised_attention_is_not() {
    let mut story = turned_back(Comes::LostReply);
    reported(&story, 10, "Compensating at rest, and nobody was told");
    story.attempt(&Call::compensate("take"), 1, Comes::Rejected);
    let call = json!({ "step": "take", "op": "compensate" });
    story.json(json!({ "kind": "attention_raised", "call": call, "reason": "rejected", "detail": "" }));
    story.evidence.sagas[0].row.attention = true;
    assert_eq!(check(&story.evidence), []);
}

#[test]
fn a_definition_that_changed_under_a_saga_is_reported() {
    let mut story = completed();
    story.evidence.shapes.values_mut().for_each(|shape| shape.digest.push('x'));
    reported(&story, 11, "is not the one it started with");
}
