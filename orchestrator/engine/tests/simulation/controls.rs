//! Negative controls: one rule is switched off, at a door, and the checker that is for it must notice within so many seeds.
//! Rules of the engine are broken from outside, by a door that makes of the engine what it would be without the rule: so not a
//! line of the product is there for it.

use std::collections::BTreeMap;

use crate::{run::run, world::Rule};

const SEEDS: u64 = 3_000;

#[track_caller]
fn is_noticed(off: Rule, says: &[&str]) {
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        for why in run(seed, Some(off)).verdict {
            if says.iter().any(|word| why.contains(word)) {
                println!("{off:?} is noticed in seed {seed}: {why}");
                return;
            }
            *others.entry(why).or_default() += 1;
        }
    }
    panic!("{SEEDS} seeds without {off:?}, and the checker did not notice; others did: {others:#?}");
}

#[test]
fn sending_before_the_commit_is_noticed() {
    is_noticed(Rule::CommitBeforeSend, &["is sent before its intent is durable"]);
}

#[test]
fn participants_without_a_fence_are_noticed() {
    is_noticed(Rule::FenceThere, &["was seen before"]);
}

#[test]
fn a_store_without_a_fence_is_noticed() {
    is_noticed(Rule::FenceInStore, &["a row is written under epoch"]);
}

#[test]
fn a_barrier_without_tombstones_is_noticed() {
    is_noticed(Rule::Tombstone, &["is applied after it was undone"]);
}

#[test]
fn a_timeout_taken_for_a_failure_is_noticed() {
    is_noticed(Rule::TimeoutIsUnknown, &["was applied 1 and undone 0 times"]);
}

#[test]
fn an_unknown_that_is_not_sticky_is_noticed() {
    is_noticed(Rule::UnknownIsSticky, &["was applied 1 and undone 0 times"]);
}

#[test]
fn a_barrier_that_checks_and_then_acts_is_noticed() {
    is_noticed(Rule::InsertAsLock, &["was applied 2", "is applied after it was undone", "is undone twice"]);
}

#[test]
fn a_lease_on_the_nodes_own_clock_is_noticed() {
    is_noticed(Rule::LeaseOnNodeClock, &["is not its owner any more"]);
}
