//! What a barrier promises, as one suite over HTTP. `suite` knows no store; each kind of store brings its subject and runs the
//! same cases (`cases`). `controls` breaks one rule at a time and expects the suite to notice.
#![expect(clippy::unwrap_used, reason = "tests")]

mod callbacks;
mod cases;
mod controls;
mod doors;
mod forget;
mod letting_go;
mod mysql;
mod postgres;
mod pot;
mod races;
mod redis;
mod side;
mod sqlite;
mod subject;
mod suite;

use anyhow::Result;

async fn holds<F: Future<Output = Result<()>>>(case: impl FnOnce(subject::Subject) -> F) -> Result<()> {
    case(sqlite::subject(None).await).await
}

#[tokio::test]
async fn a_duplicate_gets_the_stored_reply_byte_for_byte_and_has_no_effect() -> Result<()> {
    holds(suite::duplicate).await
}

#[tokio::test]
async fn five_duplicates_at_once_have_one_effect() -> Result<()> {
    holds(suite::five_duplicates_at_once).await
}

#[tokio::test]
async fn a_compensation_without_its_action_is_null_and_the_late_action_has_no_effect() -> Result<()> {
    holds(suite::compensation_first).await
}

#[tokio::test]
async fn an_action_that_arrives_again_after_its_compensation_has_no_effect() -> Result<()> {
    holds(suite::late_duplicate_after_compensation).await
}

#[tokio::test]
async fn a_compensation_undoes_once_however_often_it_arrives() -> Result<()> {
    holds(suite::compensation_twice).await
}

#[tokio::test]
async fn a_null_compensation_that_arrives_twice_is_still_null() -> Result<()> {
    holds(suite::null_compensation_twice).await
}

#[tokio::test]
async fn a_compensation_beside_an_uncommitted_action_waits_and_undoes_it() -> Result<()> {
    holds(suite::compensation_beside_action).await
}

#[tokio::test]
async fn an_action_beside_an_uncommitted_compensation_waits_and_is_never_applied() -> Result<()> {
    holds(suite::action_beside_compensation).await
}

#[tokio::test]
async fn a_rejection_is_replayed_and_a_higher_attempt_is_judged_anew() -> Result<()> {
    holds(suite::rejection).await
}

#[tokio::test]
async fn a_rejection_of_an_earlier_epoch_is_judged_anew_by_the_first_attempt_of_a_later_one() -> Result<()> {
    holds(suite::rejection_in_a_later_epoch).await
}

#[tokio::test]
async fn a_rejected_action_duplicated_by_the_network_stays_rejected_when_it_would_succeed() -> Result<()> {
    holds(suite::duplicated_rejection).await
}

#[tokio::test]
async fn a_later_attempt_of_a_rejected_action_has_no_effect_after_the_compensation() -> Result<()> {
    holds(suite::rejected_then_compensated).await
}

#[tokio::test]
async fn a_refusal_takes_the_business_change_back() -> Result<()> {
    holds(suite::refusal_leaves_no_trace).await
}

#[tokio::test]
async fn a_refused_compensation_stores_nothing_and_can_succeed_later() -> Result<()> {
    holds(suite::refused_compensation).await
}

#[tokio::test]
async fn a_stale_epoch_is_refused_without_ack_and_without_effect() -> Result<()> {
    holds(suite::stale_epoch).await
}

#[tokio::test]
async fn a_compensation_raises_the_fence_against_actions_of_the_old_epoch() -> Result<()> {
    holds(suite::compensation_raises_the_fence).await
}

#[tokio::test]
async fn a_refused_compensation_raises_the_fence_too() -> Result<()> {
    holds(suite::refused_compensation_raises_the_fence).await
}

#[tokio::test]
async fn a_fence_stands_in_its_own_saga_only() -> Result<()> {
    holds(suite::fence_is_per_saga).await
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused_without_ack() -> Result<()> {
    holds(suite::other_body).await
}

#[tokio::test]
async fn items_of_one_step_are_calls_of_their_own() -> Result<()> {
    holds(suite::items).await
}

#[tokio::test]
async fn a_probe_tells_applied_from_not_applied() -> Result<()> {
    holds(suite::probe).await
}

#[tokio::test]
async fn a_probe_waits_for_an_action_that_is_being_decided() -> Result<()> {
    holds(suite::probe_beside_action).await
}

#[tokio::test]
async fn a_handler_that_breaks_or_panics_leaves_nothing_and_the_retry_applies_it_once() -> Result<()> {
    holds(suite::broken_handler).await
}

#[tokio::test]
async fn a_compensation_that_breaks_leaves_nothing_and_the_retry_undoes_it_once() -> Result<()> {
    holds(suite::broken_compensation).await
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_the_transaction() -> Result<()> {
    holds(suite::client_hangs_up).await
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_stored_refusal() -> Result<()> {
    holds(suite::unreadable_body).await
}

#[tokio::test]
async fn an_accepted_action_replays_its_202_until_it_is_completed() -> Result<()> {
    holds(suite::accepted_then_completed).await
}

#[tokio::test]
async fn an_accepted_action_that_fails_is_undone_by_its_completion_and_its_compensation_is_null() -> Result<()> {
    holds(suite::accepted_then_failed).await
}

#[tokio::test]
async fn completing_is_refused_after_the_compensation() -> Result<()> {
    holds(suite::accepted_then_compensated).await
}

#[tokio::test]
async fn the_verdict_on_an_accepted_action_is_told_with_its_token_until_it_is_heard() -> Result<()> {
    holds(callbacks::told).await?;
    holds(callbacks::told_of_a_refusal).await
}

#[tokio::test]
async fn the_refusal_of_an_accepted_action_holds_for_every_attempt() -> Result<()> {
    holds(callbacks::refusal_is_final).await
}

#[tokio::test]
async fn what_was_answered_at_once_or_compensated_is_not_told() -> Result<()> {
    holds(callbacks::not_told).await
}

#[tokio::test]
async fn a_token_goes_with_its_saga() -> Result<()> {
    holds(callbacks::forgotten).await
}

#[tokio::test]
async fn finishing_beside_an_uncommitted_compensation_waits_and_does_nothing() -> Result<()> {
    holds(callbacks::compensation_beside_finishing).await
}

#[tokio::test]
async fn a_forget_changes_nothing_until_its_grace_is_over() -> Result<()> {
    holds(forget::within_the_grace).await
}

#[tokio::test]
async fn after_the_grace_all_rows_of_a_forgotten_saga_go_and_no_others() -> Result<()> {
    holds(forget::after_the_grace).await
}

#[tokio::test]
async fn a_saga_that_was_never_named_stays_whatever_its_age() -> Result<()> {
    holds(forget::never_named).await
}

#[tokio::test]
async fn naming_a_saga_again_neither_prolongs_nor_shortens_its_grace() -> Result<()> {
    holds(forget::named_again).await
}

#[tokio::test]
async fn naming_an_unknown_saga_is_no_mark_for_its_later_calls() -> Result<()> {
    holds(forget::unknown).await
}

#[tokio::test]
async fn a_forget_beside_the_first_call_of_its_saga_waits_and_marks_it() -> Result<()> {
    holds(forget::beside_a_call).await
}

#[tokio::test]
async fn a_call_after_the_deletion_is_judged_as_new_and_stays_until_its_saga_is_named_again() -> Result<()> {
    holds(forget::call_after_the_deletion).await
}

#[tokio::test]
async fn an_accepted_action_of_a_forgotten_saga_can_be_completed_within_the_grace_and_not_after() -> Result<()> {
    holds(forget::accepted).await
}
