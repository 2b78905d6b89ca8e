//! `locks`: one at a time, in their order, before anything else; and what ends the wait for one.

use std::time::Duration;

use amends_core::{
    Begin, CanCancel, Command, Input, LockPlace,
    definition::Definition,
    event::{Event, Recorded},
    evolve, fold,
    ids::SagaId,
    outstanding,
    summary::Status,
    time::Time,
};
use serde_json::{Value, json};

use crate::dsl::{Run, action, ok};

const LOCKED: &str = "
saga: s
locks: ['account:${{ input.to }}', 'account:${{ input.from }}', \"account:${{ input.from }}\"]
deadline: 1h
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
";

fn place(lock: &str, at: i64, held: bool) -> LockPlace {
    LockPlace { lock: lock.into(), arrived_at: Time(at), held }
}

impl Run {
    fn locks(self, places: &[LockPlace]) -> Self {
        self.input(Input::LocksAnswered(places.to_vec()))
    }

    #[track_caller]
    fn wants(self, expected: Option<&str>) -> Self {
        let owed = outstanding(&self.definition, &self.state).into_iter().find_map(|command| match command {
            Command::Lock { lock } => Some(lock.to_string()),
            _ => None,
        });
        assert_eq!(owed.as_deref(), expected);
        self
    }

    #[track_caller]
    fn holds<const N: usize>(self, expected: [&str; N]) -> Self {
        let held: Vec<&str> = self.state.held().iter().map(|lock| lock.as_str()).collect();
        assert_eq!(held, expected);
        self
    }
}

fn started() -> Run {
    Run::with_input(LOCKED, json!({ "from": "b", "to": "a" }))
}

#[test]
fn locks_are_taken_in_the_order_of_their_names_each_once_and_before_any_step() {
    let run = started().says(["started"]).owes([]).wants(Some("account:a")).holds([]);
    // Not in their order: it means nothing.
    let run = run.locks(&[place("account:b", 1, true)]).says([]);
    let run = run.locks(&[place("account:a", 5, true)]).says(["locked account:a"]).owes([]);
    let run = run.wants(Some("account:b")).holds(["account:a"]);
    let run = run.locks(&[place("account:b", 6, true)]).says(["locked account:b", "intended a action 1"]);
    let run = run.wants(None).holds(["account:a", "account:b"]).answers("a", ok()).is(Status::Completed);
    assert_eq!(run.commits, 4);
    run.holds([]);
}

#[test]
fn locks_that_nobody_has_and_the_first_step_are_one_commit() {
    let run = started().locks(&[place("account:a", 5, true), place("account:b", 6, true)]);
    let run = run.says(["locked account:a", "locked account:b", "intended a action 1"]);
    assert_eq!(run.answers("a", ok()).is(Status::Completed).commits, 3);
}

#[test]
fn who_comes_later_waits_and_says_so_once() {
    let run = started().locks(&[place("account:a", 5, true), place("account:b", 6, false)]);
    let run = run.says(["locked account:a", "queued account:b"]).owes([]).wants(Some("account:b"));
    let run = run.locks(&[place("account:b", 6, false)]).says([]);
    let run = run.adopted(Duration::from_secs(9)).says(["adopted"]).wants(Some("account:b")).holds(["account:a"]);
    run.locks(&[place("account:b", 6, true)]).says(["locked account:b", "intended a action 1"]);
}

#[test]
fn a_cancel_and_the_deadline_end_the_wait_with_nothing_to_undo() {
    let waiting = || started().locks(&[place("account:a", 5, false)]).can_cancel(CanCancel::Yes);
    let run = waiting().cancels().says(["cancel requested", "compensating", "compensated"]).holds([]).wants(None);
    run.locks(&[place("account:a", 5, true)]).says([]);
    waiting().passes_an_hour().says(["compensating", "compensated"]).is(Status::Compensated).wants(None);
    // As it does between two locks.
    let run = started().locks(&[place("account:a", 5, true)]).passes_an_hour();
    run.says(["compensating", "compensated"]).holds([]);
}

#[test]
fn a_waiter_asleep_is_woken_by_itself_the_later_the_longer_it_has_waited_and_never_behind_its_deadline() {
    let yaml = LOCKED.replace("deadline: 1h", "deadline: 30d");
    let run = Run::with_input(&yaml, json!({ "from": "b", "to": "a" })).locks(&[place("account:a", 5, false)]);
    let minute = Duration::from_secs(60);
    let next = |run: &Run| run.state.summary().wake_at.expect("it is woken").since(run.now);
    assert_eq!(next(&run), minute);
    let run = run.passes(10 * minute).adopted(Duration::ZERO).input(Input::Released);
    assert_eq!(next(&run), 10 * minute);
    let run = run.adopted(1000 * minute).input(Input::Released);
    assert_eq!(next(&run), 60 * minute);
    let run = started().locks(&[place("account:a", 5, false)]).passes(Duration::from_secs(3550));
    assert_eq!(next(&run.adopted(Duration::ZERO)), Duration::from_secs(50));
}

#[test]
fn a_saga_that_is_let_go_before_it_has_its_place_is_due_at_once() {
    let run = started().input(Input::Released);
    assert_eq!(run.state.summary().wake_at, Some(run.now), "nobody knows that it waits, so nobody would wake it");
    let run = run.adopted(Duration::from_secs(1)).locks(&[place("account:a", 5, true)]).input(Input::Released);
    assert_eq!(run.state.summary().wake_at, Some(run.now), "nor that it needs the next");
}

#[test]
fn a_signal_that_comes_while_it_waits_is_kept() {
    let yaml = "
saga: s
locks: [one]
steps:
  ask: { await: go, timeout: 1d }
";
    let run = Run::of(yaml).signal("go", "", json!(1)).says(["signal go"]);
    let run = run.locks(&[place("one", 1, true)]);
    run.says(["locked one", "awaits ask go", "taken ask go", "completed"]);
}

#[test]
fn no_journal_has_a_step_before_all_locks_or_a_lock_out_of_order() {
    let run = started();
    let locked = |lock: &str| Event::LockTaken { lock: lock.into(), arrived_at: Time(1) };
    let queued = |lock: &str| Event::LockQueued { lock: lock.into(), arrived_at: Time(1) };
    let step = Event::CallIntended {
        call: action("a"),
        attempt: 1,
        due_at: run.now,
        request: amends_core::ids::Digest::of(&[b"a"]),
        pivot: false,
    };
    let legal = |events: &[Event]| {
        let next = |(state, seq), event: &Event| {
            let recorded = Recorded { seq, epoch: 1, at: run.now, event: event.clone() };
            Ok::<_, amends_core::Illegal>((evolve(state, &recorded)?, seq + 1))
        };
        events.iter().try_fold((fold(run.state.saga, &run.journal).expect("it folds"), 2), next).is_ok()
    };
    assert!(legal(&[locked("account:a"), queued("account:b"), locked("account:b"), step.clone()]));
    assert!(!legal(std::slice::from_ref(&step)));
    assert!(!legal(&[locked("account:a"), step]));
    assert!(!legal(&[locked("account:b")]));
    assert!(!legal(&[queued("account:b")]));
    assert!(!legal(&[queued("account:a"), queued("account:a")]));
    assert!(!legal(&[locked("account:a"), locked("account:a")]));
}

#[test]
fn a_lock_without_a_name_is_no_start() {
    let definition = Definition::parse(&LOCKED.replace("account:", ""), None).expect("a definition");
    let names = |input: Value| {
        let with = Begin::root(1, input);
        amends_core::locks(&definition, SagaId(uuid::Uuid::nil()), &with, Time(0))
            .map(|locks| locks.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(names(json!({ "from": "b", "to": 7 })).expect("names"), ["7", "b"]);
    for (input, said) in [
        (json!({ "to": "a" }), "lock 2 cannot be computed"),
        (json!({ "to": null, "from": "b" }), "lock 1: a list, a map or null"),
        (json!({ "to": [1], "from": "b" }), "lock 1: a list, a map or null"),
        (json!({ "to": "", "from": "b" }), "lock 1: a name of 1 to 256 bytes"),
        (json!({ "to": "a\n", "from": "b" }), "lock 1: a name of 1 to 256 bytes"),
        (json!({ "to": "a".repeat(257), "from": "b" }), "lock 1: a name of 1 to 256 bytes"),
    ] {
        let why = names(input.clone()).expect_err("no name");
        assert!(why.starts_with(said), "{input}: {why}");
    }
}
