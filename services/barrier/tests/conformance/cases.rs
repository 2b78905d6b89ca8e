//! Every case, once: SQLite runs each as a test of its own (`main`), the other sides run the list.

use std::{future::Future, pin::Pin};

use anyhow::Result;

use crate::{callbacks, forget, subject::Subject, suite};

pub(crate) type Case = fn(Subject) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

macro_rules! cases {
    ($($module:ident::$name:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), |subject| Box::pin($module::$name(subject))),)*]
    };
}

pub(crate) const CASES: &[(&str, Case)] = cases![
    suite::duplicate,
    suite::five_duplicates_at_once,
    suite::compensation_first,
    suite::late_duplicate_after_compensation,
    suite::compensation_twice,
    suite::null_compensation_twice,
    suite::compensation_beside_action,
    suite::action_beside_compensation,
    suite::rejection,
    suite::rejection_in_a_later_epoch,
    suite::duplicated_rejection,
    suite::rejected_then_compensated,
    suite::refusal_leaves_no_trace,
    suite::refused_compensation,
    suite::stale_epoch,
    suite::compensation_raises_the_fence,
    suite::refused_compensation_raises_the_fence,
    suite::fence_is_per_saga,
    suite::other_body,
    suite::items,
    suite::probe,
    suite::probe_beside_action,
    suite::broken_handler,
    suite::broken_compensation,
    suite::client_hangs_up,
    suite::unreadable_body,
    suite::accepted_then_completed,
    suite::accepted_then_failed,
    suite::accepted_then_compensated,
    callbacks::told,
    callbacks::told_of_a_refusal,
    callbacks::refusal_is_final,
    callbacks::not_told,
    callbacks::forgotten,
    callbacks::compensation_beside_finishing,
    forget::within_the_grace,
    forget::after_the_grace,
    forget::never_named,
    forget::named_again,
    forget::unknown,
    forget::beside_a_call,
    forget::call_after_the_deletion,
    forget::accepted,
];

#[test]
fn sqlite_runs_every_case_by_name() {
    let main = include_str!("main.rs");
    let there: Vec<&str> = main.split("holds(").skip(1).filter_map(|rest| rest.split(").await").next()).collect();
    for (name, _) in CASES {
        assert!(there.contains(name), "no test of {name} on SQLite");
    }
    let cases = there.iter().filter(|name| name.contains("::")).count();
    assert_eq!(cases, CASES.len(), "a case of SQLite's is not in the list");
}
