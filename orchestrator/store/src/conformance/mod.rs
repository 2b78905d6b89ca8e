//! One suite for every side of the store: what the engine may rely on, as sentences. A method exists when it is tested
//! here.
//!
//! Each side says how to make an empty store, and [`conformance_tests!`](crate::conformance_tests) turns every case into a
//! test of its own there.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod adoption;
mod appends;
mod asleep;
mod batches;
mod definitions;
#[cfg(test)]
pub(crate) mod earlier;
mod families;
pub mod given;
mod inbox;
mod keys;
mod lists;
mod locks;
mod nodes;
mod poisoned;
mod reads;
mod retention;
mod side;
mod subscriptions;
mod turns;

pub use side::Side;
pub use turns::assert_all_is_told;

/// Hands the list of cases to a macro: the one place where they are named.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($into:ident $(, $with:path)?) => {
        $into! { $($with;)?
            appends::a_create_and_its_appends_are_read_back_in_order,
            appends::a_saga_that_was_never_made_reads_as_nothing,
            appends::the_head_says_what_was_last_committed,
            appends::a_second_create_exists_and_changes_nothing,
            appends::a_wrong_seq_is_a_conflict,
            appends::what_has_ended_goes_on_but_never_lives_again,
            appends::an_append_to_no_saga_is_a_conflict,
            appends::a_stale_epoch_is_fenced,
            appends::the_same_append_again_is_ok_and_writes_nothing,
            appends::the_same_create_again_is_ok_and_writes_nothing,
            appends::another_append_at_the_same_place_is_a_conflict,
            appends::a_broken_append_fails_alone,
            appends::events_come_back_as_they_were,
            appends::journal_ranges_and_limits_hold,
            batches::an_empty_batch_is_nothing,
            batches::one_bad_append_leaves_its_neighbours_alone,
            batches::of_two_creates_of_one_id_the_first_wins,
            batches::a_batch_means_the_same_as_its_appends_one_by_one,
            batches::appends_of_one_saga_keep_their_order_within_a_batch,
            batches::a_thousand_appends_are_one_commit,
            batches::batches_of_every_size_are_whole,
            batches::commits_of_many_tasks_are_all_kept,
            batches::a_caller_who_goes_away_cancels_nothing_half_way,
            families::the_children_of_a_saga_are_listed,
            families::a_child_is_kept_as_long_as_its_parent,
            families::a_child_can_be_made_asleep,
            adoption::an_adopter_fences_the_old_owner,
            adoption::of_two_adopters_one_wins,
            adoption::one_batch_adopts_a_saga_once,
            adoption::adoption_needs_owner_and_epoch_to_be_as_claimed,
            adoption::orphans_are_live_sagas_whose_owners_lease_has_ended,
            adoption::owners_without_a_lease_are_over_once_somebody_joins,
            adoption::orphans_come_in_stable_pages,
            adoption::what_a_process_owns_and_lives_is_found_page_by_page,
            nodes::a_node_that_joins_has_a_lease_and_prolongs_it,
            nodes::a_join_whose_answer_was_lost_is_made_again,
            nodes::a_second_node_ends_the_first_only_where_there_is_one_process,
            nodes::a_lease_that_has_ended_is_never_revived,
            nodes::who_never_joined_has_no_lease,
            nodes::who_leaves_has_no_lease_from_then_on,
            nodes::nodes_that_are_over_go_when_they_own_nothing_that_lives,
            asleep::a_saga_is_let_go_in_the_commit_of_its_wait,
            asleep::a_saga_can_be_let_go_as_it_is_made,
            asleep::who_waits_for_no_time_is_never_due,
            asleep::the_earliest_are_due_first,
            asleep::an_append_to_a_saga_of_nobody_is_fenced,
            asleep::a_release_that_is_not_made_lets_nothing_go,
            asleep::who_claims_a_saga_of_nobody_wakes_it,
            inbox::a_note_reaches_whoever_can_do_something_about_it,
            inbox::notes_come_oldest_first_and_no_more_than_asked,
            inbox::the_same_note_again_changes_nothing,
            inbox::a_note_is_settled_only_under_the_epoch_of_its_saga,
            inbox::a_verdict_is_read_where_the_note_is,
            inbox::an_append_gives_verdicts_in_its_own_commit,
            inbox::answered_notes_go_after_their_time,
            inbox::notes_go_with_the_journal_and_later_ones_meet_the_stub,
            locks::places_are_given_in_order_of_arrival_and_each_saga_has_one,
            locks::the_first_who_lives_has_the_lock,
            locks::who_takes_a_place_under_a_clock_that_is_behind_comes_last_all_the_same,
            locks::a_saga_that_was_never_made_holds_nothing,
            locks::locks_have_nothing_to_do_with_each_other,
            locks::a_queue_is_read_in_pages,
            locks::the_locks_that_sagas_have_are_listed_by_name_with_who_has_them,
            locks::only_the_dead_leave_their_queues,
            locks::what_locks_leave_behind_goes_after_its_time,
            locks::of_many_who_come_at_once_never_two_have_the_lock,
            poisoned::a_saga_that_cannot_be_read_asks_for_a_person_without_an_event,
            poisoned::whoever_appends_to_a_poisoned_saga_has_read_it,
            poisoned::who_is_not_the_owner_any_more_has_no_say_about_a_saga,
            poisoned::words_about_sagas_that_were_read_since_go_after_their_time,
            retention::a_walk_finds_what_ended_before,
            retention::what_is_purged_is_gone,
            retention::a_saga_with_a_key_leaves_a_stub,
            retention::a_stub_is_met_by_a_repeated_start_and_by_nobody_else,
            reads::journals_are_read_together_from_their_beginnings,
            reads::a_scan_sees_every_saga_once,
            reads::a_big_batch_takes_few_statements_and_they_are_counted,
            reads::a_saga_always_goes_the_same_way,
            turns::the_turns_of_sagas_are_told_and_their_steps_are_not,
            turns::that_nobody_has_to_look_any_more_is_told_where_it_stands,
            turns::what_was_not_made_is_not_told_and_what_is_made_again_is_told_once,
            turns::a_reader_beside_many_writers_hears_of_each_turn_once_and_of_each_saga_in_order,
            turns::rows_are_read_by_saga_and_seq,
            turns::what_was_told_goes_after_its_time_and_whoever_missed_it_can_tell,
            subscriptions::subscriptions_are_kept_paused_and_deleted,
            subscriptions::who_was_replaced_writes_nothing_down,
            lists::lists_are_newest_first,
            lists::filters_by_status_find_those_and_no_others,
            lists::filters_by_name_attention_and_time_combine,
            lists::pages_neither_repeat_nor_miss_while_sagas_come_and_go,
            lists::counts_are_of_sagas_that_live,
            lists::the_latest_time_is_that_of_sagas_that_live,
            lists::a_store_that_is_there_answers,
            keys::the_first_key_is_everybodys,
            keys::of_many_who_offer_a_key_at_once_one_is_kept,
            keys::a_key_is_shown_to_nobody,
            definitions::versions_are_assigned_from_one,
            definitions::the_same_text_keeps_its_version,
            definitions::a_version_is_never_given_another_text,
            definitions::a_version_that_is_asked_for_is_given,
            definitions::no_version_is_above_the_last_number,
            definitions::many_writers_of_one_text_make_one_version,
            definitions::definitions_and_versions_come_in_pages,
            definitions::the_highest_version_that_is_not_disabled_takes_starts,
            definitions::a_version_that_nobody_uses_is_deleted_and_its_number_stays_taken,
            definitions::a_version_is_in_use_as_long_as_a_saga_of_it_is_kept,
            definitions::no_saga_is_made_of_a_version_that_is_deleted,
            definitions::a_start_that_meets_a_deletion_wins_or_is_refused,
            definitions::two_who_delete_at_once_do_not_undo_each_others_work,
        }
    };
}

/// One test per case, on the stores that `$empty` (an async function, by its whole path) makes: `(Side, what must outlive it)`.
#[macro_export]
macro_rules! conformance_tests {
    ($empty:path) => {
        use $crate::conformance_tests as tests_of_cases;
        $crate::conformance_cases! { tests_of_cases, $empty }
    };
    ($empty:path; $($module:ident::$case:ident,)*) => {
        mod conforms {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (side, _keep) = $empty().await;
                    $crate::conformance::run(stringify!($case), side).await;
                }
            )*
        }
    };
}

macro_rules! conformance_run {
    ($($module:ident::$case:ident,)*) => {
        /// Runs one case by its name, on an empty store.
        pub async fn run(case: &str, side: Side) {
            match case {
                $(stringify!($case) => $module::$case(side.into()).await,)*
                other => panic!("there is no case {other}"),
            }
        }
    };
}
conformance_cases!(conformance_run);
