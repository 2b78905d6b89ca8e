//! The rules, one in each file, in the order in which they are checked.

mod accepted;
mod accepted_then_undone;
mod ack;
mod called_back;
mod compensation_once;
mod concurrent_duplicates;
mod concurrent_pair;
mod description;
mod fence;
mod first_call;
mod forget;
mod forget_grace;
mod late_action;
mod late_copy;
mod null_compensation;
mod one_effect;
mod other_body;
mod probe;
mod rejection_judged_anew;
mod rejection_undone;
mod stale_epoch;
mod stored_rejection;
mod stored_reply;

use futures_util::future::BoxFuture;

use super::bench::{Bench, Checked};

/// One promise of the contract, and how it is seen from outside.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// As a sentence.
    pub(crate) title: &'static str,
    /// A line of docs/participant.md, word for word.
    pub(crate) promise: &'static str,
    /// What to do about it.
    pub(crate) hint: &'static str,
    /// If one of these is broken, this one says nothing.
    pub(crate) after: &'static [&'static str],
    pub(crate) check: for<'b> fn(&'b Bench) -> BoxFuture<'b, Checked>,
}

pub(crate) const ALL: [Rule; 23] = [
    first_call::RULE,
    ack::RULE,
    stored_reply::RULE,
    one_effect::RULE,
    compensation_once::RULE,
    null_compensation::RULE,
    late_action::RULE,
    late_copy::RULE,
    concurrent_duplicates::RULE,
    concurrent_pair::RULE,
    other_body::RULE,
    stale_epoch::RULE,
    fence::RULE,
    stored_rejection::RULE,
    rejection_judged_anew::RULE,
    rejection_undone::RULE,
    probe::RULE,
    accepted::RULE,
    called_back::RULE,
    accepted_then_undone::RULE,
    description::RULE,
    forget::RULE,
    forget_grace::RULE,
];
