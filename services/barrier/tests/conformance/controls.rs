//! Negative controls: with one rule switched off, the suite must notice, and at the promise that the rule keeps.

use amends_barrier::fault::Rule;
use anyhow::Result;

use crate::{
    callbacks, forget, sqlite,
    subject::Subject,
    suite::{self, Violation},
};

async fn breaks<F: Future<Output = Result<()>>>(off: Rule, case: impl Fn(Subject) -> F, promise: &str) {
    case(sqlite::subject(None).await).await.expect("holds with all rules on");
    let error = case(sqlite::subject(Some(off)).await).await.expect_err("the case must notice");
    let violation = error.downcast_ref::<Violation>().unwrap_or_else(|| panic!("a broken test: {error:?}"));
    assert_eq!(violation.what, promise, "{error}");
}

#[tokio::test]
async fn looking_before_writing_applies_duplicates_twice() {
    breaks(Rule::InsertAsLock, suite::five_duplicates_at_once, "answer to a copy").await;
}

#[tokio::test]
async fn without_tombstones_a_late_action_is_applied() {
    breaks(Rule::Tombstone, suite::compensation_first, "status of the late action").await;
    breaks(Rule::Tombstone, suite::action_beside_compensation, "status of the action").await;
    breaks(Rule::Tombstone, suite::rejected_then_compensated, "problem of the late attempt").await;
}

#[tokio::test]
async fn without_fences_a_stale_owner_is_obeyed() {
    breaks(Rule::Fence, suite::stale_epoch, "status of a stale epoch").await;
    breaks(Rule::Fence, suite::compensation_raises_the_fence, "word of the old epoch's action").await;
}

#[tokio::test]
async fn without_digests_another_body_gets_the_first_ones_reply() {
    breaks(Rule::OtherBody, suite::other_body, "status of another body").await;
}

#[tokio::test]
async fn without_stored_rejections_the_networks_copy_is_applied() {
    breaks(Rule::StoredRejection, suite::duplicated_rejection, "answer to the network's copy").await;
}

#[tokio::test]
async fn without_savepoints_a_refusal_leaves_its_change() {
    breaks(Rule::Savepoint, suite::refusal_leaves_no_trace, "coins after a refusal").await;
}

#[tokio::test]
async fn without_kept_tokens_nobody_is_told() {
    breaks(Rule::KeptToken, callbacks::told, "number of what is due").await;
}

#[tokio::test]
async fn without_final_refusals_a_later_attempt_contradicts_the_verdict() {
    breaks(Rule::FinalRefusal, callbacks::refusal_is_final, "status of a later attempt").await;
}

#[tokio::test]
async fn without_tombstones_what_was_compensated_is_finished() {
    breaks(Rule::Tombstone, callbacks::not_told, "finishing after the compensation").await;
}

#[tokio::test]
async fn without_grace_a_late_copy_is_applied_again() {
    breaks(Rule::Grace, forget::within_the_grace, "answer to a late copy").await;
}

#[tokio::test]
async fn without_the_first_mark_naming_again_prolongs_the_grace() {
    breaks(Rule::FirstMark, forget::named_again, "rows after the first mark's grace").await;
}

#[tokio::test]
async fn without_names_others_rows_go_too() {
    breaks(Rule::OnlyNamed, forget::never_named, "rows of a saga that was never named").await;
    breaks(Rule::OnlyNamed, forget::after_the_grace, "rows of another saga").await;
    breaks(Rule::OnlyNamed, forget::call_after_the_deletion, "rows of the late call").await;
}

#[tokio::test]
async fn deleting_half_of_a_saga_leaves_rows() {
    breaks(Rule::WholeSaga, forget::after_the_grace, "rows of the forgotten saga").await;
}
