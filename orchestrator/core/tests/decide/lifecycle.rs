//! What of a journal is a turn in the life of its saga.

use amends_core::{Lifecycle, RefusedThere};

use crate::dsl::{ROW, Run, acked, answer, refused_there};

fn turns(run: &Run) -> Vec<Lifecycle> {
    run.journal.iter().filter_map(|recorded| Lifecycle::of(&recorded.event)).collect()
}

#[test]
fn a_saga_that_goes_well_has_two_turns_and_its_steps_are_none() {
    let run = Run::of(ROW).all_answer(&["a", "b", "c"]);
    assert_eq!(turns(&run), [Lifecycle::Started, Lifecycle::Completed]);
}

#[test]
fn a_saga_that_is_undone_turns_back_and_ends() {
    let run = Run::of(ROW).all_answer(&["a"]).answers("b", answer(400)).undo_answers("a", answer(200));
    assert_eq!(turns(&run), [Lifecycle::Started, Lifecycle::Compensating, Lifecycle::Compensated]);
}

#[test]
fn that_a_person_has_to_look_and_then_has_not_are_turns() {
    let run = Run::of(ROW).barrier().answers("a", refused_there(RefusedThere::StaleEpoch));
    assert_eq!(turns(&run), [Lifecycle::Started, Lifecycle::AttentionRaised]);
    assert_eq!(run.cleared, None);
    let next = run.journal.last().expect("a journal").seq + 1;
    let run = run.answers("a", acked(200));
    assert_eq!(run.cleared, Some(next), "its success");
    assert_eq!(turns(&run).len(), 2, "the event by itself is no turn");
}
