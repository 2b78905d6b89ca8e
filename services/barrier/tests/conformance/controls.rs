//! Negative controls: with one rule switched off, the suite must notice, and at the promise that the rule keeps.

use amends_barrier::fault::Rule;

use crate::{
    callbacks,
    cases::Case,
    forget, sqlite,
    subject::Subject,
    suite::{self, Violation},
};

macro_rules! controls {
    ($(($rule:ident, $module:ident::$name:ident, $promise:literal),)*) => {
        &[$((Rule::$rule, |subject| Box::pin($module::$name(subject)), $promise),)*]
    };
}

/// The rule, the case that notices, and what it says.
pub(crate) const CONTROLS: &[(Rule, Case, &str)] = controls![
    (InsertAsLock, suite::five_duplicates_at_once, "answer to a copy"),
    (Tombstone, suite::compensation_first, "status of the late action"),
    (Tombstone, suite::action_beside_compensation, "status of the action"),
    (Tombstone, suite::rejected_then_compensated, "problem of the late attempt"),
    (Fence, suite::stale_epoch, "status of a stale epoch"),
    (Fence, suite::compensation_raises_the_fence, "word of the old epoch's action"),
    (OtherBody, suite::other_body, "status of another body"),
    (StoredRejection, suite::duplicated_rejection, "answer to the network's copy"),
    (Savepoint, suite::refusal_leaves_no_trace, "coins after a refusal"),
    (KeptToken, callbacks::told, "number of what is due"),
    (FinalRefusal, callbacks::refusal_is_final, "status of a later attempt"),
    (Tombstone, callbacks::not_told, "finishing after the compensation"),
    (Grace, forget::within_the_grace, "answer to a late copy"),
    (FirstMark, forget::named_again, "rows after the first mark's grace"),
    (OnlyNamed, forget::never_named, "rows of a saga that was never named"),
    (OnlyNamed, forget::after_the_grace, "rows of another saga"),
    (OnlyNamed, forget::call_after_the_deletion, "rows of the late call"),
    (WholeSaga, forget::after_the_grace, "rows of the forgotten saga"),
];

pub(crate) async fn breaks(subject: Subject, case: Case, promise: &str) {
    let error = case(subject).await.expect_err("the case must notice");
    let violation = error.downcast_ref::<Violation>().unwrap_or_else(|| panic!("a broken test: {error:?}"));
    assert_eq!(violation.what, promise, "{error}");
}

/// All that is in the list for this rule.
async fn on_sqlite(off: Rule) {
    let mut seen = 0;
    for (_, case, promise) in CONTROLS.iter().filter(|(rule, ..)| *rule == off) {
        case(sqlite::subject(None).await).await.expect("holds with all rules on");
        breaks(sqlite::subject(Some(off)).await, *case, promise).await;
        seen += 1;
    }
    assert!(seen > 0, "no control for {off:?}");
}

#[tokio::test]
async fn looking_before_writing_applies_duplicates_twice() {
    on_sqlite(Rule::InsertAsLock).await;
}

#[tokio::test]
async fn without_tombstones_a_late_action_is_applied() {
    on_sqlite(Rule::Tombstone).await;
}

#[tokio::test]
async fn without_fences_a_stale_owner_is_obeyed() {
    on_sqlite(Rule::Fence).await;
}

#[tokio::test]
async fn without_digests_another_body_gets_the_first_ones_reply() {
    on_sqlite(Rule::OtherBody).await;
}

#[tokio::test]
async fn without_stored_rejections_the_networks_copy_is_applied() {
    on_sqlite(Rule::StoredRejection).await;
}

#[tokio::test]
async fn without_savepoints_a_refusal_leaves_its_change() {
    on_sqlite(Rule::Savepoint).await;
}

#[tokio::test]
async fn without_kept_tokens_nobody_is_told() {
    on_sqlite(Rule::KeptToken).await;
}

#[tokio::test]
async fn without_final_refusals_a_later_attempt_contradicts_the_verdict() {
    on_sqlite(Rule::FinalRefusal).await;
}

#[tokio::test]
async fn without_grace_a_late_copy_is_applied_again() {
    on_sqlite(Rule::Grace).await;
}

#[tokio::test]
async fn without_the_first_mark_naming_again_prolongs_the_grace() {
    on_sqlite(Rule::FirstMark).await;
}

#[tokio::test]
async fn without_names_others_rows_go_too() {
    on_sqlite(Rule::OnlyNamed).await;
}

#[tokio::test]
async fn deleting_half_of_a_saga_leaves_rows() {
    on_sqlite(Rule::WholeSaga).await;
}
